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
use std::io::{self, Read, Seek as _, Write as _};
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
        let folder = || Some(format!("{}-{}", source.name, source.version));
        let (top, links) = match source.origin {
            Origin::Registry => (folder(), false),
            Origin::Packed => (folder(), true),
            Origin::Url(_) | Origin::Mirrored { .. } => (None, true),
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
    /// It is an archive of another format.
    #[error("it is {format} archive, and only `.tar.gz` archives are unpacked")]
    Format {
        /// Which one, with its article.
        format: &'static str,
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
    let mut file = File::open(archive).map_err(UnpackError::Read)?;
    if let Some(format) = other_format(&mut file).map_err(UnpackError::Read)? {
        return Err(UnpackError::Format { format });
    }
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

/// How archives of other formats begin.
const FORMATS: [(&[u8], &str); 6] = [
    (b"\xfd7zXZ\0", "an `.xz`"),
    (b"\x28\xb5\x2f\xfd", "a `.zst`"),
    (b"BZh", "a `.bz2`"),
    (b"LZIP", "a `.lz`"),
    (b"PK\x03\x04", "a `.zip`"),
    (b"7z\xbc\xaf\x27\x1c", "a `.7z`"),
];

/// Where an archive that is not compressed says that it is one.
const TAR: std::ops::Range<usize> = 257..262;

/// Returns what an archive is instead, if that can be seen.
fn other_format(file: &mut File) -> io::Result<Option<&'static str>> {
    let mut start = Vec::new();
    Read::take(&mut *file, 512).read_to_end(&mut start)?;
    file.rewind()?;
    let known = FORMATS.iter().find(|(magic, _)| start.starts_with(magic));
    let tar = (start.get(TAR) == Some(b"ustar")).then_some("an uncompressed `.tar`");
    Ok(known.map(|(_, format)| *format).or(tar))
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
        EntryType::Symlink => Err("is a symbolic link, which may not be in it".into()),
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use insta::assert_snapshot;
    use tar::Header;
    use tempfile::TempDir;

    use super::*;

    /// One entry, written byte by byte: writers of archives refuse most of what is tried here.
    struct Raw<'a> {
        name: &'a [u8],
        kind: u8,
        link: &'a [u8],
        mode: u32,
        data: &'a [u8],
    }

    impl Default for Raw<'_> {
        fn default() -> Self {
            Self {
                name: b"",
                kind: b'0',
                link: b"",
                mode: 0o644,
                data: b"",
            }
        }
    }

    fn file<'a>(name: &'a str, data: &'a [u8]) -> Raw<'a> {
        Raw {
            name: name.as_bytes(),
            data,
            ..Raw::default()
        }
    }

    fn folder(name: &str) -> Raw<'_> {
        Raw {
            name: name.as_bytes(),
            kind: b'5',
            ..Raw::default()
        }
    }

    fn link<'a>(name: &'a str, link: &'a str) -> Raw<'a> {
        Raw {
            name: name.as_bytes(),
            kind: b'2',
            link: link.as_bytes(),
            ..Raw::default()
        }
    }

    impl Raw<'_> {
        fn write(&self, archive: &mut Vec<u8>) {
            let mut header = Header::new_ustar();
            header.as_old_mut().name[..self.name.len()].copy_from_slice(self.name);
            header.as_old_mut().linkname[..self.link.len()].copy_from_slice(self.link);
            header.as_old_mut().linkflag = [self.kind];
            header.set_mode(self.mode);
            header.set_size(self.data.len() as u64);
            header.set_cksum();
            archive.extend_from_slice(header.as_bytes());
            archive.extend_from_slice(self.data);
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
    }

    fn archive(entries: &[Raw<'_>]) -> Vec<u8> {
        let mut archive = Vec::new();
        for entry in entries {
            entry.write(&mut archive);
        }
        archive.resize(archive.len() + 1024, 0);
        compressed(&archive)
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn crate_rules() -> Rules {
        let top = Some("evil-1.0.0".to_owned());
        Rules {
            top,
            links: false,
            bytes: 1 << 20,
            entries: 100,
        }
    }

    fn recipe_rules() -> Rules {
        Rules {
            top: None,
            links: true,
            ..crate_rules()
        }
    }

    /// Unpacks next to a decoy, which must stay as it is.
    fn unpacked(bytes: &[u8], rules: &Rules) -> (TempDir, Result<(), UnpackError>) {
        let work = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(work.path()).unwrap();
        fs_err::write(place.join("x.crate"), bytes).unwrap();
        fs_err::write(place.join("decoy"), "untouched").unwrap();
        fs_err::create_dir(place.join("tree")).unwrap();
        let result = unpack(&place.join("x.crate"), &place.join("tree"), rules);
        assert_eq!(
            fs_err::read_to_string(place.join("decoy")).unwrap(),
            "untouched"
        );
        assert_eq!(fs_err::read_dir(place).unwrap().count(), 3);
        (work, result)
    }

    /// Lists a tree: mode, path, content or target.
    fn tree(bytes: &[u8], rules: &Rules) -> String {
        let (work, result) = unpacked(bytes, rules);
        result.unwrap();
        let mut text = String::new();
        let mut open = vec![work.path().join("tree")];
        while let Some(path) = open.pop() {
            let data = fs_err::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(work.path()).unwrap().display();
            let content = if data.is_dir() {
                open.extend(
                    fs_err::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                open.sort();
                open.reverse();
                "/".to_owned()
            } else if data.is_symlink() {
                format!(" -> {}", fs_err::read_link(&path).unwrap().display())
            } else {
                format!(" = {}", fs_err::read_to_string(&path).unwrap())
            };
            let executable = data.is_file() && data.permissions().mode() & 0o100 != 0;
            writeln!(
                text,
                "{}{name}{content}",
                if executable { "* " } else { "" }
            )
            .unwrap();
        }
        text
    }

    fn refusal(entries: &[Raw<'_>], rules: &Rules) -> String {
        let (_work, result) = unpacked(&archive(entries), rules);
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_crate_is_unpacked_without_its_top_folder() {
        let entries = [
            file("evil-1.0.0/Cargo.toml", b"[package]"),
            file("evil-1.0.0/src/lib.rs", b"pub fn f() {}"),
            Raw {
                mode: 0o4_777,
                ..file("./evil-1.0.0/configure", b"#!/bin/sh")
            },
            Raw {
                mode: 0,
                ..file("evil-1.0.0/-rf", b"")
            },
            folder("evil-1.0.0/empty/"),
            folder("evil-1.0.0/empty/"),
            // The way of very old archives.
            file("evil-1.0.0/old/", b""),
        ];
        assert_snapshot!(tree(&archive(&entries), &crate_rules()), @"
        tree/
        tree/-rf = 
        tree/Cargo.toml = [package]
        * tree/configure = #!/bin/sh
        tree/empty/
        tree/old/
        tree/src/
        tree/src/lib.rs = pub fn f() {}
        ");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let names: [&[u8]; 12] = [
            b"../decoy",
            b"evil-1.0.0/../../decoy",
            b"evil-1.0.0/a/..",
            b"/etc/passwd",
            b"//etc/passwd",
            b"other-1.0.0/Cargo.toml",
            b"EVIL-1.0.0/Cargo.toml",
            b"evil-1.0.0",
            b"./",
            b"evil-1.0.0/a\x1b[31m",
            b"evil-1.0.0/a\nb",
            b"evil-1.0.0/\xff",
        ];
        let refusals = names.map(|name| {
            refusal(
                &[Raw {
                    name,
                    ..Raw::default()
                }],
                &crate_rules(),
            )
        });
        assert_snapshot!(refusals.join("\n"), @r"
        its entry `../decoy` leads upwards
        its entry `evil-1.0.0/../../decoy` leads upwards
        its entry `evil-1.0.0/a/..` leads upwards
        its entry `/etc/passwd` is absolute
        its entry `//etc/passwd` is absolute
        its entry `other-1.0.0/Cargo.toml` is not below the folder `evil-1.0.0` on the archive's top
        its entry `EVIL-1.0.0/Cargo.toml` is not below the folder `evil-1.0.0` on the archive's top
        its entry `evil-1.0.0` should be a folder: everything else lies below it
        its entry `./` has no name
        its entry `evil-1.0.0/a\x1b[31m` has control letters in its name
        its entry `evil-1.0.0/a\nb` has control letters in its name
        its entry `evil-1.0.0/\xff` has a name that is not UTF-8
        ");
    }

    #[test]
    fn whatever_is_not_a_file_or_a_folder_is_refused() {
        let kinds = *b"123467SDZ";
        let refusals = kinds.map(|kind| {
            let name = b"evil-1.0.0/x";
            refusal(
                &[Raw {
                    name,
                    kind,
                    link: b"Cargo.toml",
                    ..Raw::default()
                }],
                &crate_rules(),
            )
        });
        assert_snapshot!(refusals.join("\n"), @"
        its entry `evil-1.0.0/x` is a hard link
        its entry `evil-1.0.0/x` is a symbolic link, which may not be in it
        its entry `evil-1.0.0/x` is a device
        its entry `evil-1.0.0/x` is a device
        its entry `evil-1.0.0/x` is a device
        its entry `evil-1.0.0/x` is of the unknown type '7'
        it is not a whole `.tar.gz` archive
        its entry `evil-1.0.0/x` is of the unknown type 'D'
        its entry `evil-1.0.0/x` is of the unknown type 'Z'
        ");
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let through = [link("a/d", "b"), folder("a/b"), file("a/d/f", b"x")];
        assert_snapshot!(refusal(&through, &recipe_rules()), @"its entry `a/d/f` occurs twice, or below something that is not a folder");
        let onto = [link("a/d", "b"), file("a/d", b"x")];
        assert_snapshot!(refusal(&onto, &recipe_rules()), @"its entry `a/d` occurs twice, or below something that is not a folder");
        let folder_onto = [link("a/d", "b"), folder("a/d")];
        assert_snapshot!(refusal(&folder_onto, &recipe_rules()), @"its entry `a/d` occurs twice, or below something that is not a folder");
        let above = [link("a", "/tmp"), file("a/f", b"x")];
        assert_snapshot!(refusal(&above, &recipe_rules()), @"its entry `a` should be a folder: everything else lies below it");
    }

    #[test]
    fn links_of_recipes_stay_inside() {
        let inside = [
            file("a/lib/x.so.1", b"x"),
            link("a/lib/x.so", "x.so.1"),
            link("a/sub/deep/up", "../../lib/./x.so"),
            link("a/sub/root", ".."),
            link("a/dangling", "nowhere/at/all"),
        ];
        assert_snapshot!(tree(&archive(&inside), &recipe_rules()), @"
        tree/
        tree/dangling -> nowhere/at/all
        tree/lib/
        tree/lib/x.so -> x.so.1
        tree/lib/x.so.1 = x
        tree/sub/
        tree/sub/deep/
        tree/sub/deep/up -> ../../lib/./x.so
        tree/sub/root -> ..
        ");
        let targets = ["/etc", "..", "../x", "b/../../x", "sub/..", "", "a\nb"];
        let refusals = targets.map(|target| refusal(&[link("a/l", target)], &recipe_rules()));
        assert_snapshot!(refusals.join("\n"), @r"
        its entry `a/l` is a link to `/etc`, outside of it
        its entry `a/l` is a link to `..`, outside of it
        its entry `a/l` is a link to `../x`, outside of it
        its entry `a/l` is a link to `b/../../x`, outside of it
        its entry `a/l` is a link to `sub/..`, outside of it
        its entry `a/l` is a link to ``, outside of it
        its entry `a/l` is a link to `a\nb`, outside of it
        ");
        let hard = Raw {
            kind: b'1',
            ..link("a/l", "a/x")
        };
        assert_snapshot!(refusal(&[hard], &recipe_rules()), @"its entry `a/l` is a hard link");
    }

    #[test]
    fn names_are_unique_on_every_file_system() {
        let twice = [file("evil-1.0.0/a", b"1"), file("evil-1.0.0/a", b"2")];
        assert_snapshot!(refusal(&twice, &crate_rules()), @"its entry `evil-1.0.0/a` occurs twice, or below something that is not a folder");
        let case = [
            file("evil-1.0.0/SRC/a", b"1"),
            file("evil-1.0.0/src/b", b"2"),
        ];
        assert_snapshot!(refusal(&case, &crate_rules()), @"its entry `evil-1.0.0/src/b` collides with `SRC` where case does not count");
        let below = [file("evil-1.0.0/a", b"1"), file("evil-1.0.0/a/b", b"2")];
        assert_snapshot!(refusal(&below, &crate_rules()), @"its entry `evil-1.0.0/a/b` occurs twice, or below something that is not a folder");
        let file_for_folder = [file("evil-1.0.0/a/b", b"1"), file("evil-1.0.0/a", b"2")];
        assert_snapshot!(refusal(&file_for_folder, &crate_rules()), @"its entry `evil-1.0.0/a` occurs twice, or below something that is not a folder");
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0; 2 << 20];
        let (_work, result) = unpacked(
            &archive(&[file("evil-1.0.0/zeros", &zeros)]),
            &crate_rules(),
        );
        let error = result.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        assert_snapshot!(format!("{error}: {source}"), @"it is not a whole `.tar.gz` archive: it unpacks to more than 1048576 bytes");

        // The end of an archive may be a bomb as well.
        let mut padded = Vec::new();
        file("evil-1.0.0/a", b"a").write(&mut padded);
        padded.extend(zeros);
        assert!(unpacked(&compressed(&padded), &crate_rules()).1.is_err());

        let names: Vec<_> = (0..101)
            .map(|number| format!("evil-1.0.0/{number}"))
            .collect();
        let many: Vec<_> = names.iter().map(|name| file(name, b"")).collect();
        assert_snapshot!(refusal(&many, &crate_rules()), @"it has more than 100 entries");

        let deep = ["a/"; 50].concat();
        let name = format!("evil-1.0.0/{}{}", &deep[..80], "b");
        assert!(
            unpacked(&archive(&[file(&name, b"")]), &crate_rules())
                .1
                .is_ok()
        );
        let overlong = format!("path=evil-1.0.0/{}", "a/".repeat(1000));
        assert_snapshot!(refusal(&[extended(&overlong), file("x", b"")], &crate_rules()), @"its entry `evil-1.0.0/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a` has an overlong name");
        let part = format!("path=evil-1.0.0/{}", "a".repeat(256));
        assert_snapshot!(refusal(&[extended(&part), file("x", b"")], &crate_rules()), @"its entry `evil-1.0.0/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` has an overlong name");
    }

    /// An extended header for the next entry.
    fn extended(record: &str) -> Raw<'static> {
        let mut length = record.len() + 2;
        while length.to_string().len() + record.len() + 2 != length {
            length += 1;
        }
        let data = format!("{length} {record}\n").into_bytes().leak();
        Raw {
            name: b"pax",
            kind: b'x',
            data,
            ..Raw::default()
        }
    }

    #[test]
    fn extended_headers_are_read_or_refused() {
        let long = format!("evil-1.0.0/{}", "long/".repeat(60));
        let record = format!("path={long}x");
        let entries = [extended(&record), file("evil-1.0.0/short", b"1")];
        assert!(tree(&archive(&entries), &crate_rules()).contains("long/long/x = 1"));

        let sparse = [extended("GNU.sparse.major=1"), file("evil-1.0.0/x", b"1")];
        assert_snapshot!(refusal(&sparse, &crate_rules()), @"its entry `evil-1.0.0/x` is a sparse file");
        let broken = Raw {
            name: b"pax",
            kind: b'x',
            data: b"9999 path=x\n",
            ..Raw::default()
        };
        assert!(
            unpacked(
                &archive(&[broken, file("evil-1.0.0/x", b"1")]),
                &crate_rules()
            )
            .1
            .is_err()
        );
        let up = [
            extended("path=evil-1.0.0/../../decoy"),
            file("evil-1.0.0/x", b"1"),
        ];
        assert_snapshot!(refusal(&up, &crate_rules()), @"its entry `evil-1.0.0/../../decoy` leads upwards");

        // The header says 1 byte, the extended one 600: what follows is data, not an entry.
        let inner = {
            let mut inner = Vec::new();
            file("evil-1.0.0/smuggled", b"").write(&mut inner);
            inner.truncate(512);
            inner.resize(600, b'x');
            inner
        };
        let mut bytes = Vec::new();
        extended("size=600").write(&mut bytes);
        let mut header = Header::new_ustar();
        header.set_path("evil-1.0.0/outer").unwrap();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&inner);
        bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
        let (work, result) = unpacked(&compressed(&bytes), &crate_rules());
        result.unwrap();
        assert!(!work.path().join("tree/smuggled").exists());
        assert_eq!(
            fs_err::read(work.path().join("tree/outer")).unwrap().len(),
            600
        );

        let comment = Raw {
            kind: b'g',
            ..extended("comment=0123")
        };
        let entries = [comment, file("evil-1.0.0/x", b"1")];
        assert_snapshot!(tree(&archive(&entries), &crate_rules()), @"
        tree/
        tree/x = 1
        ");
    }

    #[test]
    fn other_formats_are_named() {
        let mut plain = Vec::new();
        file("evil-1.0.0/a", b"a").write(&mut plain);
        plain.resize(plain.len() + 1024, 0);
        let cases: [(&[u8], &str); 4] = [
            (b"\xfd7zXZ\0\0\x04", "an `.xz`"),
            (b"BZh91AY", "a `.bz2`"),
            (b"PK\x03\x04", "a `.zip`"),
            (&plain, "an uncompressed `.tar`"),
        ];
        for (bytes, format) in cases {
            let error = unpacked(bytes, &crate_rules()).1.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("it is {format} archive, and only `.tar.gz` archives are unpacked")
            );
        }
    }

    #[test]
    fn broken_archives_are_refused() {
        let assert_refused = |bytes: &[u8]| {
            assert!(
                unpacked(bytes, &crate_rules()).1.is_err(),
                "{} bytes",
                bytes.len()
            );
        };
        assert_refused(b"");
        assert_refused(b"not an archive");
        assert_refused(&compressed(b""));
        assert_snapshot!(refusal(&[], &crate_rules()), @"it is empty");
        assert_snapshot!(refusal(&[folder("evil-1.0.0/")], &crate_rules()), @"it is empty");
        // Text that does not compress, so that every cut hits something.
        let noise: Vec<u8> = (0..3000_u64)
            .flat_map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        let whole = archive(&[file("evil-1.0.0/a", &noise), file("evil-1.0.0/b", b"b")]);
        assert!(unpacked(&whole, &crate_rules()).1.is_ok());
        for length in (0..whole.len())
            .step_by(97)
            .chain(whole.len() - 40..whole.len())
        {
            assert_refused(&whole[..length]);
        }
        // Behind the 10 bytes of the gzip header, which hold a time that nobody reads.
        for position in (10..whole.len()).step_by(61) {
            let mut flipped = whole.clone();
            flipped[position] ^= 0x10;
            assert_refused(&flipped);
        }
    }
}
