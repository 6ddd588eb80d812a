//! orlop-index.
