//! [`Source`]: which registry, and what Cargo's configuration says about it.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use serde::Deserialize;

use crate::error::OpenError;

/// What Cargo calls crates.io in its configuration.
const CRATES_IO: &str = "crates-io";

/// Where index entries come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// crates.io.
    CratesIo,
    /// Another registry with a sparse index, by the address of the index.
    Sparse(String),
    /// A folder in the layout of a sparse index, `config.json` included.
    Directory(Utf8PathBuf),
}

/// Why Cargo's configuration cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file is not TOML.
    #[error("read Cargo's configuration `{path}`: {reason}")]
    Toml {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A source is named but not defined.
    #[error("Cargo's configuration replaces a source with `{name}`, which it does not define")]
    Undefined {
        /// The name.
        name: String,
    },
    /// Sources replace each other.
    #[error("Cargo's configuration replaces the source `{name}` with itself")]
    Circle {
        /// The name.
        name: String,
    },
    /// A kind of source that cannot be used.
    #[error(
        "Cargo's configuration replaces crates.io with `{name}`, {kind}; Orlop needs a sparse index, `registry = \"sparse+…\"`"
    )]
    Unsupported {
        /// The name.
        name: String,
        /// What it is, in words.
        kind: &'static str,
    },
}

impl Source {
    /// Returns what takes the place of crates.io in Cargo's configuration: the texts of its files
    /// with their paths, the most important one first.
    pub fn from_cargo_config(texts: &[(&Utf8Path, &str)]) -> Result<Self, SourceError> {
        let configurations = texts
            .iter()
            .map(|(path, text)| read(path, text))
            .collect::<Result<Vec<_>, _>>()?;
        let find = |name: &str| -> Definition {
            let tables = configurations.iter().filter_map(|one| one.source.get(name));
            tables.fold(Definition::default(), Definition::or)
        };
        let index = |name: &str| {
            let mut found = configurations
                .iter()
                .filter_map(|one| one.registries.get(name));
            found.find_map(|one| one.index.clone())
        };
        let mut name = CRATES_IO.to_owned();
        let mut seen = BTreeSet::new();
        loop {
            if !seen.insert(name.clone()) {
                return Err(SourceError::Circle { name });
            }
            let mut definition = find(&name);
            if let Some(next) = definition.replace_with.take() {
                name = next;
                continue;
            }
            if name == CRATES_IO {
                return Ok(Self::CratesIo);
            }
            if definition.registry.is_none() {
                definition.registry = index(&name);
            }
            return definition.source(name);
        }
    }
}

/// The part of Cargo's configuration that is about sources.
#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    source: BTreeMap<String, Definition>,
    #[serde(default)]
    registries: BTreeMap<String, NamedRegistry>,
}

#[derive(Debug, Deserialize)]
struct NamedRegistry {
    index: Option<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Definition {
    replace_with: Option<String>,
    registry: Option<String>,
    directory: Option<String>,
    local_registry: Option<String>,
    git: Option<String>,
}

impl Definition {
    fn or(self, other: &Self) -> Self {
        Self {
            replace_with: self.replace_with.or_else(|| other.replace_with.clone()),
            registry: self.registry.or_else(|| other.registry.clone()),
            directory: self.directory.or_else(|| other.directory.clone()),
            local_registry: self.local_registry.or_else(|| other.local_registry.clone()),
            git: self.git.or_else(|| other.git.clone()),
        }
    }

    fn source(self, name: String) -> Result<Source, SourceError> {
        let kind = match self {
            Self {
                directory: Some(_), ..
            } => "a folder of unpacked packages",
            Self {
                local_registry: Some(_),
                ..
            } => "a local registry",
            Self { git: Some(_), .. } => "a git repository",
            Self {
                registry: Some(address),
                ..
            } if address.starts_with("sparse+") => {
                return Ok(Source::Sparse(address));
            }
            Self {
                registry: Some(_), ..
            } => "a registry whose index is a git repository",
            _ => return Err(SourceError::Undefined { name }),
        };
        Err(SourceError::Unsupported { name, kind })
    }
}

fn read(path: &Utf8Path, text: &str) -> Result<Configuration, SourceError> {
    toml::from_str(text).map_err(|error| SourceError::Toml {
        path: path.to_string(),
        reason: error.to_string().trim_end().to_owned(),
    })
}

/// Checks the address of an index and gives it its final form, with a `/` at its end.
pub(crate) fn index_address(text: &str) -> Result<Url, OpenError> {
    let plain = text.strip_prefix("sparse+").unwrap_or(text);
    let refuse = |address: &str, reason: String| OpenError::Address {
        address: address.to_owned(),
        reason,
    };
    let mut url = Url::parse(plain).map_err(|error| refuse(&shown(plain), error.to_string()))?;
    check_address(&url).map_err(|reason| refuse(&shown(plain), reason.to_owned()))?;
    if url.query().is_some() || url.fragment().is_some() {
        // The key of an account is sometimes there.
        let reason = "it has a query or a fragment".to_owned();
        return Err(refuse(&shown(plain), reason));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Tells what is wrong with an address from outside; credentials are never sent anywhere.
pub(crate) fn check_address(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "https" | "http") {
        return Err("only `https` and `http` are allowed");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries credentials");
    }
    Ok(())
}

/// Returns an address, or what should be one, so that it can be shown: without credentials, a query
/// and a fragment.
pub(crate) fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
    scheme + &rest[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(texts: &[&str]) -> Result<Source, String> {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| (Utf8Path::new("home/config.toml"), *text))
            .collect();
        Source::from_cargo_config(&texts).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_replacement_it_is_crates_io() {
        assert_eq!(source(&[]), Ok(Source::CratesIo));
        assert_eq!(
            source(&["[build]\njobs = 2\n[source.other]\nregistry = 'x'"]),
            Ok(Source::CratesIo)
        );
    }

    #[test]
    fn a_replacement_is_followed_through_names_and_files() {
        let mirror = Ok(Source::Sparse(
            "sparse+https://mirror.test/index/".to_owned(),
        ));
        let one = "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'";
        let two = "[source.b]\nregistry = 'sparse+https://mirror.test/index/'";
        assert_eq!(source(&[one, two]), mirror);
        let by_registry = "[source.crates-io]\nreplace-with = 'm'\n\
                           [registries.m]\nindex = 'sparse+https://mirror.test/index/'";
        assert_eq!(source(&[by_registry]), mirror);
    }

    #[test]
    fn the_first_file_wins() {
        let first = "[source.m]\nregistry = 'sparse+https://first.test/'";
        let second = "[source.crates-io]\nreplace-with = 'm'\n\
                      [source.m]\nregistry = 'sparse+https://second.test/'";
        let found = Ok(Source::Sparse("sparse+https://first.test/".to_owned()));
        assert_eq!(source(&[first, second]), found);
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        let replaced = |rest: &str| {
            source(&[&format!("[source.crates-io]\nreplace-with = 'm'\n{rest}")]).unwrap_err()
        };
        let errors = [
            replaced("[source.m]\ndirectory = 'vendor'"),
            replaced("[source.m]\nlocal-registry = 'x'"),
            replaced("[source.m]\nregistry = 'https://git.test/index'"),
            replaced(""),
            replaced("[source.m]\nreplace-with = 'crates-io'"),
            source(&["[source"]).unwrap_err(),
        ];
        insta::assert_snapshot!(errors.join("\n"), @r#"
        Cargo's configuration replaces crates.io with `m`, a folder of unpacked packages; Orlop needs a sparse index, `registry = "sparse+…"`
        Cargo's configuration replaces crates.io with `m`, a local registry; Orlop needs a sparse index, `registry = "sparse+…"`
        Cargo's configuration replaces crates.io with `m`, a registry whose index is a git repository; Orlop needs a sparse index, `registry = "sparse+…"`
        Cargo's configuration replaces a source with `m`, which it does not define
        Cargo's configuration replaces the source `crates-io` with itself
        read Cargo's configuration `home/config.toml`: TOML parse error at line 1, column 8
          |
        1 | [source
          |        ^
        unclosed table, expected `]`
        "#);
    }

    #[test]
    fn addresses_are_checked_and_normalised() {
        let address = |text: &str| {
            index_address(text)
                .map(String::from)
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            address("https://H.test/a/../b"),
            Ok("https://h.test/b/".to_owned())
        );
        assert_eq!(
            address("sparse+http://h.test:81/%2e%2e/x/"),
            Ok("http://h.test:81/x/".to_owned())
        );
        let errors = [
            "file:///x",
            "https://user:secret@h.test/",
            "nonsense",
            "https://h.test/?q",
        ]
        .map(|text| address(text).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"), @"
        use the registry `file:///x`: only `https` and `http` are allowed
        use the registry `https://h.test/`: it carries credentials
        use the registry `nonsense`: relative URL without a base
        use the registry `https://h.test/`: it has a query or a fragment
        ");
        assert!(!errors.concat().contains("secret"));
    }

    #[test]
    fn crates_io_has_an_address() {
        assert_eq!(
            index_address(tame_index::CRATES_IO_HTTP_INDEX)
                .unwrap()
                .scheme(),
            "https"
        );
    }
}
