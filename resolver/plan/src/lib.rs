//! orlop-plan.
