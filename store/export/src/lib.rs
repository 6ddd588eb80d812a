//! orlop-export: an installed app for people who have no store.
//!
//! An app is laid out in a folder as it will lie elsewhere, proved there, and packed. Nothing is
//! linked again and no file is edited: a program of a view finds its libraries relative to itself
//! (`$ORIGIN/../lib`), so it does wherever both are moved together.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | [`lay_out`]: the files at their places, and the proof |
//! | [`glibc`] | which glibc they need |
//! | [`pack`] | a folder as a tar archive, the same bytes each time |
//! | [`deb`] | a Debian package |
//! | [`oci`] | an OCI image, with the glibc of this machine in it |
//! | `error` | [`ExportError`] |

pub mod deb;
mod error;
pub mod glibc;
pub mod layout;
pub mod oci;
pub mod pack;

pub use error::ExportError;
pub use layout::{App, Laid, Place, lay_out};
pub use orlop_loader::elf::Machine;
