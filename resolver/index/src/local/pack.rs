//! A folder as an archive: the same files give the same bytes, on every machine.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compression, GzBuilder};

use super::LocalError;
use super::normal::Normal;

/// The manifest, which is written anew.
const MANIFEST: &str = "Cargo.toml";

/// The lock file.
const LOCK: &str = "Cargo.lock";

/// What is never a part of a package.
const LEFT_OUT: [&str; 2] = [".git", "target"];

/// The largest folder that is packed: more is a mistake in the path.
const LARGEST: u64 = 512 * 1024 * 1024;

/// The most files that are packed: links to folders may stand for more than there are.
const MOST: usize = 500_000;

/// Packs the files of a package into `top`. Its links to folders count as these if they are inside of
/// `border`.
pub(super) fn archive(
    folder: &Utf8Path,
    border: &Utf8Path,
    top: &str,
    normal: &Normal,
) -> Result<Vec<u8>, LocalError> {
    let mut walk = Walk {
        root: folder,
        border,
        around: vec![folder.to_owned()],
        files: BTreeMap::new(),
    };
    walk.folder(folder)?;
    let mut files = walk.files;
    files.remove(Utf8Path::new(MANIFEST));
    files.remove(Utf8Path::new(LOCK));
    let packed = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(packed);
    append(&mut archive, top, MANIFEST, normal.text.as_bytes(), false)?;
    if let Some(lock) = &normal.lock {
        append(&mut archive, top, LOCK, lock.as_bytes(), false)?;
    }
    let mut total = 0;
    for (name, path) in files {
        let runs = fs_err::metadata(&path)?.permissions().mode() & 0o100 != 0;
        let bytes = fs_err::read(&path)?;
        total += bytes.len() as u64;
        too_large(folder, total)?;
        append(&mut archive, top, name.as_str(), &bytes, runs)?;
    }
    let mut packed = archive.into_inner()?;
    packed.flush()?;
    Ok(packed.finish()?)
}

/// Packs the files of a folder that are taken into `top`, as they are.
pub(super) fn files(
    folder: &Utf8Path,
    top: &str,
    takes: &dyn Fn(&Utf8Path) -> bool,
) -> Result<Vec<u8>, LocalError> {
    let mut found = BTreeMap::new();
    walk_all(folder, folder, &mut found)?;
    found.retain(|name, _| takes(name));
    if found.is_empty() {
        return Err(LocalError::NoFiles {
            folder: folder.to_owned(),
        });
    }
    let packed = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(packed);
    let mut total = 0;
    for (name, path) in found {
        let metadata = fs_err::symlink_metadata(&path)?;
        if metadata.is_symlink() {
            link(&mut archive, top, name.as_str(), &path)?;
            continue;
        }
        total += metadata.len();
        too_large(folder, total)?;
        let runs = metadata.permissions().mode() & 0o100 != 0;
        append(
            &mut archive,
            top,
            name.as_str(),
            &fs_err::read(&path)?,
            runs,
        )?;
    }
    let mut packed = archive.into_inner()?;
    packed.flush()?;
    Ok(packed.finish()?)
}

fn too_many(folder: &Utf8Path, count: usize) -> Result<(), LocalError> {
    if count <= MOST {
        return Ok(());
    }
    let text = format!("`{folder}` holds more than {MOST} files");
    Err(LocalError::File(io::Error::other(text)))
}

fn too_large(folder: &Utf8Path, total: u64) -> Result<(), LocalError> {
    if total <= LARGEST {
        return Ok(());
    }
    let text = format!("`{folder}` holds more than {LARGEST} bytes");
    Err(LocalError::File(io::Error::other(text)))
}

/// Links stay links. Whether they lead outside is looked at where they are unpacked.
fn link(
    archive: &mut tar::Builder<impl io::Write>,
    top: &str,
    name: &str,
    path: &Utf8Path,
) -> io::Result<()> {
    let target = fs_err::read_link(path)?;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    header.set_mtime(1);
    archive.append_link(&mut header, format!("{top}/{name}"), target)
}

/// Lists all files and links below a folder, but for what Git keeps for itself.
fn walk_all(
    root: &Utf8Path,
    folder: &Utf8Path,
    found: &mut BTreeMap<Utf8PathBuf, Utf8PathBuf>,
) -> Result<(), LocalError> {
    for entry in super::list(folder)? {
        let path = entry.path().to_owned();
        let kind = entry.file_type()?;
        if entry.file_name() == ".git" {
            continue;
        }
        if kind.is_dir() {
            walk_all(root, &path, found)?;
        } else if kind.is_file() || kind.is_symlink() {
            let name = path.strip_prefix(root).expect("the walk begins there");
            found.insert(name.to_owned(), path);
        }
    }
    Ok(())
}

fn append(
    archive: &mut tar::Builder<impl io::Write>,
    top: &str,
    name: &str,
    bytes: &[u8],
    runs: bool,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(if runs { 0o755 } else { 0o644 });
    header.set_mtime(1);
    archive.append_data(&mut header, format!("{top}/{name}"), bytes)
}

/// Lists the files of a package.
struct Walk<'a> {
    /// Its folder.
    root: &'a Utf8Path,
    /// What links to folders must not leave.
    border: &'a Utf8Path,
    /// The folders around what is looked at, without links.
    around: Vec<Utf8PathBuf>,
    /// By their names in the package.
    files: BTreeMap<Utf8PathBuf, Utf8PathBuf>,
}

impl Walk<'_> {
    /// Lists what is below a folder. Links count as what they lead to; a folder with a manifest of its
    /// own is another package.
    fn folder(&mut self, folder: &Utf8Path) -> Result<(), LocalError> {
        for entry in super::list(folder)? {
            let path = entry.path();
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if LEFT_OUT.contains(&name) && (path.is_dir() || name == ".git") {
                continue;
            }
            if path.is_dir() {
                self.inner(path, kind.is_symlink())?;
            } else if path.is_file() {
                let name = path.strip_prefix(self.root);
                let name = name.expect("the walk begins there").to_owned();
                self.files.insert(name, path.to_owned());
                too_many(self.root, self.files.len())?;
            }
        }
        Ok(())
    }

    /// Lists what is below a folder that is not the package's own.
    fn inner(&mut self, folder: &Utf8Path, linked: bool) -> Result<(), LocalError> {
        if folder.join(MANIFEST).is_file() {
            return Ok(());
        }
        let real = super::real(folder)?;
        // A link to a folder around it has no end.
        let endless = |around: &Utf8PathBuf| around.starts_with(&real);
        if linked && (!real.starts_with(self.border) || self.around.iter().any(endless)) {
            return Ok(());
        }
        self.around.push(real);
        self.folder(folder)?;
        self.around.pop();
        Ok(())
    }
}
