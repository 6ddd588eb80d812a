//! What can be had when what was asked for cannot: [`ways_out()`], each one tried.

use orlop_recipes::{PackageName, Version, VersionReq};

use crate::error::ResolveError;
use crate::index::Index;
use crate::request::Request;
use crate::versions::visible;
use crate::{exactly, resolve, resolve_locked, versions};

/// How many older releases of an app are tried.
const TRIES: usize = 6;

/// Returns commands that work in place of a request that failed for a reason inside the app. The
/// user knows the app as `name`.
///
/// Every one was tried on the same index: nobody is sent from one refusal to the next.
pub fn ways_out(
    name: &PackageName,
    request: &Request,
    error: &ResolveError,
    index: &dyn Index,
) -> Vec<String> {
    if !error.is_inside() {
        return Vec::new();
    }
    let locked = resolve_locked(request, index).ok().map(|_| {
        let what = asked(name, &request.requirement, request);
        format!("take the versions its author tested with: `orlop install {what} --policy locked`")
    });
    let older = older(request, index).map(|version| {
        let what = asked(name, &exactly(&version), request);
        format!("take {version}, the newest release that can be had: `orlop install {what}`")
    });
    locked.into_iter().chain(older).collect()
}

/// Finds the newest of the app's earlier releases that can be had.
fn older(request: &Request, index: &dyn Index) -> Option<Version> {
    let failed = versions::app_version(request, index).ok()?;
    let releases = index.releases(&request.app).ok()?;
    let earlier = releases.iter().rev().filter(|release| {
        release.version < failed
            && release.version.pre.is_empty()
            && !release.yanked
            && visible(release, request)
    });
    let mut asked = request.clone();
    earlier
        .map(|release| &release.version)
        .take(TRIES)
        .find(|version| {
            asked.requirement = exactly(version);
            resolve(&asked, index).is_ok()
        })
        .cloned()
}

/// Writes what to type after `orlop install` for an app.
fn asked(name: &PackageName, requirement: &VersionReq, request: &Request) -> String {
    let mut text = match requirement.to_string() {
        all if all == "*" => name.to_string(),
        // What a shell would not take for one word.
        odd if odd.contains([' ', '<', '>', '*']) => format!("'{name}@{odd}'"),
        plain => format!("{name}@{}", plain.trim_start_matches('^')),
    };
    if !request.default_features {
        text.push_str(" --no-default-features");
    }
    if !request.features.is_empty() {
        let features: Vec<&str> = request.features.iter().map(AsRef::as_ref).collect();
        text.push_str(" -F ");
        text.push_str(&features.join(","));
    }
    text
}
