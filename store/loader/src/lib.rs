//! orlop-loader.
