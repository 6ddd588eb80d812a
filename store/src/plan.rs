//! [`Plan`]: what is there, what comes from elsewhere, what is built. Plain data, printable.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::derivation::{Derivation, Source};
use crate::path::StorePath;

/// The steps that make a resolution true, and nothing left to decide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Objects that are already in the store and will be used.
    pub present: BTreeSet<StorePath>,
    /// Archives that are not on this machine yet.
    pub fetch: BTreeSet<Source>,
    /// Steps to execute; every step comes after the steps whose output it reads.
    pub build: Vec<Derivation>,
    /// The programs that all this is for.
    pub apps: Vec<PlannedApp>,
}

/// One app of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedApp {
    /// The package name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its programs' link sets, by program name, in order.
    pub programs: Vec<PlannedProgram>,
    /// The compiler it is compiled with.
    pub compiler: StorePath,
    /// Every library variant in it, for records and statistics.
    pub libraries: BTreeSet<StorePath>,
    /// Those of them that it has in common with its plugins.
    pub open: BTreeSet<StorePath>,
}

/// One program of an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlannedProgram {
    /// The name it is run by.
    pub name: String,
    /// Its link set.
    pub link_set: StorePath,
}
