//! [`Progress`]: who is told about transfers.

use orlop_recipes::PackageName;

/// Somebody who wants to know. Called from many threads; must be quick.
pub trait Progress: Sync {
    /// The transfer of an archive began; `bytes` is what its sender announced.
    fn started(&self, name: &str, bytes: Option<u64>);

    /// So many more bytes arrived.
    fn advanced(&self, name: &str, bytes: u64);

    /// The archive is here and is what was promised.
    fn finished(&self, name: &str);

    /// The transfer broke off. It may start again.
    fn failed(&self, _name: &str) {}

    /// An index entry came over the network.
    fn entry(&self, _name: &PackageName) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _name: &str, _bytes: Option<u64>) {}
    fn advanced(&self, _name: &str, _bytes: u64) {}
    fn finished(&self, _name: &str) {}
}
