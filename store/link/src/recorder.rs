//! What `orlop-linker` does when rustc calls it to link a program: it links nothing, and keeps all
//! that a later link needs as a link set.
//!
//! | word | becomes |
//! |---|---|
//! | a file below a store object | [`Item::Stored`] |
//! | another `.o`, `.a`, `.rlib` | a numbered copy: [`Item::Object`], [`Item::Archive`] |
//! | `-Wl,--flag=/file`, a script | [`Item::File`], with a numbered copy |
//! | `-l name` that only an archive satisfies | that archive |
//! | `-L folder` | [`Item::SearchPath`]; dropped if empty |
//! | `-o`, `-fuse-ld`, `-B …/gcc-ld` | nothing: the later link decides |
//! | all else | [`Item::Flag`] |
//!
//! rustc expects a file at `-o`; an empty one is enough, because it asks the linker, not a tool of
//! its own, to strip.

use std::borrow::Cow;
use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::StorePath;

use crate::link_set::{ARCHIVES, FILES, Item, LinkSet, LinkSetError, OBJECTS};

/// How deep response files may name response files.
const MAX_DEPTH: usize = 8;

/// Why a link could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file could not be used.
    #[error("record a link")]
    Io(#[from] std::io::Error),
    /// The link set could not be written.
    #[error("record a link")]
    LinkSet(#[from] LinkSetError),
    /// A word is not UTF-8.
    #[error("record a link: the word `{word}` is not UTF-8")]
    NotUtf8 {
        /// The word, with replacements.
        word: String,
    },
    /// What is to be linked is not there.
    #[error("record a link: `{file}` is not there")]
    Absent {
        /// The file.
        file: String,
    },
    /// A flag lacks its value.
    #[error("record a link: nothing follows `{flag}`")]
    NoValue {
        /// The flag.
        flag: String,
    },
    /// Response files name each other without end.
    #[error("record a link: response files are nested more than {MAX_DEPTH} deep")]
    Nested,
    /// There is no `-o`.
    #[error("record a link: the command line names no output")]
    NoOutput,
}

/// Records the command line `args` (without the program's own name) as a link set in the folder
/// `link_set`, and makes the output file that rustc expects.
pub fn record(args: Vec<OsString>, link_set: &Utf8Path) -> Result<(), RecordError> {
    let words = expand(args, 0)?;
    let mut recorder = Recorder {
        link_set,
        folders: search_folders(&words),
        archives_only: false,
        items: Vec::new(),
        counts: [0; 3],
    };
    let output = recorder.words(&words)?.ok_or(RecordError::NoOutput)?;
    LinkSet::new(recorder.items).write(link_set)?;
    fs_err::write(output, b"")?;
    Ok(())
}

/// Replaces every `@file` by the words in the file.
pub(crate) fn expand(args: Vec<OsString>, depth: usize) -> Result<Vec<String>, RecordError> {
    if depth > MAX_DEPTH {
        return Err(RecordError::Nested);
    }
    let mut words = Vec::new();
    for arg in args {
        let word = arg.into_string().map_err(|arg| RecordError::NotUtf8 {
            word: arg.to_string_lossy().into_owned(),
        })?;
        match word.strip_prefix('@') {
            Some(file) if Utf8Path::new(file).is_file() => {
                let inner = split_response(&fs_err::read_to_string(file)?);
                words.extend(expand(
                    inner.into_iter().map(OsString::from).collect(),
                    depth + 1,
                )?);
            }
            _ => words.push(word),
        }
    }
    Ok(words)
}

/// Splits the text of a response file as GCC does: at white space, with both quotes and `\`.
fn split_response(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Returns the folders after `-L`: they count for every `-l`, also an earlier one.
fn search_folders(words: &[String]) -> Vec<Utf8PathBuf> {
    let mut folders = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("-L") {
            Some("") => folders.extend(words.next().map(Utf8PathBuf::from)),
            Some(folder) => folders.push(folder.into()),
            None => {}
        }
    }
    folders
}

/// Kinds of copies, and the index of their counters.
#[derive(Debug, Clone, Copy)]
enum Copied {
    Object,
    Archive,
    File,
}

struct Recorder<'a> {
    link_set: &'a Utf8Path,
    folders: Vec<Utf8PathBuf>,
    /// Whether `-Bstatic` is in force.
    archives_only: bool,
    items: Vec<Item>,
    counts: [usize; 3],
}

impl Recorder<'_> {
    /// Records all words and returns the output file.
    fn words(&mut self, words: &[String]) -> Result<Option<Utf8PathBuf>, RecordError> {
        let mut output = None;
        let mut words = Words(words.iter());
        while let Some(word) = words.0.next() {
            if word == "-o" {
                output = Some(words.value("-o", "")?.into());
            } else if let Some(rest) = word.strip_prefix("-L") {
                self.search_path(Utf8Path::new(words.value("-L", rest)?));
            } else if let Some(rest) = word.strip_prefix("-l") {
                self.library(words.value("-l", rest)?)?;
            } else if let Some(list) = word.strip_prefix("-Wl,") {
                self.linker_words(list)?;
            } else if word == "-Xlinker" {
                self.linker_words(words.value("-Xlinker", "")?)?;
            } else if !is_linker_choice(word) {
                self.word(word)?;
            }
        }
        Ok(output)
    }

    /// Records a file, or a flag of the compiler driver.
    fn word(&mut self, word: &str) -> Result<(), RecordError> {
        check_there(word)?;
        let item = match word.split_once('=') {
            _ if !word.starts_with('-') && Utf8Path::new(word).is_file() => self.file("", word)?,
            Some((flag, file)) if word.starts_with('-') && is_movable(file) => {
                self.file(&format!("{flag}="), file)?
            }
            _ => Item::flag(word),
        };
        self.items.push(item);
        Ok(())
    }

    /// Records the comma-separated words of `-Wl,`.
    fn linker_words(&mut self, list: &str) -> Result<(), RecordError> {
        let mut flags: Vec<&str> = Vec::new();
        for word in list.split(',') {
            check_there(word)?;
            match word {
                "-Bstatic" | "-dn" | "-non_shared" | "-static" => self.archives_only = true,
                "-Bdynamic" | "-dy" | "-call_shared" => self.archives_only = false,
                _ => {}
            }
            let item = match word.split_once('=') {
                _ if is_library_file(word) => self.file("", word)?,
                _ if is_movable(word) => {
                    let flag = flags
                        .pop()
                        .map_or_else(String::new, |flag| format!("{flag},"));
                    self.file(&format!("-Wl,{flag}"), word)?
                }
                Some((flag, file)) if flag.starts_with('-') && is_movable(file) => {
                    self.file(&format!("-Wl,{flag}="), file)?
                }
                _ => {
                    flags.push(word);
                    continue;
                }
            };
            self.linker_flags(&mut flags);
            self.items.push(item);
        }
        self.linker_flags(&mut flags);
        Ok(())
    }

    fn linker_flags(&mut self, flags: &mut Vec<&str>) {
        if !flags.is_empty() {
            self.items
                .push(Item::flag(format!("-Wl,{}", flags.join(","))));
            flags.clear();
        }
    }

    /// Makes the item of a file that the flag `before` names (`""` for an input file).
    fn file(&mut self, before: &str, path: &str) -> Result<Item, RecordError> {
        let path = Utf8Path::new(path);
        if let Some((object, file)) = self.stored(path).filter(|_| before.is_empty()) {
            return Ok(Item::Stored { object, file });
        }
        if is_system(path) {
            return Ok(Item::flag(format!("{before}{path}")));
        }
        Ok(match path.extension() {
            Some("o") if before.is_empty() => Item::Object {
                file: self.copy(Copied::Object, path)?,
            },
            Some("a" | "rlib") if before.is_empty() => Item::Archive {
                file: self.copy(Copied::Archive, path)?,
            },
            _ => Item::File {
                before: before.to_owned(),
                file: self.copy(Copied::File, path)?,
            },
        })
    }

    fn copy(&mut self, kind: Copied, path: &Utf8Path) -> Result<Utf8PathBuf, RecordError> {
        let folder = [OBJECTS, ARCHIVES, FILES][kind as usize];
        let count = &mut self.counts[kind as usize];
        let name = match path.extension() {
            Some(extension) => format!("{count}.{extension}"),
            None => count.to_string(),
        };
        *count += 1;
        fs_err::create_dir_all(self.link_set.join(folder))?;
        let file = Utf8Path::new(folder).join(name);
        fs_err::copy(path, self.link_set.join(&file))?;
        Ok(file)
    }

    fn search_path(&mut self, folder: &Utf8Path) {
        if let Some((object, folder)) = self.stored(folder) {
            self.items.push(Item::SearchPath {
                folder,
                object: Some(object),
            });
        } else if folder
            .read_dir_utf8()
            .is_ok_and(|mut entries| entries.next().is_some())
        {
            self.items.push(Item::SearchPath {
                folder: folder.to_owned(),
                object: None,
            });
        }
    }

    /// Records `-l name`: as the archive itself where the linker would take one, so that the
    /// archive can be told apart from the libraries that are loaded.
    fn library(&mut self, name: &str) -> Result<(), RecordError> {
        let item = match self.find_archive(name) {
            Some(archive) => self.file("", archive.as_str())?,
            None => Item::Library {
                name: name.to_owned(),
            },
        };
        self.items.push(item);
        Ok(())
    }

    /// Searches as the linker does, except in its own folders: the first folder that has either
    /// kind decides, and a shared library wins unless only archives are wanted.
    fn find_archive(&self, name: &str) -> Option<Utf8PathBuf> {
        let (shared, archive) = match name.strip_prefix(':') {
            Some(file) => (None, file.to_owned()),
            None => (Some(format!("lib{name}.so")), format!("lib{name}.a")),
        };
        for folder in self.folders.iter().filter(|folder| !is_system(folder)) {
            let shared = shared.as_ref().filter(|_| !self.archives_only);
            if shared.is_some_and(|file| folder.join(file).is_file()) {
                return None;
            }
            let archive = folder.join(&archive);
            if archive.is_file() {
                return is_library_file(archive.as_str()).then_some(archive);
            }
        }
        None
    }

    /// Splits a path into a store object and the rest. Where the store is seen is not asked: a
    /// folder with a digest in its name is an object, except the link set that is being written.
    fn stored(&self, path: &Utf8Path) -> Option<(StorePath, Utf8PathBuf)> {
        if !path.is_absolute() || path.starts_with(self.link_set) {
            return None;
        }
        let path = straight(path)?;
        let mut components = path.components();
        let object = components.find_map(|component| component.as_str().parse().ok())?;
        Some((object, components.as_path().to_owned()))
    }
}

/// Returns a path without steps back up: descriptions for pkg-config say where their libraries are
/// from where they are themselves, `lib/pkgconfig/..`. Nothing comes back if these lead nowhere.
fn straight(path: &Utf8Path) -> Option<Cow<'_, Utf8Path>> {
    let mut parts = path.ancestors();
    let Some(up) = parts.find(|part| part.ends_with("..")) else {
        return Some(Cow::Borrowed(path));
    };
    let folder = up.canonicalize_utf8().ok()?;
    Some(Cow::Owned(folder.join(path.strip_prefix(up).ok()?)))
}

/// The words that are still to be read.
struct Words<'a>(std::slice::Iter<'a, String>);

impl<'a> Words<'a> {
    /// Returns the value of a flag: the rest of its own word, or the next word.
    fn value(&mut self, flag: &str, rest: &'a str) -> Result<&'a str, RecordError> {
        if !rest.is_empty() {
            return Ok(rest);
        }
        let next = self.0.next().map(String::as_str);
        next.ok_or_else(|| RecordError::NoValue {
            flag: flag.to_owned(),
        })
    }
}

/// Whether a word chooses the linker, which the later link does itself.
fn is_linker_choice(word: &str) -> bool {
    word.starts_with("-fuse-ld=")
        || word
            .strip_prefix("-B")
            .is_some_and(|folder| Utf8Path::new(folder).file_name() == Some("gcc-ld"))
}

/// Whether a word names an object, an archive or a shared library by its absolute path.
fn is_library_file(word: &str) -> bool {
    is_library_path(word) && Utf8Path::new(word).is_file()
}

fn is_library_path(word: &str) -> bool {
    let path = Utf8Path::new(word);
    path.is_absolute() && matches!(path.extension(), Some("a" | "rlib" | "o" | "so"))
}

/// A later link would miss what is not there, and nobody would know why.
fn check_there(word: &str) -> Result<(), RecordError> {
    if is_library_path(word) && !Utf8Path::new(word).exists() {
        let file = word.to_owned();
        return Err(RecordError::Absent { file });
    }
    Ok(())
}

/// Whether a word is the absolute path of a file that the C tools do not have.
fn is_movable(word: &str) -> bool {
    let path = Utf8Path::new(word);
    path.is_absolute() && !is_system(path) && path.is_file()
}

/// Whether a path belongs to the C tools, which a job sees at `/usr`.
fn is_system(path: &Utf8Path) -> bool {
    ["/usr", "/lib", "/lib64"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        folder: tempfile::TempDir,
    }

    impl Case {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self, name: &str) -> Utf8PathBuf {
            Utf8Path::from_path(self.folder.path()).unwrap().join(name)
        }

        fn file(&self, name: &str, text: &str) -> Utf8PathBuf {
            let path = self.path(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, text).unwrap();
            path
        }

        fn record(&self, args: &[String]) -> LinkSet {
            let link_set = self.path("link-set");
            fs_err::create_dir_all(&link_set).unwrap();
            record(args.iter().map(OsString::from).collect(), &link_set).unwrap();
            LinkSet::read(&link_set).unwrap()
        }

        /// Shows a link set one item a line, with store objects by their names.
        fn show(set: &LinkSet) -> String {
            let show = |item: &Item| match item {
                Item::Object { file } => format!("object {file}"),
                Item::Archive { file } => format!("archive {file}"),
                Item::Stored { object, file } => format!("stored {} {file}", object.name()),
                Item::Library { name } => format!("library {name}"),
                Item::SearchPath { folder, object } => {
                    format!(
                        "search {} {folder}",
                        object.as_ref().map_or("-", StorePath::name)
                    )
                }
                Item::File { before, file } => format!("file {before} {file}"),
                Item::Flag { text } => format!("flag {text}"),
            };
            set.items().iter().map(show).collect::<Vec<_>>().join("\n")
        }
    }

    const STD: &str = "store/00000000000000000000000000000000-rust-1.95.0";
    const SERDE: &str = "store/11111111111111111111111111111111-serde-1.0.0";

    #[test]
    fn a_line_of_rustc() {
        let case = Case::new();
        let own = case.file("build/app.0.rcgu.o", "own");
        let symbols = case.file("tmp/rustcAbCdEf/symbols.o", "symbols");
        let serde = case.file(&format!("{SERDE}/libserde-1111.rlib"), "serde");
        let std = case.file(&format!("{STD}/lib/libstd-2222.rlib"), "std");
        let native = case.file("tmp/rustcAbCdEf/libnat.a", "native");
        let script = case.file("tmp/rustcAbCdEf/list", "{ local: *; };");
        let static_z = case.file(&format!("{SERDE}/out/libz.a"), "z");
        let output = case.path("build/app");
        let response = case.file("tmp/rustcAbCdEf/args", "\"-l\"\n z\n'-lgcc_s'\n-lc");
        let empty = case.path("tmp/rustcAbCdEf/raw-dylibs");
        fs_err::create_dir_all(&empty).unwrap();
        let set = case.record(&[
            "-m64".into(),
            symbols.to_string(),
            own.to_string(),
            "-Wl,--as-needed".into(),
            "-Wl,-Bstatic".into(),
            serde.to_string(),
            "-Wl,--whole-archive".into(),
            format!("-Wl,{native}"),
            "-Wl,--no-whole-archive".into(),
            std.to_string(),
            "-lz".into(),
            "-Wl,-Bdynamic".into(),
            format!("@{response}"),
            "-L".into(),
            empty.to_string(),
            format!("-L{}/../out", static_z.parent().unwrap()),
            format!("-B{}/lib/gcc-ld", case.path(STD)),
            "-fuse-ld=lld".into(),
            format!("-Wl,--gc-sections,--version-script={script}"),
            format!("-Wl,-T,{script},-O1"),
            "-o".into(),
            output.to_string(),
        ]);
        insta::assert_snapshot!(Case::show(&set), @r"
        flag -m64
        object objects/0.o
        object objects/1.o
        flag -Wl,--as-needed
        flag -Wl,-Bstatic
        stored serde-1.0.0 libserde-1111.rlib
        flag -Wl,--whole-archive
        archive archives/0.a
        flag -Wl,--no-whole-archive
        stored rust-1.95.0 lib/libstd-2222.rlib
        stored serde-1.0.0 out/libz.a
        flag -Wl,-Bdynamic
        stored serde-1.0.0 out/libz.a
        library gcc_s
        library c
        search serde-1.0.0 out
        flag -Wl,--gc-sections
        file -Wl,--version-script= files/0
        file -Wl,-T, files/1
        flag -Wl,-O1
        ");
        assert_eq!(fs_err::read(output).unwrap(), b"");
        assert_eq!(
            fs_err::read_to_string(case.path("link-set/objects/1.o")).unwrap(),
            "own"
        );
        let text = fs_err::read_to_string(case.path("link-set/link.json")).unwrap();
        assert!(
            !text.contains("rustcAbCdEf"),
            "a temporary path is in the link set:\n{text}"
        );
    }

    #[test]
    fn steps_back_up_are_taken() {
        let case = Case::new();
        let description = case.file(&format!("{STD}/lib/pkgconfig/z.pc"), "");
        case.file(&format!("{STD}/lib/libz.a"), "z");
        let folder = description.parent().unwrap().join("..");
        let set = case.record(&[
            format!("-L{folder}"),
            format!("-L{folder}/../absent/.."),
            "-lz".into(),
            "-o".into(),
            case.path("app").into_string(),
        ]);
        insta::assert_snapshot!(Case::show(&set), @r"
        search rust-1.95.0 lib
        stored rust-1.95.0 lib/libz.a
        ");
    }

    #[test]
    fn what_is_missing_is_said() {
        let case = Case::new();
        let record = |args: &[&str]| {
            let args = args.iter().map(OsString::from).collect();
            record(args, &case.path("")).unwrap_err().to_string()
        };
        assert_eq!(
            record(&["-m64"]),
            "record a link: the command line names no output"
        );
        for word in ["/absent/libz.a", "-Wl,--whole-archive,/absent/libz.a"] {
            assert_eq!(
                record(&[word]),
                "record a link: `/absent/libz.a` is not there"
            );
        }
        assert_eq!(record(&["-o"]), "record a link: nothing follows `-o`");
        let endless = case.path("endless");
        let endless = case.file("endless", &format!("@{endless}"));
        assert_eq!(
            record(&[&format!("@{endless}")]),
            "record a link: response files are nested more than 8 deep"
        );
    }
}
