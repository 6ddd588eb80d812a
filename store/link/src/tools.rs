//! [`Tools`]: the linker, and the libraries that come with it.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Object;
use orlop_store::derivation::Isolation;
use orlop_store::{Compiler, Digest, StorePath, content_hash};

use crate::Context;
use crate::error::LinkError;

/// The driver of the linker, as jobs see it.
pub(crate) const DRIVER: &str = "/usr/bin/cc";
/// The record in a compiler's object.
const COMPILER: &str = "compiler.json";
/// The version of glibc that relocates compressed relocations says so by this name.
const COMPRESSED_RELOCATIONS: &str = "GLIBC_ABI_DT_RELR";
/// Where C tools, which are seen at `/usr`, have their libraries.
const FOLDERS: [&str; 4] = [
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib64",
    "lib",
];

/// The linker for the apps of one compiler.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The flags that choose it.
    pub(crate) linker: Vec<String>,
    /// Whether it binds `name@NODE` to the library with that node, whoever else defines the name.
    /// Of the linkers there are only lld does: GNU ld takes the first definition or none, as the
    /// order of the files will have it, and gold the program's own.
    pub(crate) tells_apart: bool,
    /// Whether the system's loader knows compressed relocations.
    pub(crate) compressed_relocations: bool,
    /// What identifies it.
    pub(crate) identity: Identity,
}

/// What identifies a linker: part of the key of everything it links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The C tools.
    pub(crate) c_tools: StorePath,
    /// The compiler, which may bring its own.
    pub(crate) compiler: StorePath,
    /// How far links are shut off from the machine.
    pub(crate) isolation: Isolation,
}

content_hash!(Identity {
    c_tools,
    compiler,
    isolation
});

impl Tools {
    /// Finds the linker for what `compiler` compiled: its own if it has one, else the C tools'.
    pub(crate) fn new(context: &Context<'_>, compiler: &StorePath) -> Result<Self, LinkError> {
        let file = context.store.object(compiler).join(COMPILER);
        let record: Compiler = serde_json::from_slice(&fs_err::read(&file)?)
            .map_err(|source| LinkError::Json { file, source })?;
        let linker = match &record.bundled_linker {
            Some(folder) => {
                let folder = context.runner.view().object(compiler).join(folder);
                vec![format!("-B{folder}"), "-fuse-ld=lld".to_owned()]
            }
            None => vec!["-fuse-ld=bfd".to_owned()],
        };
        let glibc = Libraries::of(context).read("libc.so.6")?;
        let versions = glibc
            .and_then(|glibc| glibc.defined_versions)
            .unwrap_or_default();
        Ok(Self {
            linker,
            tells_apart: record.bundled_linker.is_some(),
            compressed_relocations: versions.contains(COMPRESSED_RELOCATIONS),
            identity: Identity {
                c_tools: context.c_tools.clone(),
                compiler: compiler.clone(),
                isolation: context.runner.isolation(),
            },
        })
    }

    /// Hashes a value together with the linker.
    pub(crate) fn key<T: orlop_store::digest::ContentHash>(
        &self,
        domain: &str,
        value: T,
    ) -> Digest {
        Digest::of(domain, &(FORMAT, (&self.identity, value)))
    }
}

/// The version of everything that is linked: changed when other flags or other rules apply.
pub(crate) const FORMAT: u64 = 5;

/// Folders with shared libraries, on the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Libraries {
    folders: Vec<Utf8PathBuf>,
}

impl Libraries {
    /// Returns the libraries of the C tools.
    pub(crate) fn of(context: &Context<'_>) -> Self {
        let tools = context.store.object(context.c_tools);
        Self {
            folders: FOLDERS.iter().map(|folder| tools.join(folder)).collect(),
        }
    }

    /// Returns these libraries with those of a folder before them.
    pub(crate) fn behind(mut self, folders: impl IntoIterator<Item = Utf8PathBuf>) -> Self {
        self.folders.splice(0..0, folders);
        self
    }

    /// Finds a library by its SONAME.
    pub(crate) fn find(&self, soname: &str) -> Option<Utf8PathBuf> {
        // A name with a path in it is no SONAME of ours to look up.
        let plain = Utf8Path::new(soname).file_name() == Some(soname);
        let mut files = self.folders.iter().map(|folder| folder.join(soname));
        plain.then(|| files.find(|file| file.is_file())).flatten()
    }

    /// Reads a library.
    fn read(&self, soname: &str) -> Result<Option<Object>, LinkError> {
        Ok(self
            .find(soname)
            .map(|file| Object::read(&file))
            .transpose()?)
    }

    /// Returns every name that the libraries behind these `-l` names define.
    pub(crate) fn names<'a>(
        &self,
        libraries: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeSet<String>, LinkError> {
        let prefixes: BTreeSet<_> = libraries
            .into_iter()
            .map(|name| format!("lib{name}.so"))
            .collect();
        let mut names = BTreeSet::new();
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            for entry in folder.read_dir_utf8()? {
                let entry = entry?;
                let stem = entry
                    .file_name()
                    .find(".so")
                    .map(|end| &entry.file_name()[..end + 3]);
                if !stem.is_some_and(|stem| prefixes.contains(stem)) {
                    continue;
                }
                // Beside libraries there are linker scripts, and files for other machines.
                if let Ok(object) = Object::read(entry.path()) {
                    names.extend(object.definitions().map(|symbol| symbol.name.clone()));
                }
            }
        }
        Ok(names)
    }
}
