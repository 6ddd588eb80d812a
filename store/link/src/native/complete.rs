//! What a recipe's build made: checked, and completed by the links that programs ask for.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use object::elf::ET_DYN;
use orlop_loader::elf::{Object, ObjectKind};
use orlop_store::StorePath;
use orlop_store::job::LOADED_FOLDER;

use super::check::{self, Surroundings};
use super::{Names, NativeError};
use crate::objects::elf_kind;

/// Checks that every shared library below `folder` has names that no other has, and puts a link by
/// its SONAME beside it. `object` is what the folder becomes. Then nothing in it may name where it
/// was built, or need a library that is not there.
pub fn complete(
    folder: &Utf8Path,
    object: &StorePath,
    around: &Surroundings,
) -> Result<(), NativeError> {
    name(folder, object)?;
    check::check(folder, around)
}

fn name(folder: &Utf8Path, object: &StorePath) -> Result<(), NativeError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let mut libraries = BTreeMap::<String, Utf8PathBuf>::new();
        for entry in next.read_dir_utf8()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.into_path());
                continue;
            }
            let Some(library) = kind
                .is_file()
                .then(|| library(entry.path()))
                .transpose()?
                .flatten()
            else {
                continue;
            };
            let file = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let soname = unique(&library, file, object)?;
            match libraries.get(&soname) {
                Some(first) if !same(first, entry.path())? => {
                    return Err(NativeError::Twice {
                        soname,
                        first: first.strip_prefix(folder).unwrap_or(first).to_owned(),
                        second: file.to_owned(),
                    });
                }
                Some(_) => {}
                None => {
                    libraries.insert(soname, entry.into_path());
                }
            }
        }
        let loaded = folder.join(LOADED_FOLDER);
        for (soname, file) in libraries {
            link(&next.join(&soname), &file)?;
            if loaded.parent() == Some(&next) {
                fs_err::create_dir_all(&loaded)?;
                let target = Utf8Path::new("..").join(&soname);
                fs_err::os::unix::fs::symlink(target, loaded.join(&soname))?;
            }
        }
    }
    Ok(())
}

/// Reads a file if it is a shared library.
pub(super) fn library(path: &Utf8Path) -> Result<Option<Object>, NativeError> {
    let bytes = fs_err::read(path)?;
    // Executables that are no libraries, objects and core files are ELF files, too.
    if elf_kind(&bytes) != Some(ET_DYN) {
        return Ok(None);
    }
    let object = Object::parse(path, &bytes)?;
    Ok((object.kind == ObjectKind::Library).then_some(object))
}

/// Checks a library and returns its SONAME.
fn unique(library: &Object, file: &Utf8Path, object: &StorePath) -> Result<String, NativeError> {
    let lacks = |lack: String| NativeError::NotUnique {
        file: file.to_owned(),
        lack,
    };
    let Some(soname) = library.soname.clone() else {
        return Err(lacks("has no SONAME".to_owned()));
    };
    let Some(names) = Names::of_finished(object, &soname) else {
        return Err(lacks(format!(
            "has the SONAME `{soname}`, which others may have"
        )));
    };
    let bare = library.definitions().find(|symbol| {
        let version = symbol.version.as_ref();
        !version.is_some_and(|version| names.has_version(&version.name))
    });
    match bare {
        None => Ok(soname),
        Some(symbol) => Err(lacks(format!(
            "exports `{}` without a version node of its own",
            symbol.name
        ))),
    }
}

/// Makes `link` lead to a file in its own folder.
fn link(link: &Utf8Path, file: &Utf8Path) -> Result<(), NativeError> {
    if link == file || link.is_file() && same(link, file)? {
        return Ok(());
    }
    // One that was copied from where the library was linked may lead nowhere.
    if link.is_symlink() {
        fs_err::remove_file(link)?;
    }
    let name = file.file_name().unwrap_or_default();
    Ok(fs_err::os::unix::fs::symlink(name, link)?)
}

fn same(one: &Utf8Path, other: &Utf8Path) -> Result<bool, NativeError> {
    Ok(fs_err::read(one)? == fs_err::read(other)?)
}
