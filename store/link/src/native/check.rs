//! What a recipe's build made, held against what the recipe says: [`check()`].
//!
//! | nothing in it | because |
//! |---|---|
//! | names the folder that it was built in | that folder is gone, and elsewhere it had another name |
//! | needs a library of nobody | it would be found by chance, or not at all |

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Object;
use orlop_loader::is_glibc;
use walkdir::WalkDir;

use super::NativeError;
use super::complete::library;

/// The compiler's own libraries, which every view may have.
const OF_COMPILER: [&str; 2] = ["libgcc_s.so.1", "libstdc++.so.6"];
/// What `-l` means of the C library and the compiler.
const SYSTEM: [&str; 10] = [
    "anl", "c", "dl", "gcc", "gcc_s", "m", "pthread", "resolv", "rt", "stdc++",
];
/// Where descriptions for pkg-config are.
const DESCRIPTIONS: [&str; 2] = ["lib/pkgconfig", "share/pkgconfig"];

/// Where a build was made and what it was given.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The folder that it worked in, as it saw it.
    pub workplace: Utf8PathBuf,
    /// The native libraries that its recipe names.
    pub natives: Vec<Utf8PathBuf>,
}

/// Checks what was made. Shared libraries lie beside links by the names they are loaded by.
pub(super) fn check(folder: &Utf8Path, around: &Surroundings) -> Result<(), NativeError> {
    let made = files(folder)?;
    let names: BTreeSet<&str> = made.iter().filter_map(|path| path.file_name()).collect();
    for path in &made {
        let file = path.strip_prefix(folder).unwrap_or(path);
        if path.is_symlink() {
            let target = fs_err::read_link(path)?;
            leak(target.as_os_str().as_encoded_bytes(), file, around)?;
            continue;
        }
        leak(&fs_err::read(path)?, file, around)?;
        if let Some(library) = library(path)? {
            needed(&library, file, &names, around)?;
        }
    }
    let scopes: Vec<&Utf8Path> = [folder]
        .into_iter()
        .chain(around.natives.iter().map(Utf8PathBuf::as_path))
        .collect();
    for path in made.iter().filter(|path| path.extension() == Some("pc")) {
        described(path, folder, &scopes)?;
    }
    Ok(())
}

/// Returns all files and links below a folder, in order.
fn files(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, NativeError> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(std::io::Error::from)?;
        if !entry.file_type().is_dir() {
            let path = Utf8PathBuf::try_from(entry.into_path());
            found.push(path.map_err(camino::FromPathBufError::into_io_error)?);
        }
    }
    found.sort();
    Ok(found)
}

fn leak(bytes: &[u8], file: &Utf8Path, around: &Surroundings) -> Result<(), NativeError> {
    let place = around.workplace.as_str();
    let names = bytes
        .windows(place.len())
        .any(|window| window == place.as_bytes());
    if names {
        return Err(NativeError::Leak {
            file: file.to_owned(),
            workplace: place.into(),
        });
    }
    Ok(())
}

/// Checks that every library that one needs is of the C library, of this build or declared.
fn needed(
    library: &Object,
    file: &Utf8Path,
    made: &BTreeSet<&str>,
    around: &Surroundings,
) -> Result<(), NativeError> {
    let known = |name: &str| {
        let mut natives = around.natives.iter();
        is_glibc(name)
            || OF_COMPILER.contains(&name)
            || made.contains(name)
            || natives.any(|native| native.join("lib").join(name).exists())
    };
    match library.needed.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(NativeError::Undeclared {
            file: file.to_owned(),
            needs: format!("the library `{name}`"),
        }),
    }
}

/// Checks the packages and libraries that a description for pkg-config names.
fn described(path: &Utf8Path, folder: &Utf8Path, scopes: &[&Utf8Path]) -> Result<(), NativeError> {
    let text = String::from_utf8_lossy(&fs_err::read(path)?).into_owned();
    let undeclared = |needs: String| NativeError::Undeclared {
        file: path.strip_prefix(folder).unwrap_or(path).to_owned(),
        needs,
    };
    let is_there = |files: &[String]| {
        let mut places = scopes
            .iter()
            .flat_map(|scope| files.iter().map(move |file| scope.join(file)));
        places.any(|place| place.exists())
    };
    for (key, value) in fields(&text) {
        match key {
            "Requires" | "Requires.private" => {
                for package in packages(&value) {
                    let files = DESCRIPTIONS.map(|place| format!("{place}/{package}.pc"));
                    if !is_there(&files) {
                        return Err(undeclared(format!("the package `{package}`")));
                    }
                }
            }
            "Libs" | "Libs.private" => {
                let names = value.split_whitespace();
                for name in names.filter_map(|word| word.strip_prefix("-l")) {
                    let files = ["so", "a"].map(|ending| format!("lib/lib{name}.{ending}"));
                    if !SYSTEM.contains(&name) && !is_there(&files) {
                        return Err(undeclared(format!("the library `-l{name}`")));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the fields of a description, with the values of its variables put in.
fn fields(text: &str) -> Vec<(&str, String)> {
    let mut variables = BTreeMap::new();
    let mut fields = Vec::new();
    for line in text.lines() {
        let Some(at) = line.find(['=', ':']) else {
            continue;
        };
        let (key, value) = (line[..at].trim(), expanded(&line[at + 1..], &variables));
        if line[at..].starts_with('=') {
            variables.insert(key, value);
        } else {
            fields.push((key, value));
        }
    }
    fields
}

/// Puts the values of variables in place of `${NAME}`; those that are not known are empty.
fn expanded(text: &str, variables: &BTreeMap<&str, String>) -> String {
    let mut rest = text;
    let mut all = String::new();
    while let Some((before, (name, behind))) = rest
        .split_once("${")
        .and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        all.push_str(before);
        all.push_str(variables.get(name).map_or("", String::as_str));
        rest = behind;
    }
    all + rest
}

/// Returns the names in a list of packages, each of which may come with a version.
fn packages(list: &str) -> Vec<&str> {
    let mut words = list.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        if matches!(word, "=" | "<" | ">" | "<=" | ">=" | "!=") {
            words.next();
        } else {
            names.push(word);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_hold_variables() {
        let text = "prefix=/a:b\nend=_x\n\nLibs: -L${prefix}/lib -lz${end}${none}\nRequires: a = 1";
        assert_eq!(
            fields(text),
            [
                ("Libs", " -L/a:b/lib -lz_x".to_owned()),
                ("Requires", " a = 1".to_owned())
            ]
        );
    }

    #[test]
    fn packages_come_with_versions() {
        assert_eq!(packages(" a >= 1.2, b  c = 3\td"), ["a", "b", "c", "d"]);
        assert_eq!(packages(""), [""; 0]);
    }
}
