//! One index entry: lines of JSON to releases, and where it lies in the index.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, PackageName, Version};
use orlop_resolver::{Checksum, DependencyKind, Release, ReleaseDependency, Target};
use serde::Deserialize;

use crate::error::EntryError;
use crate::feature_rules;

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
    let mut is_first = true;
    let mut lines = body.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if is_first && line[0] != b'{' {
            return Err(EntryError::NotJson { start: start(line) });
        }
        is_first = false;
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

/// One line as it is written. What may be missing is what Cargo can do without.
#[derive(Deserialize)]
struct Line {
    name: String,
    vers: Version,
    deps: Vec<LineDependency>,
    cksum: String,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    features2: Option<BTreeMap<String, Vec<String>>>,
    yanked: Option<bool>,
    links: Option<String>,
    rust_version: Option<String>,
    pubtime: Option<Timestamp>,
    v: Option<u32>,
}

/// One dependency as it is written.
#[derive(Deserialize)]
pub(crate) struct LineDependency {
    pub(crate) name: PackageName,
    req: String,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    pub(crate) optional: bool,
    #[serde(default = "yes")]
    default_features: bool,
    target: Option<String>,
    kind: Option<String>,
    registry: Option<String>,
    package: Option<PackageName>,
}

/// What goes into messages must not command a terminal.
fn plain(text: &str) -> Result<(), String> {
    if text.contains(char::is_control) {
        return Err(format!("{text:?} holds control characters"));
    }
    Ok(())
}

fn yes() -> bool {
    true
}

fn release(name: &PackageName, line: Line) -> Result<Release, String> {
    if let Some(format) = line.v.filter(|format| *format > NEWEST_FORMAT) {
        return Err(format!("its format {format} is not known"));
    }
    let checksum: Checksum = line
        .cksum
        .parse()
        .map_err(|error| format!("its checksum: {error}"))?;
    if let Some(version) = line.rust_version.as_deref()
        && !is_rust_version(version)
    {
        return Err(format!("its `rust_version` `{version}` is none"));
    }
    let mut merged = line.features;
    for (feature, values) in line.features2.unwrap_or_default() {
        merged.entry(feature).or_default().extend(values);
    }
    for (feature, values) in &merged {
        let name = feature.parse::<FeatureName>();
        name.map_err(|error| error.to_string())?;
        values.iter().try_for_each(|value| plain(value))?;
    }
    line.links.as_deref().map_or(Ok(()), plain)?;
    feature_rules::check(&merged, &line.deps)?;
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

/// Whether a text is `1`, `1.95` or `1.95.0`: all else has Cargo leave a release out.
fn is_rust_version(text: &str) -> bool {
    let is_number = |part: &str| {
        part.parse::<u64>()
            .is_ok_and(|number| number.to_string() == part)
    };
    let text = text.trim();
    text.split('.').count() <= 3 && text.split('.').all(is_number)
}

/// Returns nothing for what is only needed for tests.
fn dependency(line: LineDependency) -> Result<Option<ReleaseDependency>, String> {
    let kind = match line.kind.as_deref() {
        Some("build") => DependencyKind::Build,
        Some("dev") => return Ok(None),
        // Whatever it is called, as in Cargo.
        _ => DependencyKind::Normal,
    };
    line.registry.as_deref().map_or(Ok(()), plain)?;
    let requirement = line
        .req
        .parse()
        .map_err(|error| format!("`{} {}`: {error}", line.name, line.req))?;
    if let Some(target) = &line.target {
        let read = target.parse::<Target>();
        read.map_err(|error| format!("the platforms of `{}`: {error}", line.name))?;
    }
    let name = Arc::from(line.name.as_str());
    line.features.iter().try_for_each(|name| plain(name))?;
    // Old registries wrote down empty names, which ask for nothing.
    let features = line.features.into_iter().filter(|name| !name.is_empty());
    Ok(Some(ReleaseDependency {
        name,
        renamed: line.package.is_some(),
        package: line.package.unwrap_or(line.name),
        requirement,
        features: features.map(Arc::from).collect(),
        default_features: line.default_features,
        optional: line.optional,
        kind,
        target: line.target.map(Arc::from),
        registry: line.registry.map(Arc::from),
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
                "renamed": true,
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
        let body = [
            line("1.10.0", ""),
            line("1.9.0", ",\"v\":2"),
            line("2.0.0", ",\"v\":3"),
            line("1.9.0-rc.1", ""),
            line("1.0.0+../../x", ""),
            line("1.9.0", ""),
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
    fn what_other_registries_leave_out_has_cargos_defaults() {
        let body = format!(
            "{{\"name\":\"demo\",\"vers\":\"1.0.0\",\"cksum\":\"{SUM}\",\
             \"deps\":[{{\"name\":\"a\",\"req\":\"1\"}}]}}\n"
        );
        let found = releases(&name("demo"), body.as_bytes()).unwrap();
        let dependency = &found[0].dependencies[0];
        assert!(dependency.default_features && !dependency.optional);
        assert!(dependency.features.is_empty() && found[0].features.is_empty());
    }

    #[test]
    fn a_dependency_may_be_of_another_registry() {
        let need = |registry: &str| {
            let need = format!("[{{\"name\":\"a\",\"req\":\"1\",\"registry\":{registry}}}]");
            line("1.0.0", "").replace("[]", &need)
        };
        let registry = |body: &str| {
            let found = releases(&name("demo"), body.as_bytes()).unwrap();
            let first = found.first().map(|release| &release.dependencies[0]);
            first.map(|dependency| dependency.registry.clone())
        };
        assert_eq!(registry(&need("null")), Some(None));
        let other = Some(Some(Arc::from("https://other.test")));
        assert_eq!(registry(&need("\"https://other.test\"")), other);
        assert_eq!(registry(&need("\"https://\\u001b[31m\"")), None);
    }

    #[test]
    fn features_without_a_name_ask_for_nothing() {
        let body = line("1.0.0", "").replace(
            "[]",
            "[{\"name\":\"a\",\"req\":\"1\",\"features\":[\"\",\"x\"]}]",
        );
        let found = releases(&name("demo"), body.as_bytes()).unwrap();
        assert_eq!(found[0].dependencies[0].features, [Arc::from("x")]);
    }

    #[test]
    fn what_cargo_cannot_read_is_left_out_and_what_it_can_is_not() {
        let target = |version: &str, target: &str| {
            let need = format!("[{{\"name\":\"a\",\"req\":\"1\",\"target\":\"{target}\"}}]");
            line(version, "").replace("[]", &need)
        };
        let body = [
            target("1.0.0", "cfg(target_thread_local)"),
            target("1.0.1", "cfg(target_object_format = \\\"elf\\\")"),
            target("1.0.2", "x86_64-unknown-linux-gnu"),
            line("1.0.3", ",\"rust_version\":\"1.70\""),
            line("1.0.4", ",\"rust_version\":\" 1.70.0\""),
            target("1.0.5", "cfg(unix)").replace("\"target\"", "\"kind\":\"later\",\"target\""),
            target("2.0.0", "cfg(unix"),
            target("2.0.1", "cfg(unix\\t)"),
            target("2.0.2", "not a triple"),
            line("2.0.3", ",\"rust_version\":\"odd\""),
            line("2.0.4", ",\"rust_version\":\"1.60.0-nightly\""),
            line("2.0.5", ",\"rust_version\":\"1.x\""),
            target(
                "2.0.6",
                &format!("cfg({}unix{})", "not(".repeat(9999), ")".repeat(9999)),
            ),
            line("2.0.7", "").replace("\"features\":{}", "\"features\":{\"a b\":[]}"),
            line("2.0.8", ",\"links\":\"z\\u001b[31m\""),
        ]
        .concat();
        let usable = ["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5"];
        assert_eq!(versions(&body), usable);
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
        assert_eq!(parse("\n\n<!DOCTYPE html>\n<p>Pay for Wi-Fi</p>\n"), page);
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
