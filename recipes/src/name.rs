//! Names, validated once, where they enter.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name crates.io accepts for a package.
const MAX_PACKAGE_NAME: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {reason}")]
pub struct NameError {
    text: String,
    kind: &'static str,
    reason: &'static str,
}

impl NameError {
    fn new(text: &str, kind: &'static str, reason: &'static str) -> Self {
        // Names come from outside: control characters must not reach a terminal.
        Self {
            text: text.escape_debug().take(80).collect(),
            kind,
            reason,
        }
    }
}

/// The name of a package as its registry spells it: ASCII letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(Arc<str>);

impl PackageName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as it stands in Rust code: `-` becomes `_`.
    pub fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |reason| Err(NameError::new(text, "package name", reason));
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > MAX_PACKAGE_NAME {
            return refuse("it is longer than 64 characters");
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return refuse("only ASCII letters, digits, `-` and `_` are allowed");
        }
        if text.starts_with('-') {
            return refuse("it starts with `-`");
        }
        Ok(Self(text.into()))
    }
}

/// The name of a feature: no white space, none of `/`, `:`, `?`, `"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FeatureName(Arc<str>);

impl FeatureName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FeatureName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |reason| Err(NameError::new(text, "feature name", reason));
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "/:?\"'\\".contains(c))
        {
            return refuse("white space and `/`, `:`, `?`, `\\` and quotes are not allowed");
        }
        Ok(Self(text.into()))
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_conversions!(PackageName);
text_conversions!(FeatureName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names() {
        for good in ["ripgrep", "fd-find", "a", "serde_json", "_x", "0d"] {
            assert_eq!(good.parse::<PackageName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "..",
            "a/b",
            "-rf",
            "a b",
            "rіpgrep",
            "a\u{1b}[0m",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_name_is_shown_without_its_control_characters() {
        let error = "a\u{1b}[31m".parse::<PackageName>().unwrap_err();
        assert!(!error.to_string().contains('\u{1b}'));
    }

    #[test]
    fn feature_names() {
        for good in ["default", "rust-1.70", "c++", "simd_accel"] {
            assert!(good.parse::<FeatureName>().is_ok());
        }
        for bad in ["", "a/b", "dep:a", "a b"] {
            assert!(bad.parse::<FeatureName>().is_err());
        }
    }
}
