//! orlop-build.
