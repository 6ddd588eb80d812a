//! Shared libraries that recipes build: each gets a SONAME and version nodes that no other has, as
//! our own libraries do.
//!
//! While a recipe's script runs, its compiler finds us in place of the linker ([`command`]); when
//! the script has ended, [`complete()`] checks what it made.
//!
//! | | becomes |
//! |---|---|
//! | SONAME `libz.so.1` | `libz-<key>.so.1` |
//! | exports without a version script | exports of the node `ORLOP_<key>` |
//! | a node `ZLIB_1.2.0` of a script | `ZLIB_1.2.0_ORLOP_<key>`; what is local stays local |
//! | `inflate@@ZLIB_1.2.0` in an object (`.symver`) | the same of the renamed node |
//! | programs | what they were: they record the names above |
//!
//! The key is a digest of the object that the build makes and of the library's own SONAME: two
//! libraries of one build do not share a node either. Files keep their names, so `-lz` and
//! pkg-config find them; beside each is a link by its SONAME, which is what a program asks for.
//!
//! | module | purpose |
//! |---|---|
//! | here | the names: [`Names`] |
//! | `line` | the linker's command line: [`command`] |
//! | `script` | version scripts |
//! | `complete` | what a build made: [`complete()`] |
//! | `check` | what it must not name, and what it must not need: [`Surroundings`] |

mod check;
mod complete;
mod line;
mod script;

use camino::Utf8PathBuf;
use orlop_loader::elf::ReadError;
use orlop_store::{Digest, StorePath};

pub use self::check::Surroundings;
pub use self::complete::complete;
pub use self::line::{Command, command};
use crate::objects::ObjectError;

/// The length of a key in names, as in those of our own libraries.
const KEY: usize = 16;
/// What every node begins or ends with, before the key.
const NODE: &str = "ORLOP_";

/// Why a library of a recipe could not be linked, or is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A file could not be used.
    #[error("link a shared library")]
    Io(#[from] std::io::Error),
    /// The command line could not be read.
    #[error("link a shared library")]
    CommandLine(#[from] crate::recorder::RecordError),
    /// A version script could not be read.
    #[error("read the version script `{path}`: {reason}")]
    Script {
        /// The script.
        path: Utf8PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An object or archive could not be read.
    #[error("read `{file}`")]
    Object {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        #[source]
        source: ObjectError,
    },
    /// A finished library could not be read.
    #[error("read what was built")]
    Elf(#[from] ReadError),
    /// A library was linked by some other linker than the one that builds see.
    #[error("the shared library `{file}` {lack}: it was not linked by the `ld` that builds see")]
    NotUnique {
        /// The file, in the object.
        file: Utf8PathBuf,
        /// What it lacks.
        lack: String,
    },
    /// A file names the folder that it was built in.
    #[error("`{file}` names the folder that it was built in, `{workplace}`, which is nowhere else")]
    Leak {
        /// The file, in the object.
        file: Utf8PathBuf,
        /// The folder.
        workplace: Utf8PathBuf,
    },
    /// A file needs what the recipe does not name.
    #[error(
        "`{file}` needs {needs}, which is not of the C library and not of those that the recipe \
         names: `native`"
    )]
    Undeclared {
        /// The file, in the object.
        file: Utf8PathBuf,
        /// What it needs.
        needs: String,
    },
    /// Two libraries would be loaded by one name.
    #[error(
        "`{soname}` is the SONAME of two different files in one folder: `{first}` and `{second}`"
    )]
    Twice {
        /// The name.
        soname: String,
        /// A file.
        first: Utf8PathBuf,
        /// Another.
        second: Utf8PathBuf,
    },
}

/// The names of a library that no other library has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The name it is loaded by.
    pub(crate) soname: String,
    /// Its version node.
    pub(crate) node: String,
}

impl Names {
    /// Returns the names of a library of the store object `object`, which its own build calls
    /// `soname`.
    pub(crate) fn new(object: &StorePath, soname: &str) -> Self {
        let key = Digest::of("orlop-native-library", &(object, soname)).to_string();
        let key = &key[..KEY];
        let (stem, ending) = split(soname);
        Self {
            soname: format!("{stem}-{key}{ending}"),
            node: format!("{NODE}{key}"),
        }
    }

    /// Returns the names of a library by its finished SONAME, if it has such names.
    pub(crate) fn of_finished(object: &StorePath, soname: &str) -> Option<Self> {
        let (stem, ending) = split(soname);
        let stem = stem.get(..stem.len().checked_sub(KEY + 1)?)?;
        let names = Self::new(object, &format!("{stem}{ending}"));
        (names.soname == soname).then_some(names)
    }

    /// Returns what a version script's own node becomes.
    pub(crate) fn renamed(&self, node: &str) -> String {
        format!("{node}_{}", self.node)
    }

    /// Returns the node of what a version script says nothing of.
    pub(crate) fn rest(&self) -> String {
        format!("{}_rest", self.node)
    }

    /// Whether a version is one of the library's.
    pub(crate) fn has_version(&self, version: &str) -> bool {
        version.contains(&self.node)
    }
}

/// Splits `libz.so.1` into `libz` and `.so.1`.
fn split(soname: &str) -> (&str, &str) {
    let at = soname.find(".so").unwrap_or(soname.len());
    soname.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_object_and_library() {
        let object = |name: &str| StorePath::new(Digest::of("test", name), name);
        let one = object("one");
        let names = Names::new(&one, "libz.so.1");
        let key = names.node.strip_prefix("ORLOP_").unwrap();
        assert_eq!(
            (key.len(), &names.soname),
            (KEY, &format!("libz-{key}.so.1"))
        );
        assert_eq!(Names::of_finished(&one, &names.soname), Some(names.clone()));
        assert_eq!(Names::of_finished(&object("two"), &names.soname), None);
        assert_eq!(Names::of_finished(&one, "libz.so.1"), None);
        assert_ne!(Names::new(&object("two"), "libz.so.1"), names);
        assert_ne!(Names::new(&one, "libz.so.2").node, names.node);
        assert_eq!(split("module"), ("module", ""));
        assert!(names.has_version(&names.renamed("ZLIB_1.2.0")));
        assert!(names.has_version(&names.rest()) && names.has_version(&names.node));
        assert!(!names.has_version("ZLIB_1.2.0"));
    }
}
