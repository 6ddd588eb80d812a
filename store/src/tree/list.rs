//! Lists a tree, before what is in its files is read.

use std::mem::MaybeUninit;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, RawDir};

use super::{SHARED_OUT, Top, refused};
use crate::error::{Context as _, StoreError};

/// Room for the names that are read at once.
const NAMES: usize = 1 << 14;

/// An entry before its content is read.
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) kind: ListedKind,
}

pub(super) enum ListedKind {
    Folder,
    File,
    Link { target: String },
}

/// What is done to every file and folder before it is opened.
pub(super) type Prepare = fn(&Utf8Path, FileType) -> Result<(), StoreError>;

/// Lists a tree, in the order of its paths, on all cores.
pub(super) fn list(top: &Top<'_>, prepare: Option<Prepare>) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    // Level by level: how deep a tree is is for whoever made it to say.
    let mut folders = vec![String::new()];
    while !folders.is_empty() {
        let list = |folder: &String| list_folder(top, folder, prepare);
        let level: Vec<Vec<_>> = if folders.len() < SHARED_OUT {
            folders.iter().map(list).collect::<Result<_, StoreError>>()
        } else {
            folders.par_iter().map(list).collect()
        }?;
        let begin = listed.len();
        for folder in level {
            listed.extend(folder);
        }
        let inner = listed[begin..]
            .iter()
            .filter(|entry: &&Listed| matches!(entry.kind, ListedKind::Folder));
        folders = inner.map(|entry| entry.path.clone()).collect();
    }
    // Stable, because that is quick where most of it is in order.
    listed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listed)
}

/// Lists one folder of a tree, in the order of its names.
fn list_folder(
    top: &Top<'_>,
    folder: &str,
    prepare: Option<Prepare>,
) -> Result<Vec<Listed>, StoreError> {
    let absolute = || top.path.join(folder);
    let open = top.folder(folder)?;
    let mut buffer = [MaybeUninit::uninit(); NAMES];
    let mut entries = RawDir::new(&open, &mut buffer);
    let mut listed = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Err(error).context("read the folder", &absolute()),
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let path = path(folder, name.to_bytes())?;
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let found = rustix::fs::statat(&open, name, AtFlags::SYMLINK_NOFOLLOW);
                let found = found.context("look at", &top.path.join(&path))?;
                FileType::from_raw_mode(found.st_mode)
            }
            kind => kind,
        };
        if let Some(prepare) = prepare {
            prepare(&top.path.join(&path), kind)?;
        }
        let kind = match kind {
            FileType::Directory => ListedKind::Folder,
            FileType::RegularFile => ListedKind::File,
            FileType::Symlink => ListedKind::Link {
                target: target(&top.path.join(&path), &path)?,
            },
            _ => return Err(refused(&path, "it is not a file, folder or link")),
        };
        listed.push(Listed { path, kind });
    }
    listed.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(listed)
}

fn target(link: &Utf8PathBuf, path: &str) -> Result<String, StoreError> {
    let target = fs_err::read_link(link).context("read the link", link)?;
    let target = target.into_os_string().into_string();
    target.map_err(|_| refused(path, "it leads to no UTF-8 path"))
}

/// Returns the path of a name in a folder, if an object may have such a name.
fn path(folder: &str, name: &[u8]) -> Result<String, StoreError> {
    let mut path = String::with_capacity(folder.len() + 1 + name.len());
    path.push_str(folder);
    if !folder.is_empty() {
        path.push('/');
    }
    let Ok(name) = std::str::from_utf8(name) else {
        path.push_str(&String::from_utf8_lossy(name));
        return Err(refused(&path, "its name is not UTF-8"));
    };
    path.push_str(name);
    if name.chars().any(char::is_control) {
        return Err(refused(
            &path,
            "its name has a newline or control character",
        ));
    }
    Ok(path)
}
