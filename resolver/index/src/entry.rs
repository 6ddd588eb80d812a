//! One index entry: lines of JSON to releases, and where it lies in the index.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{PackageName, Version};
use orlop_resolver::{Checksum, DependencyKind, Release, ReleaseDependency};
use serde::Deserialize;

use crate::error::EntryError;

/// The newest format of a line that we understand; Cargo skips newer ones, too.
const NEWEST_FORMAT: u32 = 2;

/// Returns the path of a package's entry inside an index.
pub(crate) fn path(name: &PackageName) -> String {
    let name = name.as_str().to_ascii_lowercase();
    format!("{}/{name}", prefix(&name))
}

/// Returns the path of a package's entry inside the cache, which unlike an index tells upper from
/// lower case.
pub(crate) fn cache_path(name: &PackageName) -> String {
    format!("{}/{name}", prefix(&name.as_str().to_ascii_lowercase()))
}

/// Returns the folder of an entry: `1`, `2`, `3/a` or `ab/cd`.
pub(crate) fn prefix(name: &str) -> String {
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

/// Reads an entry: every release that can be used, in ascending order.
///
/// Lines about another package are left out: an index keeps `Serde` and `serde` in one file.
pub(crate) fn releases(name: &PackageName, body: &[u8]) -> Result<Vec<Release>, EntryError> {
    let mut releases: Vec<Release> = Vec::new();
    let mut lines = body.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if number == 0 && line[0] != b'{' {
            return Err(EntryError::NotJson { start: start(line) });
        }
        match serde_json::from_slice::<Line>(line) {
            Ok(parsed) if parsed.name != name.as_str() => {}
            Ok(parsed) => match release(name, parsed) {
                Ok(release) => releases.push(release),
                Err(reason) => {
                    tracing::warn!(package = %name, line = number + 1, reason, "release left out");
                }
            },
            // Without a line end behind it, a line that is not JSON is one that was cut.
            Err(error) if lines.peek().is_none() && !error.is_data() => {
                return Err(EntryError::Cut { line: number + 1 });
            }
            Err(error) => {
                tracing::warn!(package = %name, line = number + 1, %error, "release left out");
            }
        }
    }
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    releases.dedup_by(|later, first| later.version == first.version);
    Ok(releases)
}

/// Returns the name that an entry gives its package.
pub(crate) fn name(body: &[u8]) -> Option<PackageName> {
    #[derive(Deserialize)]
    struct Named {
        name: PackageName,
    }
    let line = body.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice::<Named>(line)
        .ok()
        .map(|named| named.name)
}

fn start(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(24)])
        .escape_debug()
        .to_string()
}

/// One line as it is written.
#[derive(Deserialize)]
struct Line {
    name: String,
    vers: Version,
    deps: Vec<LineDependency>,
    cksum: String,
    features: BTreeMap<String, Vec<String>>,
    features2: Option<BTreeMap<String, Vec<String>>>,
    yanked: Option<bool>,
    links: Option<String>,
    rust_version: Option<String>,
    pubtime: Option<Timestamp>,
    v: Option<u32>,
}

#[derive(Deserialize)]
struct LineDependency {
    name: PackageName,
    req: String,
    features: Vec<String>,
    optional: bool,
    default_features: bool,
    target: Option<String>,
    kind: Option<String>,
    registry: Option<String>,
    package: Option<PackageName>,
}

fn release(name: &PackageName, line: Line) -> Result<Release, String> {
    if let Some(format) = line.v.filter(|format| *format > NEWEST_FORMAT) {
        return Err(format!("its format {format} is not known"));
    }
    let checksum: Checksum = line
        .cksum
        .parse()
        .map_err(|error| format!("its checksum: {error}"))?;
    let mut merged = line.features;
    for (feature, values) in line.features2.unwrap_or_default() {
        merged.entry(feature).or_default().extend(values);
    }
    let features = merged
        .into_iter()
        .map(|(name, values)| (Arc::from(name), values.into_iter().map(Arc::from).collect()))
        .collect();
    let mut dependencies = Vec::with_capacity(line.deps.len());
    for one in line.deps {
        dependencies.extend(dependency(one)?.map(Arc::new));
    }
    Ok(Release {
        name: name.clone(),
        version: line.vers,
        checksum,
        dependencies: dependencies.into(),
        features: Arc::new(features),
        yanked: line.yanked.unwrap_or(false),
        links: line.links.map(Arc::from),
        rust_version: line.rust_version.map(Arc::from),
        published: line.pubtime,
    })
}

/// Returns nothing for what is only needed for tests.
fn dependency(line: LineDependency) -> Result<Option<ReleaseDependency>, String> {
    let kind = match line.kind.as_deref() {
        None | Some("normal") => DependencyKind::Normal,
        Some("build") => DependencyKind::Build,
        Some("dev") => return Ok(None),
        Some(other) => return Err(format!("`{}` has the unknown kind `{other}`", line.name)),
    };
    if line.registry.is_some() {
        return Err(format!("`{}` is of another registry", line.name));
    }
    let requirement = line
        .req
        .parse()
        .map_err(|error| format!("`{} {}`: {error}", line.name, line.req))?;
    let name = Arc::from(line.name.as_str());
    Ok(Some(ReleaseDependency {
        name,
        package: line.package.unwrap_or(line.name),
        requirement,
        features: line.features.into_iter().map(Arc::from).collect(),
        default_features: line.default_features,
        optional: line.optional,
        kind,
        target: line.target.map(Arc::from),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::name;

    const SUM: &str = "00000000000000000000000000000000000000000000000000000000000000AA";

    fn line(version: &str, rest: &str) -> String {
        format!(
            "{{\"name\":\"demo\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{SUM}\",\
             \"features\":{{}},\"yanked\":false{rest}}}\n"
        )
    }

    fn versions(body: &str) -> Vec<String> {
        let releases = releases(&name("demo"), body.as_bytes()).unwrap();
        releases
            .iter()
            .map(|release| release.version.to_string())
            .collect()
    }

    #[test]
    fn entries_lie_where_cargo_looks_for_them() {
        let paths = ["a", "ab", "Abc", "serde", "fd-find"].map(|text| path(&name(text)));
        assert_eq!(
            paths,
            ["1/a", "2/ab", "3/a/abc", "se/rd/serde", "fd/-f/fd-find"]
        );
    }

    #[test]
    fn all_fields_are_read() {
        let body = format!(
            r#"{{"name":"demo","vers":"1.2.3+meta","deps":[
                {{"name":"alias","req":"^1","features":["x"],"optional":true,"default_features":false,
                  "target":"cfg(unix)","kind":"build","registry":null,"package":"real"}},
                {{"name":"test","req":"1","features":[],"optional":false,"default_features":true,
                  "target":null,"kind":"dev","registry":"https://other.test","package":null}}],
               "cksum":"{SUM}","features":{{"default":["a"],"a":[]}},
               "features2":{{"a":["dep:alias"],"b":["alias?/y"]}},
               "yanked":true,"links":"z","rust_version":"1.70","pubtime":"2024-05-06T07:08:09Z",
               "v":2,"unknown":[1]}}"#
        )
        .replace('\n', " ");
        let found = releases(&name("demo"), body.as_bytes()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap(), @r#"
        [
          {
            "name": "demo",
            "version": "1.2.3+meta",
            "checksum": "00000000000000000000000000000000000000000000000000000000000000aa",
            "dependencies": [
              {
                "name": "alias",
                "package": "real",
                "requirement": "^1",
                "features": [
                  "x"
                ],
                "default_features": false,
                "optional": true,
                "kind": "build",
                "target": "cfg(unix)"
              }
            ],
            "features": {
              "a": [
                "dep:alias"
              ],
              "b": [
                "alias?/y"
              ],
              "default": [
                "a"
              ]
            },
            "yanked": true,
            "links": "z",
            "rust_version": "1.70",
            "published": "2024-05-06T07:08:09Z"
          }
        ]
        "#);
    }

    #[test]
    fn releases_are_sorted_and_unusable_ones_left_out() {
        let other_registry = r#"{"name":"x","req":"1","features":[],"optional":false,
            "default_features":true,"target":null,"kind":"normal","registry":"https://other.test"}"#
            .replace('\n', "");
        let body = [
            line("1.10.0", ""),
            line("1.9.0", ",\"v\":2"),
            line("2.0.0", ",\"v\":3"),
            line("1.9.0-rc.1", ""),
            line("1.0.0+../../x", ""),
            line("1.9.0", ""),
            line("0.1.0", "").replace("[]", &format!("[{other_registry}]")),
            line("0.2.0", "").replace("AA", "zz"),
            line("0.3.0", ",\"pubtime\":\"yesterday\""),
            line("0.4.0", "").replace("demo", "Demo"),
            "nonsense\n".to_owned(),
            "\n".to_owned(),
            line("0.0.1", ""),
        ]
        .concat();
        assert_eq!(versions(&body), ["0.0.1", "1.9.0-rc.1", "1.9.0", "1.10.0"]);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let parse = |body: &str| releases(&name("demo"), body.as_bytes()).unwrap_err();
        let page = parse("<!DOCTYPE html>\n<html>\u{1b}[0m");
        assert_eq!(
            page,
            EntryError::NotJson {
                start: "<!DOCTYPE html>".to_owned()
            }
        );
        let cut = format!("{}{}", line("1.0.0", ""), &line("1.1.0", "")[..40]);
        assert_eq!(parse(&cut), EntryError::Cut { line: 2 });
        assert_eq!(versions(""), Vec::<String>::new());
    }

    #[test]
    fn an_entry_tells_its_name() {
        assert_eq!(
            super::name(line("1.0.0", "").as_bytes()),
            Some(name("demo"))
        );
        assert_eq!(super::name(b"<html>"), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            // Only that it returns is of interest.
            drop(releases(&name("demo"), &body));
        }

        #[test]
        fn an_entry_cut_anywhere_is_noticed_or_ends_with_a_whole_line(at in 1usize..600) {
            let body = [line("1.0.0", ""), line("1.1.0", ""), line("1.2.0", "")].concat();
            let at = at.min(body.len());
            if let Ok(found) = releases(&name("demo"), &body.as_bytes()[..at]) {
                let whole = body[..at].trim_end().matches('\n').count() + 1;
                prop_assert_eq!(found.len(), whole);
            }
        }
    }
}
