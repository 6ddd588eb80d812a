//! orlop-cache.
