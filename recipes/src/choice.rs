//! [`Choice`]: words of which exactly one is meant.

use crate::error::literal;
use crate::suggest::closest;

/// A type whose values are all written as one word each.
pub trait Choice: Copy + 'static {
    /// All values, in the order in which messages list them.
    const ALL: &'static [Self];

    /// Returns the word of a value.
    fn as_str(self) -> &'static str;

    /// Returns the value of a word.
    fn choose(text: &str) -> Result<Self, ChoiceError> {
        Self::ALL
            .iter()
            .copied()
            .find(|value| value.as_str() == text)
            .ok_or_else(|| ChoiceError {
                text: literal(text),
                expected: Self::ALL.iter().map(|value| value.as_str()).collect(),
            })
    }
}

/// Why a text is not one of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of {}", list(.expected))]
pub struct ChoiceError {
    text: String,
    expected: Vec<&'static str>,
}

impl ChoiceError {
    /// Returns what may stand there.
    pub fn expected(&self) -> &[&'static str] {
        &self.expected
    }

    /// Returns the word that was probably meant.
    pub fn suggestion(&self) -> Option<&'static str> {
        closest(&self.text, self.expected.iter().copied())
    }
}

/// Lists words for a message: `` `a`, `b`, `c` ``.
pub(crate) fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $text)] $value,)*
        }

        impl $crate::choice::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$value),*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($crate::choice::Choice::as_str(*self))
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($text),*] })
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::choice::ChoiceError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::choice::Choice::choose(text)
            }
        }
    };
}

pub(crate) use choice;
