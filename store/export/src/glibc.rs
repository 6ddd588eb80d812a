//! [`Glibc`]: the oldest glibc that files run with.

use std::fmt;

use orlop_loader::elf::Object;
use orlop_loader::is_glibc;

use crate::error::ExportError;

/// A release of glibc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc {
    major: u32,
    minor: u32,
}

/// Versions that stand for what glibc's loader can do, with the first release that says so.
const ABILITIES: [(&str, Glibc); 3] = [
    ("GLIBC_ABI_DT_RELR", Glibc::new(2, 36)),
    ("GLIBC_ABI_DT_X86_64_PLT", Glibc::new(2, 39)),
    ("GLIBC_ABI_GNU2_TLS", Glibc::new(2, 42)),
];

impl Glibc {
    const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Returns the oldest release without which one of the files does not start; none if none of
    /// them needs glibc.
    pub fn needed_by<'a>(
        files: impl IntoIterator<Item = &'a Object>,
    ) -> Result<Option<Self>, ExportError> {
        let mut newest = None;
        for file in files {
            let needed = file.needed_versions.iter();
            for needed in needed.filter(|needed| is_glibc(&needed.file) && !needed.weak) {
                let release = Self::first_with(&needed.version).ok_or_else(|| {
                    ExportError::UnknownVersion {
                        file: file.path.clone(),
                        version: needed.version.clone(),
                    }
                })?;
                newest = newest.max(Some(release));
            }
        }
        Ok(newest)
    }

    /// Returns the first release that has a version of symbols: `GLIBC_2.34`, `GLIBC_2.2.5`.
    fn first_with(version: &str) -> Option<Self> {
        let known = ABILITIES.iter().find(|(name, _)| *name == version);
        if let Some((_, release)) = known {
            return Some(*release);
        }
        let mut numbers = version.strip_prefix("GLIBC_")?.split('.');
        let mut number = || numbers.next()?.parse::<u32>().ok();
        // A third number was a minor release of long ago.
        Some(Self::new(number()?, number()?))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_symbols_are_releases() {
        let first = |version| Glibc::first_with(version).map(|release| release.to_string());
        assert_eq!(first("GLIBC_2.34").as_deref(), Some("2.34"));
        assert_eq!(first("GLIBC_2.2.5").as_deref(), Some("2.2"));
        assert_eq!(first("GLIBC_ABI_DT_RELR").as_deref(), Some("2.36"));
        assert_eq!(first("GLIBC_PRIVATE"), None);
        assert!(Glibc::first_with("GLIBC_2.4") < Glibc::first_with("GLIBC_2.34"));
    }
}
