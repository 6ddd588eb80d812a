//! Which releases a compiler is too old for.

use orlop_recipes::Version;

use crate::error::{Chain, TooNew};
use crate::index::{Index, IndexError, Release};
use crate::request::Request;
use crate::versions::visible;

/// Returns the newest release of the app that was passed over for `chosen` because it needs a
/// newer compiler.
pub fn passed_over(
    request: &Request,
    chosen: &Version,
    index: &dyn Index,
) -> Result<Option<TooNew>, IndexError> {
    let releases = index.releases(&request.app)?;
    let newer = releases.iter().rev().find(|release| {
        release.version > *chosen
            && request.requirement.matches(&release.version)
            && !release.yanked
            && visible(release, request)
            && needs_newer(release, &request.rust_version)
    });
    Ok(newer.map(|release| TooNew {
        package: release.name.clone(),
        version: release.version.clone(),
        needs: release
            .rust_version
            .as_deref()
            .unwrap_or_default()
            .to_owned(),
        chain: Chain::default(),
    }))
}

/// Whether a release says that it needs a newer compiler.
///
/// What cannot be read as a version says nothing; indices leave such releases out, as Cargo does.
pub(crate) fn needs_newer(release: &Release, compiler: &Version) -> bool {
    release
        .rust_version
        .as_deref()
        .is_some_and(|text| newer(text, compiler))
}

/// A nightly counts as the release it will become, as in Cargo.
fn newer(text: &str, compiler: &Version) -> bool {
    let mut parts = text.split(['-', '+']).next().unwrap_or(text).split('.');
    let mut part = || parts.next().map_or(Ok(0), str::parse::<u64>);
    match (part(), part(), part()) {
        (Ok(major), Ok(minor), Ok(patch)) => {
            (major, minor, patch) > (compiler.major, compiler.minor, compiler.patch)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_versions_compare_like_whole_ones() {
        let compiler = Version::new(1, 95, 0);
        for old_enough in ["1", "1.95", "1.95.0", "1.56", "0.9", "odd"] {
            assert!(!newer(old_enough, &compiler), "{old_enough}");
        }
        for too_new in ["1.95.1", "1.96", "2"] {
            assert!(newer(too_new, &compiler), "{too_new}");
        }
        assert!(!newer("1.96", &"1.96.0-nightly".parse().unwrap()));
    }
}
