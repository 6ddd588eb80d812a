//! [`StorePath`]: the name of a store object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::{ContentHash, Digest, Hasher};

/// The longest name that still leaves room for suffixes in a 255-byte file name.
const MAX_NAME: usize = 180;

/// The folder name of a store object: `<digest>-<name>`.
///
/// The digest is that of the derivation that makes the object (or of its content, where nothing
/// makes it: an imported compiler); the name is there for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath {
    digest: Digest,
    name: String,
}

/// Why a text is not a store path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a store path: {reason}")]
pub struct StorePathError {
    text: String,
    reason: &'static str,
}

impl StorePath {
    /// Makes the path of an object. Letters that may not stand in a name become `_`, an overlong
    /// name is cut: the digest alone identifies.
    pub fn new(digest: Digest, name: &str) -> Self {
        let mut name: String = name
            .chars()
            .map(|c| if allowed(c) { c } else { '_' })
            .take(MAX_NAME)
            .collect();
        if name.is_empty() {
            name.push('_');
        }
        Self { digest, name }
    }

    /// Returns the digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the part for people: `<name>-<version>[-<output>]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first 16 digits of the digest, as used in file names of crates.
    pub fn short(&self) -> String {
        self.digest.to_string()[..16].to_owned()
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+')
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.digest, self.name)
    }
}

impl FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        let refuse = |reason| {
            Err(StorePathError {
                text: text.escape_debug().take(80).collect(),
                reason,
            })
        };
        let Some((digest, name)) = text.split_at_checked(Digest::TEXT_LENGTH) else {
            return refuse("it is too short");
        };
        let Some(digest) = Digest::from_text(digest) else {
            return refuse("it does not begin with a digest");
        };
        match name.strip_prefix('-') {
            Some(name)
                if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(allowed) =>
            {
                Ok(Self {
                    digest,
                    name: name.to_owned(),
                })
            }
            _ => refuse("the name after the digest is not one"),
        }
    }
}

impl TryFrom<String> for StorePath {
    type Error = StorePathError;

    fn try_from(text: String) -> Result<Self, StorePathError> {
        text.parse()
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.to_string()
    }
}

impl ContentHash for StorePath {
    fn hash(&self, hasher: &mut Hasher) {
        self.digest.hash(hasher);
        self.name.hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let path = StorePath::new(Digest::of("test", "x"), "libgit2-sys-0.18.8+1.9.7-src");
        assert_eq!(path.to_string().parse::<StorePath>().unwrap(), path);
    }

    #[test]
    fn names_are_made_safe() {
        let path = StorePath::new(Digest::of("test", "x"), "../a b\n");
        assert_eq!(path.name(), ".._a_b_");
        assert!("../etc/passwd".parse::<StorePath>().is_err());
        let evil = format!("{}-a/../../b", path.digest());
        assert!(evil.parse::<StorePath>().is_err());
    }
}
