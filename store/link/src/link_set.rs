//! [`LinkSet`]: what rustc would have linked a program from, in order.
//!
//! On disk a link set is a folder:
//!
//! | path | holds |
//! |---|---|
//! | `link.json` | the list of [`Item`]s |
//! | `objects/` | the program's own objects: codegen units, the allocator shim, `symbols.o` |
//! | `archives/` | native archives that rustc had unpacked for the occasion |
//! | `files/` | files that flags name: version scripts, linker scripts |
//!
//! Everything else it needs is named by store path. No path of the machine it was recorded on is
//! in it, apart from those of the C tools (`/usr/…`).

use std::collections::BTreeSet;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use orlop_store::StorePath;
use serde::{Deserialize, Serialize};

/// The version of `link.json`.
const VERSION: u32 = 1;
/// The file that holds the list.
const FILE: &str = "link.json";

/// The folder of a program's own objects.
pub(crate) const OBJECTS: &str = "objects";
/// The folder of recorded archives.
pub(crate) const ARCHIVES: &str = "archives";
/// The folder of files that flags name.
pub(crate) const FILES: &str = "files";

/// What a program is linked from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSet {
    version: u32,
    items: Vec<Item>,
}

/// One word of the command line, with every path made independent of the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Item {
    /// An object of the program itself, kept in the link set.
    Object {
        /// The file, relative to the link set.
        file: Utf8PathBuf,
    },
    /// A native archive, kept in the link set.
    Archive {
        /// The file, relative to the link set.
        file: Utf8PathBuf,
    },
    /// A file of a store object: an rlib, an archive, an object.
    Stored {
        /// The store object.
        object: StorePath,
        /// The file, relative to the object.
        file: Utf8PathBuf,
    },
    /// A library to be searched: what follows `-l`.
    Library {
        /// Its name.
        name: String,
    },
    /// A folder to search for libraries: what follows `-L`.
    SearchPath {
        /// The folder; relative to `object` if there is one.
        folder: Utf8PathBuf,
        /// The store object that has it; none for a folder of the C tools.
        object: Option<StorePath>,
    },
    /// A flag that names a file: `before` directly followed by the file's path.
    File {
        /// What comes before the path: `-Wl,--version-script=`.
        before: String,
        /// The file, relative to the link set.
        file: Utf8PathBuf,
    },
    /// Any other flag, word by word.
    Flag {
        /// The word.
        text: String,
    },
}

/// Why a link set could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LinkSetError {
    /// A file could not be used.
    #[error("use a link set")]
    Io(#[from] std::io::Error),
    /// The list is not one.
    #[error("read `{path}`")]
    Json {
        /// The file.
        path: Utf8PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is of another version.
    #[error("`{path}` has the version {found}; this program reads version {VERSION}")]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// Its version.
        found: u32,
    },
    /// A path leads out of the link set or the store object it belongs to.
    #[error("`{path}` names `{file}`, which is not a path inside an object")]
    Escape {
        /// The list.
        path: Utf8PathBuf,
        /// The path in it.
        file: Utf8PathBuf,
    },
}

impl LinkSet {
    /// Makes a link set of items in the order of the command line.
    pub fn new(items: Vec<Item>) -> Self {
        Self {
            version: VERSION,
            items,
        }
    }

    /// Reads the link set in `folder` and checks all paths in it.
    pub fn read(folder: &Utf8Path) -> Result<Self, LinkSetError> {
        let path = folder.join(FILE);
        let text = fs_err::read(&path)?;
        let set: Self = serde_json::from_slice(&text).map_err(|source| LinkSetError::Json {
            path: path.clone(),
            source,
        })?;
        if set.version != VERSION {
            return Err(LinkSetError::Version {
                path,
                found: set.version,
            });
        }
        match set
            .items
            .iter()
            .filter_map(Item::relative_path)
            .find(|file| !stays_inside(file))
        {
            Some(file) => Err(LinkSetError::Escape {
                file: file.to_owned(),
                path,
            }),
            None => Ok(set),
        }
    }

    /// Writes the list into `folder`.
    pub fn write(&self, folder: &Utf8Path) -> Result<(), LinkSetError> {
        let path = folder.join(FILE);
        let mut text = serde_json::to_vec_pretty(self).map_err(|source| LinkSetError::Json {
            path: path.clone(),
            source,
        })?;
        text.push(b'\n');
        Ok(fs_err::write(path, text)?)
    }

    /// Returns the items in the order of the command line.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns every store object that it names.
    pub fn references(&self) -> BTreeSet<StorePath> {
        self.items
            .iter()
            .filter_map(Item::object)
            .cloned()
            .collect()
    }

    /// Whether the command line has exactly this flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags().any(|text| text == flag)
    }

    /// Returns the flags, in order.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::Flag { text } => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Item {
    /// Makes a flag.
    pub fn flag(text: impl Into<String>) -> Self {
        Self::Flag { text: text.into() }
    }

    /// Returns the store object it names.
    fn object(&self) -> Option<&StorePath> {
        match self {
            Self::Stored { object, .. } => Some(object),
            Self::SearchPath { object, .. } => object.as_ref(),
            _ => None,
        }
    }

    /// Returns the path that must stay inside the link set or a store object.
    fn relative_path(&self) -> Option<&Utf8Path> {
        match self {
            Self::Object { file }
            | Self::Archive { file }
            | Self::Stored { file, .. }
            | Self::File { file, .. } => Some(file),
            Self::SearchPath {
                folder,
                object: Some(_),
            } => Some(folder),
            Self::SearchPath { object: None, .. } | Self::Library { .. } | Self::Flag { .. } => {
                None
            }
        }
    }
}

fn stays_inside(path: &Utf8Path) -> bool {
    path.components()
        .all(|component| matches!(component, Utf8Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn round_trip() {
        let folder = folder();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let set = LinkSet::new(vec![
            Item::Object {
                file: "objects/0.o".into(),
            },
            Item::flag("-Wl,-z,relro"),
            Item::SearchPath {
                folder: "/usr/lib".into(),
                object: None,
            },
            Item::Library { name: "c".into() },
        ]);
        set.write(folder).unwrap();
        assert_eq!(LinkSet::read(folder).unwrap(), set);
        assert!(set.has_flag("-Wl,-z,relro"));
    }

    #[test]
    fn paths_may_not_lead_out() {
        for file in ["../objects/0.o", "/etc/passwd", "objects/../../x"] {
            let folder = folder();
            let folder = Utf8Path::from_path(folder.path()).unwrap();
            LinkSet::new(vec![Item::Object { file: file.into() }])
                .write(folder)
                .unwrap();
            assert!(
                matches!(LinkSet::read(folder), Err(LinkSetError::Escape { .. })),
                "{file}"
            );
        }
    }

    #[test]
    fn other_versions_are_refused() {
        let folder = folder();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::write(folder.join(FILE), r#"{"version":2,"items":[]}"#).unwrap();
        assert!(matches!(
            LinkSet::read(folder),
            Err(LinkSetError::Version { found: 2, .. })
        ));
    }
}
