//! Small steps on the file system that more than one module takes.
//!
//! Durability follows one rule: what a name leads to is on disk before the name is, and the name
//! is on disk before anybody is told of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::symlink;
use rustix::fs::{Advice, IFlags};

use crate::error::{Context as _, StoreError};
use crate::failpoint;

/// Returns a file name that no other thread or process has.
pub(crate) fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

/// Makes a folder and those above it.
pub(crate) fn create_folder(path: &Utf8Path) -> Result<(), StoreError> {
    fs_err::create_dir_all(path).context("create the folder", path)
}

/// Tells the file system that what is in one folder of this one has nothing to do with what is in
/// another (`chattr +T`). Without, ext4 keeps all of them together, where every new file has to step
/// over each number of a file that was deleted in the last minutes, one by one. File systems that
/// do not know the flag do without.
pub(crate) fn spread(folder: &Utf8Path) {
    let told = fs_err::File::open(folder).and_then(|folder| {
        let flags = rustix::fs::ioctl_getflags(&folder)?;
        Ok(rustix::fs::ioctl_setflags(&folder, flags | IFlags::TOPDIR)?)
    });
    if let Err(error) = told {
        tracing::debug!("{folder} is not spread: {error}");
    }
}

/// Copies an open file to a new one of the same owner: as a reflink where the file system can.
/// `from` is what it is called, if that fails.
pub(crate) fn copy(mut file: &File, to: &Utf8Path, from: &Utf8Path) -> Result<(), StoreError> {
    let copy = fs_err::File::create_new(to).context("create", to)?;
    let mut copy = copy.into_parts().0;
    if rustix::fs::ioctl_ficlone(&copy, file).is_err() {
        io::copy(&mut file, &mut copy).context("copy", from)?;
    }
    Ok(())
}

/// Renames a file, link or folder.
pub(crate) fn rename(from: &Utf8Path, to: &Utf8Path) -> Result<(), StoreError> {
    fs_err::rename(from, to).context("rename to", to)
}

/// Gives each of two the other's name, in one step.
pub(crate) fn exchange(one: &Utf8Path, other: &Utf8Path) -> Result<(), StoreError> {
    let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    rustix::fs::renameat_with(here, one.as_str(), here, other.as_str(), flags)
        .context("exchange", other)
}

/// Sets a mode. Follows links: the caller knows that `path` is none.
pub(crate) fn set_mode(path: &Utf8Path, mode: u32) -> Result<(), StoreError> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .context("set the mode of", path)
}

/// Returns the names in a folder, sorted; none if the folder does not exist. Names that are not
/// UTF-8 are none of ours and left out.
pub(crate) fn names(folder: &Utf8Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("read the folder", folder),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.context("read the folder", folder)?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether something has this path: a broken link is something.
pub(crate) fn exists(path: &Utf8Path) -> Result<bool, StoreError> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("look at", path),
    }
}

/// Returns where a link leads; none if there is nothing of that name.
pub(crate) fn read_link(path: &Utf8Path) -> Result<Option<Utf8PathBuf>, StoreError> {
    match fs_err::read_link(path) {
        Ok(target) => Utf8PathBuf::from_path_buf(target)
            .map(Some)
            .map_err(|target| StoreError::BrokenLink {
                path: path.to_owned(),
                target: target.to_string_lossy().into_owned(),
                expected: "a path in UTF-8",
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read the link", path),
    }
}

/// Makes a link.
pub(crate) fn link(path: &Utf8Path, target: &Utf8Path) -> Result<(), StoreError> {
    symlink(target, path).context("create the link", path)
}

/// Makes a link in place of what was there: everybody sees the old one or the new one. It is on
/// disk on return.
pub(crate) fn replace_link(path: &Utf8Path, target: &Utf8Path) -> Result<(), StoreError> {
    replace_all(vec![Replacement::link(path, target)?])
}

/// Writes a file in place of what was there: everybody sees the old one or the new one. It is on
/// disk on return. A link stays, and what it leads to is replaced.
pub fn replace_file(path: &Utf8Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace_all(Replacement::files(&[(path, bytes)])?)
}

/// Lets files and links take their places, in this order. They are on disk on return.
pub(crate) fn replace_all(replacements: Vec<Replacement>) -> Result<(), StoreError> {
    let mut folders = BTreeSet::new();
    for replacement in replacements {
        folders.insert(folder_of(&replacement.path).to_owned());
        replacement.take_place()?;
        failpoint::reached("replace.rename")?;
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new("."))
}

/// Returns what a path leads to if it is a link: people keep such files elsewhere.
fn followed(path: &Utf8Path) -> Result<Utf8PathBuf, StoreError> {
    let is_link = fs_err::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if !is_link {
        return Ok(path.to_owned());
    }
    path.canonicalize_utf8().context("follow the link", path)
}

/// A file or link that is about to take the place of another; removed if it does not.
pub(crate) struct Replacement {
    new: Utf8PathBuf,
    path: Utf8PathBuf,
}

impl Replacement {
    fn beside(path: &Utf8Path) -> Self {
        Self {
            new: folder_of(path).join(format!(".{}", unique_name())),
            path: path.to_owned(),
        }
    }

    pub(crate) fn link(path: &Utf8Path, target: &Utf8Path) -> Result<Self, StoreError> {
        let replacement = Self::beside(path);
        link(&replacement.new, target)?;
        failpoint::reached("replace.link")?;
        Ok(replacement)
    }

    /// What is in the files is on disk on return.
    pub(crate) fn files(texts: &[(&Utf8Path, &[u8])]) -> Result<Vec<Self>, StoreError> {
        let mut written = Vec::new();
        for (path, bytes) in texts {
            let replacement = Self::beside(&followed(path)?);
            let new = &replacement.new;
            let mut file = fs_err::File::create(new).context("create", new)?;
            file.write_all(bytes).context("write", new)?;
            // Begins to write and waits for nothing, so that all are waited for at once. If it does
            // nothing, the call below does.
            if let Err(error) = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed) {
                tracing::debug!("begin to write {new}: {error}");
            }
            failpoint::reached("replace.file")?;
            written.push((replacement, file));
        }
        let on_disk = written.into_iter().map(|(replacement, file)| {
            file.sync_all().context("write", &replacement.new)?;
            Ok(replacement)
        });
        on_disk.collect()
    }

    fn take_place(mut self) -> Result<(), StoreError> {
        rename(&self.new, &self.path)?;
        self.new = Utf8PathBuf::new();
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.new.as_str().is_empty()
            && let Err(error) = remove_file(&self.new)
        {
            tracing::warn!("{error}");
        }
    }
}

/// Removes a file or link; returns whether there was one.
pub(crate) fn remove_file(path: &Utf8Path) -> Result<bool, StoreError> {
    match fs_err::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("remove", path),
    }
}

/// Puts the names in a folder on disk.
pub(crate) fn sync_folder(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = fs_err::File::open(path).context("open the folder", path)?;
    folder.sync_all().context("write to disk", path)
}

/// Puts everything on the file system that holds `path` on disk. One call for a whole tree: it
/// costs about a millisecond on an idle disk, whatever the number of files, where one `fsync` per
/// file would cost that for each; the price is that it waits for other programs' data as well.
pub(crate) fn sync_file_system(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = fs_err::File::open(path).context("open the folder", path)?;
    rustix::fs::syncfs(&folder).context("write to disk", path)
}
