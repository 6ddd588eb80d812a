//! Binary caches: other places that hold store objects. None is implemented yet, so a plan fetches
//! archives from their publishers only.
