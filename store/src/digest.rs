//! Digests, and the written rules by which values are hashed: [`ContentHash`].
//!
//! Keys must be the same on every machine and in every later release, so nothing here depends on
//! `std::hash`, on serde or on the layout of memory. A value is fed to BLAKE3 as bytes:
//!
//! | shape | bytes |
//! |---|---|
//! | integer | 8 bytes, little endian |
//! | `bool` | the integer 0 or 1 |
//! | text, bytes | length as an integer, then the bytes |
//! | `Option` | the integer 0; or 1, then the value |
//! | list, set, map | length as an integer, then the items in order (a map's items are key, value) |
//! | struct | its fields in the order written in its implementation |
//! | enum | the ordinal as an integer, then the fields |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The digits of [`Digest`]'s text form: no `e`, `o`, `t`, `u`, so that no word appears in a path.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// What each byte stands for as a digit, and [`NO_DIGIT`] for those that are none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while (value as usize) < ALPHABET.len() {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = u8::MAX;

/// A digit has five bits: so many digits are so many whole bytes.
const DIGITS: usize = 8;
const BYTES: usize = 5;

/// Whether a byte can stand in the text form of a digest.
pub(crate) fn is_digit(byte: u8) -> bool {
    VALUES[usize::from(byte)] != NO_DIGIT
}

/// The first 20 bytes of a BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; Self::LENGTH]);

impl Digest {
    /// Length in bytes.
    pub const LENGTH: usize = 20;
    /// Length of the text form.
    pub const TEXT_LENGTH: usize = 32;

    /// Hashes a value under a domain: equal values of different domains have different digests.
    pub fn of<T: ContentHash + ?Sized>(domain: &str, value: &T) -> Self {
        let mut hasher = Hasher::new();
        domain.hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// Takes the first bytes of a finished BLAKE3 hash.
    pub fn from_blake3(hash: &blake3::Hash) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&hash.as_bytes()[..Self::LENGTH]);
        Self(bytes)
    }

    /// Reads the text form; none if `text` is not exactly one.
    pub fn from_text(text: &str) -> Option<Self> {
        if text.len() != Self::TEXT_LENGTH {
            return None;
        }
        let mut bytes = [0; Self::LENGTH];
        let digits = text.as_bytes().chunks_exact(DIGITS);
        for (digits, bytes) in digits.zip(bytes.chunks_exact_mut(BYTES)) {
            let mut bits = 0_u64;
            for &digit in digits {
                let value = VALUES[usize::from(digit)];
                if value == NO_DIGIT {
                    return None;
                }
                bits = bits << 5 | u64::from(value);
            }
            bytes.copy_from_slice(&bits.to_be_bytes()[8 - BYTES..]);
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(Self::TEXT_LENGTH);
        for bytes in self.0.chunks_exact(BYTES) {
            let bits = bytes
                .iter()
                .fold(0, |bits, &byte| bits << 8 | usize::from(byte));
            let digits = (0..DIGITS).rev().map(|place| bits >> (5 * place) & 31);
            text.extend(digits.map(|digit| char::from(ALPHABET[digit])));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// How many bytes are hashed at once, where there are so many: BLAKE3 takes many blocks together.
const TOGETHER: usize = 1 << 16;

/// Collects the bytes of a value; see the module's table.
#[derive(Debug, Default)]
pub struct Hasher {
    hashed: blake3::Hasher,
    /// What is not hashed yet.
    waiting: Vec<u8>,
}

impl Hasher {
    /// Starts an empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// Feeds an integer.
    pub fn integer(&mut self, value: u64) {
        self.feed(&value.to_le_bytes());
    }

    /// Feeds a length and bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.integer(bytes.len() as u64);
        self.feed(bytes);
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= TOGETHER {
            self.hashed.update(&self.waiting);
            self.waiting.clear();
        }
    }

    /// Ends the hash.
    pub fn finish(&self) -> Digest {
        let mut hashed = self.hashed.clone();
        hashed.update(&self.waiting);
        Digest::from_blake3(&hashed.finalize())
    }
}

/// A value with written hashing rules.
pub trait ContentHash {
    /// Feeds the value to `hasher`.
    fn hash(&self, hasher: &mut Hasher);
}

impl ContentHash for u64 {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(*self);
    }
}

impl ContentHash for bool {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(u64::from(*self));
    }
}

impl ContentHash for str {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.bytes(self.as_bytes());
    }
}

impl ContentHash for String {
    fn hash(&self, hasher: &mut Hasher) {
        self.as_str().hash(hasher);
    }
}

impl ContentHash for Digest {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.bytes(&self.0);
    }
}

impl<T: ContentHash + ?Sized> ContentHash for &T {
    fn hash(&self, hasher: &mut Hasher) {
        (**self).hash(hasher);
    }
}

impl<T: ContentHash> ContentHash for Option<T> {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(u64::from(self.is_some()));
        if let Some(value) = self {
            value.hash(hasher);
        }
    }
}

impl<T: ContentHash> ContentHash for [T] {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(self.len() as u64);
        for item in self {
            item.hash(hasher);
        }
    }
}

impl<T: ContentHash> ContentHash for Vec<T> {
    fn hash(&self, hasher: &mut Hasher) {
        self.as_slice().hash(hasher);
    }
}

impl<T: ContentHash> ContentHash for BTreeSet<T> {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(self.len() as u64);
        for item in self {
            item.hash(hasher);
        }
    }
}

impl<K: ContentHash, V: ContentHash> ContentHash for BTreeMap<K, V> {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(self.len() as u64);
        for (key, value) in self {
            key.hash(hasher);
            value.hash(hasher);
        }
    }
}

impl<A: ContentHash, B: ContentHash> ContentHash for (A, B) {
    fn hash(&self, hasher: &mut Hasher) {
        self.0.hash(hasher);
        self.1.hash(hasher);
    }
}

/// Implements [`ContentHash`] for a struct: its fields in the order given. A missing field is a
/// compile error.
#[macro_export]
macro_rules! content_hash {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::digest::ContentHash for $type {
            fn hash(&self, hasher: &mut $crate::digest::Hasher) {
                let Self { $($field),+ } = self;
                $($crate::digest::ContentHash::hash($field, hasher);)+
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_reversible() {
        for seed in 0..200_u64 {
            let digest = Digest::of("test", &seed);
            let text = digest.to_string();
            assert_eq!(text.len(), Digest::TEXT_LENGTH);
            assert_eq!(Digest::from_text(&text), Some(digest));
        }
        assert_eq!(Digest::from_text("short"), None);
        assert_eq!(Digest::from_text(&"e".repeat(32)), None);
    }

    #[test]
    fn digits_are_those_of_the_alphabet() {
        let digits: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_digit(byte)).collect();
        assert_eq!(digits, ALPHABET);
    }

    #[test]
    fn lengths_separate_neighbours() {
        let one = Digest::of("test", &("ab", "c"));
        let other = Digest::of("test", &("a", "bc"));
        assert_ne!(one, other);
    }

    #[test]
    fn golden() {
        let value = (vec![Some("text".to_owned()), None], true);
        assert_eq!(
            Digest::of("test", &value).to_string(),
            "v1xmf4hq4r1d4h2xc3l7qs3fnlf7c8b0"
        );
    }
}
