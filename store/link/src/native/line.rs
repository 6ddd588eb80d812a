//! The linker's command line.

use std::collections::BTreeSet;
use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use object::archive::MAGIC;
use object::elf::ET_REL;
use orlop_store::StorePath;

use super::script::{self, Script};
use super::{Names, NativeError};
use crate::objects::elf_kind;
use crate::recorder::expand;
use crate::rename;

/// The longest command line, in bytes, that is not put into a file.
const LONGEST: usize = 1 << 16;

/// A link of a shared library.
#[derive(Debug)]
pub struct Command {
    /// The words for the linker.
    pub words: Vec<String>,
    /// The file that is linked.
    output: Utf8PathBuf,
    names: Names,
}

impl Command {
    /// Puts a link beside the library that was linked, by the name that programs ask for: a build
    /// may run what it has just linked.
    pub fn finish(&self) -> Result<(), NativeError> {
        let Some(file) = self
            .output
            .file_name()
            .filter(|file| *file != self.names.soname)
        else {
            return Ok(());
        };
        let link = self.output.with_file_name(&self.names.soname);
        if link.is_symlink() {
            fs_err::remove_file(&link)?;
        }
        Ok(fs_err::os::unix::fs::symlink(file, link)?)
    }
}

/// Returns the command line that links the same library with names that no other has, or none if
/// `words` link no shared library. `object` is what the build makes; files that the linker reads
/// in place of others go to `folder`.
pub fn command(
    words: Vec<OsString>,
    object: &StorePath,
    folder: &Utf8Path,
) -> Result<Option<Command>, NativeError> {
    let line = Line::read(expand(words, 0)?);
    if !line.shared {
        return Ok(None);
    }
    let output = line.output.unwrap_or_else(|| "a.out".into());
    let name = line
        .soname
        .as_deref()
        .or(output.file_name())
        .unwrap_or_default();
    let names = Names::new(object, name);
    let scripts = line.scripts.iter().map(|path| {
        let text = fs_err::read_to_string(path)?;
        script::rename(&text, &names).map_err(|reason| NativeError::Script {
            path: path.clone(),
            reason,
        })
    });
    let mut scripts: Vec<Script> = scripts.collect::<Result<_, NativeError>>()?;
    if scripts.is_empty() {
        let text = script::everything(&names.node);
        scripts.push(Script {
            text,
            ..Script::default()
        });
    } else if !scripts.iter().any(|script| script.complete) {
        let rest = script::everything(&names.rest());
        if let Some(last) = scripts.last_mut() {
            last.text.push_str(&rest);
        }
    }
    let nodes: BTreeSet<_> = scripts
        .iter()
        .flat_map(|script| &script.nodes)
        .cloned()
        .collect();
    let mut words = Vec::with_capacity(line.words.len() + 4);
    for (number, word) in line.words.into_iter().enumerate() {
        let copy = with_versions(&word, &nodes, &names)?;
        words.push(match copy {
            Some(bytes) => {
                let file = folder.join(format!("{number}.{}", ending(&word)));
                fs_err::write(&file, bytes)?;
                file.into_string()
            }
            None => word,
        });
    }
    for (number, script) in scripts.iter().enumerate() {
        let file = folder.join(format!("{number}.version"));
        fs_err::write(&file, &script.text)?;
        words.push(format!("--version-script={file}"));
    }
    words.push(format!("-soname={}", names.soname));
    if words.iter().map(String::len).sum::<usize>() > LONGEST {
        let file = folder.join("words");
        fs_err::write(&file, response(&words))?;
        words = vec![format!("@{file}")];
    }
    Ok(Some(Command {
        words,
        output,
        names,
    }))
}

/// Writes words down as linkers read them from a file.
fn response(words: &[String]) -> String {
    let mut text = String::new();
    for word in words {
        for letter in word.chars() {
            if letter.is_whitespace() || matches!(letter, '\\' | '"' | '\'') {
                text.push('\\');
            }
            text.push(letter);
        }
        text.push('\n');
    }
    text
}

fn ending(file: &str) -> &str {
    Utf8Path::new(file).extension().unwrap_or("o")
}

/// Returns a copy of an object or archive in which the versions that its symbols name are the
/// library's renamed ones; none if there is nothing to rename.
fn with_versions(
    word: &str,
    nodes: &BTreeSet<String>,
    names: &Names,
) -> Result<Option<Vec<u8>>, NativeError> {
    if nodes.is_empty() || word.starts_with('-') || !Utf8Path::new(word).is_file() {
        return Ok(None);
    }
    let bytes = fs_err::read(word)?;
    if elf_kind(&bytes) != Some(ET_REL) && !bytes.starts_with(&MAGIC) {
        return Ok(None);
    }
    let renamed = rename::rename(&bytes, |symbol| {
        let (start, node) = symbol.name.rsplit_once('@')?;
        nodes
            .contains(node)
            .then(|| format!("{start}@{}", names.renamed(node)))
    });
    renamed.map_err(|source| NativeError::Object {
        file: word.into(),
        source,
    })
}

/// A command line without what is to be replaced.
#[derive(Debug, Default)]
struct Line {
    words: Vec<String>,
    shared: bool,
    soname: Option<String>,
    output: Option<Utf8PathBuf>,
    scripts: Vec<Utf8PathBuf>,
}

impl Line {
    fn read(all: Vec<String>) -> Self {
        let mut line = Self::default();
        let mut words = all.into_iter();
        while let Some(word) = words.next() {
            let mut value = |names: &[&str]| value(&word, names, &mut words);
            if let Some(name) = value(&["soname", "h"]) {
                line.soname = Some(name);
            } else if let Some(path) = value(&["version-script"]) {
                line.scripts.push(path.into());
            } else if let Some(path) = value(&["output", "o"]) {
                line.words.extend(["-o".to_owned(), path.clone()]);
                line.output = Some(path.into());
            } else {
                line.shared |= matches!(&*word, "-shared" | "--shared" | "-Bshareable");
                line.words.push(word);
            }
        }
        line
    }
}

/// Returns the value of an option by one of its names, from its own word or the next one. Long
/// names may have one stroke or two; to short ones the value may be joined.
fn value(word: &str, names: &[&str], words: &mut impl Iterator<Item = String>) -> Option<String> {
    for name in names {
        let long = name.len() > 1;
        let strip = |strokes: &str| word.strip_prefix(strokes)?.strip_prefix(name);
        let rest = match (strip("-"), long) {
            (None, true) => strip("--"),
            (rest, _) => rest,
        };
        match rest {
            Some("") => return words.next(),
            Some(rest) if long => {
                if let Some(value) = rest.strip_prefix('=') {
                    return Some(value.to_owned());
                }
            }
            // `-hash-style` and `-oformat` are options of their own.
            Some(rest) if rest.contains(['.', '/']) => return Some(rest.to_owned()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str) -> Line {
        Line::read(words.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn long_command_lines_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(folder.path()).unwrap().join("words");
        let words = ["a b", "c\"d'e\\", "-f=g"].map(str::to_owned);
        fs_err::write(&file, response(&words)).unwrap();
        assert_eq!(expand(vec![format!("@{file}").into()], 0).unwrap(), words);
    }

    #[test]
    fn options_in_all_their_forms() {
        for soname in [
            "-soname x.so",
            "-soname=x.so",
            "--soname x.so",
            "--soname=x.so",
            "-h x.so",
            "-hx.so",
        ] {
            let line = line(&format!("-shared {soname} a.o"));
            assert_eq!(line.soname.as_deref(), Some("x.so"), "{soname}");
            assert_eq!(line.words, ["-shared", "a.o"]);
        }
        for script in ["--version-script=m", "-version-script m"] {
            assert_eq!(line(script).scripts, ["m"]);
        }
        for output in ["-o d/x.so", "-od/x.so", "--output=d/x.so"] {
            let line = line(output);
            assert_eq!(line.output.unwrap(), "d/x.so");
            assert_eq!(line.words, ["-o", "d/x.so"]);
        }
        let line =
            line("-hash-style=gnu --hash-style=gnu -m elf_x86_64 -Bshareable --oformat elf64");
        assert!(line.shared && line.soname.is_none() && line.output.is_none());
        assert_eq!(line.words.len(), 7);
        assert!(!Line::read(vec!["-pie".to_owned(), "a.o".to_owned()]).shared);
    }
}
