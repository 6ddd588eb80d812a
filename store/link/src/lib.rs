//! orlop-link.
