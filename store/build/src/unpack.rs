//! Archives of strangers to trees: [`unpack`].
//!
//! An archive is hostile until proven otherwise. Nothing is skipped and nothing repaired: one entry
//! against the rules refuses the whole archive.
//!
//! | rule | because |
//! |---|---|
//! | one folder on top, of the promised name for crates; it is left away | the tree is the package |
//! | plain relative names: no `..`, no control letters, nothing overlong | nothing lands elsewhere, messages stay readable |
//! | only files and folders; links only in archives named by recipes, and then inside | nothing is written or read through a link |
//! | no two names that differ in case only, no name twice | the same tree on every file system |
//! | bounds for bytes and entries | bombs |
//! | of modes, only "executable" counts | no setuid, nothing unreadable |

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::GzDecoder;
use fs_err::{File, OpenOptions};
use orlop_store::derivation::{Origin, Source};
use tar::{Archive, Entry, EntryType};

/// What one archive may unpack to, whatever its size: Cargo's own bound.
const BYTES: u64 = 512 << 20;
/// What one archive may unpack to, by its size: Cargo's own bound.
const RATIO: u64 = 20;
/// How many entries one archive may have.
const ENTRIES: u64 = 500_000;
/// The longest name of one file.
const NAME: usize = 255;
/// The longest path of one file.
const PATH: usize = 1024;

/// What an archive must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The name of the folder on top; none if any will do.
    pub top: Option<String>,
    /// Whether there may be symbolic links. They must stay inside.
    pub links: bool,
    /// How many bytes it may unpack to at least; a large archive may unpack to more.
    pub bytes: u64,
    /// How many entries it may have.
    pub entries: u64,
}

impl Rules {
    /// Returns the rules for a kind of source.
    pub fn of(source: &Source) -> Self {
        let (top, links) = match source.origin {
            Origin::Registry => (Some(format!("{}-{}", source.name, source.version)), false),
            Origin::Url(_) => (None, true),
        };
        Self {
            top,
            links,
            bytes: BYTES,
            entries: ENTRIES,
        }
    }
}

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// One entry is against the rules.
    #[error("its entry `{entry}` {reason}")]
    Entry {
        /// Its name, with everything unprintable escaped.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has more entries than allowed.
    #[error("it has more than {entries} entries")]
    Entries {
        /// How many are allowed.
        entries: u64,
    },
    /// It cannot be read to its end.
    #[error("it is not a whole `.tar.gz` archive")]
    Read(#[source] io::Error),
    /// The tree cannot be written.
    #[error("the tree cannot be written")]
    Write(#[source] io::Error),
}

/// Unpacks an archive into an empty folder, without the folder on its top.
pub fn unpack(archive: &Utf8Path, folder: &Utf8Path, rules: &Rules) -> Result<(), UnpackError> {
    let file = File::open(archive).map_err(UnpackError::Read)?;
    let size = file.metadata().map_err(UnpackError::Read)?.len();
    let limit = rules.bytes.max(size.saturating_mul(RATIO));
    let reader = Bounded {
        inner: GzDecoder::new(io::BufReader::new(file)),
        left: limit,
        limit,
    };
    let mut archive = Archive::new(reader);
    let mut tree = Tree {
        folder,
        rules,
        top: rules.top.clone(),
        names: BTreeMap::new(),
    };
    let mut count = 0;
    for entry in archive.entries().map_err(UnpackError::Read)? {
        count += 1;
        if count > rules.entries {
            return Err(UnpackError::Entries {
                entries: rules.entries,
            });
        }
        let mut entry = entry.map_err(UnpackError::Read)?;
        tree.add(&mut entry)
            .map_err(|fault| fault.of_entry(&entry.path_bytes()))?;
    }
    if tree.names.is_empty() {
        return Err(UnpackError::Empty);
    }
    // The checksum of the gzip stream comes after the last entry.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Read)?;
    Ok(())
}

/// A reader that fails where a bomb would go on.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} bytes", self.limit))
        })?;
        Ok(count)
    }
}

/// What has been unpacked so far.
struct Tree<'a> {
    folder: &'a Utf8Path,
    rules: &'a Rules,
    /// The folder on top, once known.
    top: Option<String>,
    /// Every path, by its form that ignores case.
    names: BTreeMap<String, Name>,
}

struct Name {
    path: Utf8PathBuf,
    folder: bool,
}

enum Kind {
    File {
        executable: bool,
    },
    Folder,
    Link {
        target: String,
    },
    /// A header for the whole archive (`git archive` writes its commit there).
    Comment,
}

/// Why one entry was not unpacked.
enum Fault {
    Refused(String),
    Read(io::Error),
    Write(io::Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}

impl Fault {
    fn of_entry(self, name: &[u8]) -> UnpackError {
        match self {
            Self::Refused(reason) => UnpackError::Entry {
                entry: name.escape_ascii().to_string().chars().take(200).collect(),
                reason,
            },
            Self::Read(source) => UnpackError::Read(source),
            Self::Write(source) => UnpackError::Write(source),
        }
    }
}

impl Tree<'_> {
    fn add(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), Fault> {
        let kind = kind(entry, self.rules)?;
        if matches!(kind, Kind::Comment) {
            return Ok(());
        }
        let name = entry.path_bytes().into_owned();
        match self.below_top(&parts(&name)?, &kind)? {
            None => Ok(()),
            Some(path) => {
                self.add_parents(&path)?;
                self.write(&path, &kind, entry)
            }
        }
    }

    /// Takes the top folder away; nothing is left of the top folder itself.
    fn below_top(&mut self, parts: &[&str], kind: &Kind) -> Result<Option<Utf8PathBuf>, Fault> {
        let (&first, rest) = parts.split_first().ok_or("has no name")?;
        let top = self.top.get_or_insert_with(|| first.to_owned());
        if first != top {
            return Err(format!("is not below the folder `{top}` on the archive's top").into());
        }
        match (rest, kind) {
            ([], Kind::Folder) => Ok(None),
            ([], _) => Err("should be a folder: everything else lies below it".into()),
            (rest, _) => Ok(Some(rest.iter().collect())),
        }
    }

    /// Makes the folders above a path, which must all be ours: never links.
    fn add_parents(&mut self, path: &Utf8Path) -> Result<(), Fault> {
        let above: Vec<_> = path
            .ancestors()
            .skip(1)
            .filter(|path| *path != "")
            .collect();
        above
            .into_iter()
            .rev()
            .try_for_each(|folder| self.add_folder(folder))
    }

    fn add_folder(&mut self, path: &Utf8Path) -> Result<(), Fault> {
        if self.claim(path, true)? {
            fs_err::create_dir(self.folder.join(path)).map_err(Fault::Write)?;
        }
        Ok(())
    }

    /// Takes a name; false for a folder that is there already.
    fn claim(&mut self, path: &Utf8Path, folder: bool) -> Result<bool, Fault> {
        let key = path.as_str().to_lowercase();
        match self.names.get(&key) {
            None => {
                self.names.insert(
                    key,
                    Name {
                        path: path.to_owned(),
                        folder,
                    },
                );
                Ok(true)
            }
            Some(name) if name.path != path => {
                Err(format!("collides with `{}` where case does not count", name.path).into())
            }
            Some(name) if name.folder && folder => Ok(false),
            Some(_) => Err("occurs twice, or below something that is not a folder".into()),
        }
    }

    fn write(
        &mut self,
        path: &Utf8Path,
        kind: &Kind,
        entry: &mut Entry<'_, impl Read>,
    ) -> Result<(), Fault> {
        let target = self.folder.join(path);
        match kind {
            Kind::Comment => Ok(()),
            Kind::Folder => self.add_folder(path),
            Kind::File { executable } => {
                self.claim(path, false)?;
                write_file(&target, *executable, entry)
            }
            Kind::Link { target: text } => {
                check_target(path, text)?;
                self.claim(path, false)?;
                fs_err::os::unix::fs::symlink(text, &target).map_err(Fault::Write)
            }
        }
    }
}

fn write_file(
    target: &Utf8Path,
    executable: bool,
    entry: &mut Entry<'_, impl Read>,
) -> Result<(), Fault> {
    let size = entry.size();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(target)
        .map_err(Fault::Write)?;
    // Reading and writing fail for different reasons: a full disk is not a broken archive.
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        let count = entry.read(&mut buffer).map_err(Fault::Read)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(Fault::Write)?;
        written += count as u64;
    }
    if written != size {
        return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
    }
    if executable {
        file.set_permissions(Permissions::from_mode(0o755))
            .map_err(Fault::Write)?;
    }
    Ok(())
}

fn kind(entry: &mut Entry<'_, impl Read>, rules: &Rules) -> Result<Kind, Fault> {
    check_extensions(entry)?;
    let header = entry.header();
    match header.entry_type() {
        // Very old archives mark folders only so.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => Ok(Kind::Folder),
        EntryType::Regular => {
            let mode = header.mode().map_err(|_| "has an unreadable mode")?;
            Ok(Kind::File {
                executable: mode & 0o100 != 0,
            })
        }
        EntryType::Directory => Ok(Kind::Folder),
        EntryType::XGlobalHeader => Ok(Kind::Comment),
        EntryType::Symlink if rules.links => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            let target = String::from_utf8(target).map_err(|_| "is a link to what is not text")?;
            Ok(Kind::Link { target })
        }
        EntryType::Symlink => Err("is a symbolic link, which a crate may not hold".into()),
        EntryType::Link => Err("is a hard link".into()),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err("is a device".into()),
        EntryType::GNUSparse => Err("is a sparse file".into()),
        other => Err(format!("is of the unknown type {:?}", char::from(other.as_byte())).into()),
    }
}

/// Refuses extended headers that readers understand differently.
fn check_extensions(entry: &mut Entry<'_, impl Read>) -> Result<(), Fault> {
    let malformed = |_| Fault::from("has a malformed extended header");
    let Some(extensions) = entry.pax_extensions().map_err(malformed)? else {
        return Ok(());
    };
    for extension in extensions {
        if extension
            .map_err(malformed)?
            .key_bytes()
            .starts_with(b"GNU.sparse")
        {
            return Err("is a sparse file".into());
        }
    }
    Ok(())
}

/// Splits the name of an entry, which must be plain.
fn parts(name: &[u8]) -> Result<Vec<&str>, Fault> {
    let name = std::str::from_utf8(name).map_err(|_| "has a name that is not UTF-8")?;
    if name.len() > PATH {
        return Err("has an overlong name".into());
    }
    if name.starts_with('/') {
        return Err("is absolute".into());
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("leads upwards".into()),
            part if part.len() > NAME => return Err("has an overlong name".into()),
            part if part.chars().any(char::is_control) => {
                return Err("has control letters in its name".into());
            }
            part => parts.push(part),
        }
    }
    Ok(parts)
}

/// Refuses a link that might leave the tree.
///
/// `..` may only stand at the front, where it goes through real folders. What follows may go through
/// other links, which stay inside by the same rule.
fn check_target(path: &Utf8Path, target: &str) -> Result<(), Fault> {
    let refuse = || Err(format!("is a link to `{}`, outside of it", target.escape_debug()).into());
    let mut depth = path.components().count() - 1;
    let mut descending = false;
    if target.is_empty() || target.starts_with('/') || target.chars().any(char::is_control) {
        return refuse();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if descending || depth == 0 => return refuse(),
            ".." => depth -= 1,
            _ => descending = true,
        }
    }
    Ok(())
}
