//! Packages from folders and Git repositories, made into releases like those of a registry.
//!
//! A folder is packed into an archive, as `cargo package` would; from then on the checksum of the
//! archive stands for it, and nothing else needs to know where it came from.
//!
//! | module | holds |
//! |---|---|
//! | [`git`] | a commit of a repository as a folder |
//! | [`find`] | the package of a folder, by a look around |
//! | [`normal`] | a manifest that inherits nothing and names no folders |
//! | [`pack`] | a folder as an archive, always the same bytes |
//! | [`overlay`] | [`Overlay`]: a registry with such packages over it |

mod find;
mod git;
mod normal;
mod overlay;
mod pack;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};
pub use find::TaggedVersion;
use orlop_recipes::{CrateSource, Filter, PackageName, Version};
use orlop_resolver::{Checksum, Package, Release};
pub use overlay::Overlay;
use sha2::{Digest as _, Sha256};

use self::normal::Reach;
use crate::archive;
use crate::download::{Archive, hex};
use crate::error::{ArchiveError, DownloadError, ManifestError};
use crate::files;
use crate::source::shown;

/// Why a folder or a repository is no package.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// There is no such folder, or it cannot be looked into.
    #[error("open the folder `{folder}`")]
    Folder {
        /// The folder.
        folder: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is not in the repository.
    #[error("the commit {rev} of `{}` has no folder `{folder}`", shown(address))]
    NoFolder {
        /// The repository.
        address: String,
        /// The commit.
        rev: String,
        /// The folder, from the top of the repository.
        folder: String,
    },
    /// Its manifest cannot be understood.
    #[error("understand `{path}`: {reason}")]
    Manifest {
        /// The manifest.
        path: Utf8PathBuf,
        /// Why.
        reason: String,
    },
    /// Its manifest, made plain, cannot be understood.
    #[error("understand the package in `{folder}`")]
    Package {
        /// The folder.
        folder: Utf8PathBuf,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// What was packed cannot be read back.
    #[error("pack `{folder}`")]
    Archive {
        /// The folder.
        folder: Utf8PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// It cannot be kept among the downloads.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// It is another package than the one that is meant.
    #[error("`{folder}` holds the package `{found}`, not `{expected}`")]
    OtherPackage {
        /// The folder.
        folder: Utf8PathBuf,
        /// What it holds.
        found: PackageName,
        /// What is meant.
        expected: PackageName,
    },
    /// A repository names a folder of this machine.
    #[error("the package `{folder}` is not inside `{border}`, whose files name it")]
    Outside {
        /// The folder.
        folder: Utf8PathBuf,
        /// The files of the repository.
        border: Utf8PathBuf,
    },
    /// Git is needed and is not there.
    #[error(
        "the package comes from `{}`, and there is no `git` in `PATH`",
        shown(address)
    )]
    NoGit {
        /// The repository.
        address: String,
    },
    /// The commit is not on this machine.
    #[error(
        "the commit {rev} of `{}` is not on this machine and `--offline` forbids to fetch it",
        shown(address)
    )]
    Offline {
        /// The repository.
        address: String,
        /// The commit.
        rev: String,
    },
    /// Git cannot tell what a repository has.
    #[error("list the tags of `{}`: {reason}", shown(address))]
    Names {
        /// The repository.
        address: String,
        /// What Git said last.
        reason: String,
    },
    /// There is no package with programs.
    #[error("there is no package with programs in `{folder}`")]
    NoApp {
        /// The folder.
        folder: Utf8PathBuf,
    },
    /// Nothing is left to be packed.
    #[error("pack `{folder}`: no file of it is taken")]
    NoFiles {
        /// The folder.
        folder: Utf8PathBuf,
    },
    /// Several packages have programs.
    #[error("several packages in `{folder}` have programs: {}", .found.join(", "))]
    SeveralApps {
        /// The folder.
        folder: Utf8PathBuf,
        /// The folders of the packages in it.
        found: Vec<String>,
    },
    /// Git failed.
    #[error("get the commit {rev} of `{}`: {reason}", shown(address))]
    Git {
        /// The repository.
        address: String,
        /// The commit.
        rev: String,
        /// What Git said last.
        reason: String,
    },
}

/// What packing packages needs.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// Orlop's folder; `downloads` inside it is used.
    pub home: Utf8PathBuf,
    /// The program `git`, if there is one.
    pub git: Option<Utf8PathBuf>,
    /// Whether the network may not be used.
    pub offline: bool,
}

/// One package from elsewhere, packed.
#[derive(Debug, Clone)]
pub(crate) struct LocalPackage {
    pub(crate) release: Release,
    pub(crate) package: Arc<Package>,
    pub(crate) lock: Option<String>,
}

/// Packages from elsewhere, with those in folders that they name themselves.
#[derive(Debug, Clone, Default)]
pub struct Locals {
    packages: BTreeMap<(PackageName, Version), LocalPackage>,
    /// Those that stand for all releases of their name.
    only: BTreeSet<PackageName>,
    /// Those that are taken where they fit.
    patches: BTreeSet<(PackageName, Version)>,
}

impl Workshop {
    /// Packs what a recipe names: the package of its `source`, which is then the only one of that
    /// name, and its patches.
    pub fn pack(
        &self,
        name: &PackageName,
        source: Option<&CrateSource>,
        patches: &BTreeMap<PackageName, CrateSource>,
    ) -> Result<Locals, LocalError> {
        let mut locals = Locals::default();
        if let Some(source) = source {
            self.add(name, source, patches, &mut locals)?;
            locals.only.insert(name.clone());
        }
        for (name, source) in patches {
            let version = self.add(name, source, patches, &mut locals)?;
            locals.patches.insert((name.clone(), version));
        }
        Ok(locals)
    }

    fn add(
        &self,
        name: &PackageName,
        source: &CrateSource,
        patches: &BTreeMap<PackageName, CrateSource>,
        locals: &mut Locals,
    ) -> Result<Version, LocalError> {
        let mut rest = vec![self.package(source)?];
        let mut seen = BTreeSet::new();
        let mut version = None;
        while let Some((folder, reach)) = rest.pop() {
            let folder = reach.real(&folder)?;
            if !seen.insert(folder.clone()) {
                continue;
            }
            let normal = normal::read(&folder, &reach, patches)?;
            if version.is_none() {
                if normal.name != *name {
                    return Err(LocalError::OtherPackage {
                        folder,
                        found: normal.name,
                        expected: name.clone(),
                    });
                }
                version = Some(normal.version.clone());
            }
            let folders = normal.folders.iter().cloned();
            rest.extend(folders.map(|folder| (folder, reach.clone())));
            for source in &normal.repositories {
                rest.push(self.package(source)?);
            }
            let packed = self.packed(&folder, &reach.border, normal)?;
            let key = (packed.release.name.clone(), packed.release.version.clone());
            locals.packages.insert(key, packed);
        }
        Ok(version.expect("the first folder gives the version"))
    }

    /// Packs files as they are, into a folder of this name and version; returns the checksum of the
    /// archive, which is kept among the downloads.
    pub fn pack_files(
        &self,
        (name, version): (&PackageName, &str),
        source: &CrateSource,
        filter: &Filter,
    ) -> Result<String, LocalError> {
        let (folder, _) = self.folder(source)?;
        let folder = real(&folder)?;
        let matcher = filter.matcher();
        let takes = |path: &Utf8Path| matcher.takes(path.as_str());
        let bytes = pack::files(&folder, &format!("{name}-{version}"), &takes)?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let checksum = hex(&digest);
        let archive = Archive {
            name: name.as_str(),
            version,
            checksum: &checksum,
        };
        self.keep(&archive, &bytes)?;
        Ok(checksum)
    }

    /// Returns the folder of a package, and what it may name.
    fn package(&self, source: &CrateSource) -> Result<(Utf8PathBuf, Reach), LocalError> {
        let (folder, border) = self.folder(source)?;
        let is_here = source.is_here();
        Ok((folder, Reach { border, is_here }))
    }

    /// Returns the folder of a package, and the one that nothing it names may lie outside of.
    fn folder(&self, source: &CrateSource) -> Result<(Utf8PathBuf, Utf8PathBuf), LocalError> {
        match source {
            CrateSource::Path { path } => Ok((path.into(), "/".into())),
            CrateSource::Git { git, rev, folder } => {
                let border = real(&git::checkout(self, git, rev)?)?;
                let inside = folder.as_deref().unwrap_or_default();
                let folder = border.join(inside);
                if folder.is_dir() {
                    return Ok((folder, border));
                }
                Err(LocalError::NoFolder {
                    address: git.clone(),
                    rev: rev.clone(),
                    folder: inside.to_owned(),
                })
            }
        }
    }

    /// Keeps an archive among the downloads, unless it is there, undamaged.
    fn keep(&self, archive: &Archive<'_>, bytes: &[u8]) -> Result<Utf8PathBuf, LocalError> {
        let file = self.home.join("downloads").join(archive.file_name()?);
        if files::read(&file)?.as_deref() != Some(bytes) {
            files::write(&file, &[bytes])?;
        }
        Ok(file)
    }

    /// Packs a folder and keeps the archive among the downloads.
    fn packed(
        &self,
        folder: &Utf8Path,
        border: &Utf8Path,
        normal: normal::Normal,
    ) -> Result<LocalPackage, LocalError> {
        let top = format!("{}-{}", normal.name, normal.version);
        let own = |folder: &&Utf8Path| folder.join(".git").exists();
        // Of a folder of this machine, which may hold links to anything, the project is the border.
        let project = folder.ancestors().find(own).unwrap_or(folder);
        let linked = if border == "/" { project } else { border };
        let bytes = pack::archive(folder, linked, &top, &normal)?;
        let checksum: [u8; 32] = Sha256::digest(&bytes).into();
        let version = normal.version.to_string();
        let text = hex(&checksum);
        let archive = Archive {
            name: normal.name.as_str(),
            version: &version,
            checksum: &text,
        };
        let file = self.keep(&archive, &bytes)?;
        let contents = archive::read(&file, &top).map_err(|source| LocalError::Archive {
            folder: folder.to_owned(),
            source,
        })?;
        let package = crate::manifest::package(&normal.name, &normal.version, &contents);
        let package = package.map_err(|source| LocalError::Package {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(LocalPackage {
            release: Release {
                name: normal.name,
                version: normal.version,
                checksum: Checksum(checksum),
                dependencies: normal.dependencies.into(),
                features: Arc::new(normal.features),
                yanked: false,
                links: package.links.as_deref().map(Arc::from),
                rust_version: Some(package.about.rust_version.as_str())
                    .filter(|text| !text.is_empty())
                    .map(Arc::from),
                published: None,
            },
            package: Arc::new(package),
            lock: normal.lock,
        })
    }
}

/// Returns where a folder is without links.
fn real(folder: &Utf8Path) -> Result<Utf8PathBuf, LocalError> {
    let found = folder.canonicalize_utf8();
    found.map_err(|source| LocalError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

/// Lists what is in a folder.
fn list(folder: &Utf8Path) -> Result<Vec<Utf8DirEntry>, LocalError> {
    let entries = folder.read_dir_utf8().and_then(Iterator::collect);
    entries.map_err(|source| LocalError::Folder {
        folder: folder.to_owned(),
        source,
    })
}
