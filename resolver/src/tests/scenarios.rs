//! The files of `tests/scenarios`: small registries, questions, and what must come out.
//!
//! ```toml
//! [[scenario]]
//! name = "what it shows"
//! [scenario.registry]
//! "app 1.0.0" = { needs = ["a ^1 +x -default", "b? ^1", "build c ^1", "d=real ^1 for cfg(unix)"] }
//! "a 1.0.0" = { features = { x = [] }, links = "z", yanked = true, rust = "1.99", macro = true }
//! [[scenario.ask]]
//! app = "app@1"            # features = ["x"], default-features = false, snapshot, keep = ["a 1.0.0"]
//! gives = ["a 1.0.0 [x]", "app 1.0.0 []"]    # the variants, or
//! refuses = "a part of the message"
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use orlop_recipes::{PackageName, Version};
use serde::Deserialize;

use crate::memory::{MemoryIndex, MemoryRelease, Need, need, release};
use crate::resolution::Side;
use crate::{Request, ResolverVersion, resolve};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    registry: BTreeMap<String, Entry>,
    ask: Vec<Ask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[derive(Default)]
struct Entry {
    needs: Vec<String>,
    features: BTreeMap<String, Vec<String>>,
    links: Option<String>,
    yanked: bool,
    rust: Option<String>,
    published: Option<String>,
    r#macro: bool,
    script: bool,
    resolver: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ask {
    app: String,
    #[serde(default)]
    features: Vec<String>,
    default_features: Option<bool>,
    snapshot: Option<String>,
    #[serde(default)]
    keep: Vec<String>,
    gives: Option<Vec<String>>,
    refuses: Option<String>,
}

fn entry(title: &str, entry: &Entry) -> MemoryRelease {
    let needs = entry.needs.iter().map(|text| read_need(text));
    let mut made = release(title).needs(needs);
    for (name, values) in &entry.features {
        made = made.feature(name, values.iter().map(String::as_str));
    }
    if let Some(library) = &entry.links {
        made = made.links(library);
    }
    if let Some(rust) = &entry.rust {
        made = made.rust(rust);
    }
    if let Some(published) = &entry.published {
        made = made.published(published);
    }
    if entry.yanked {
        made = made.yanked();
    }
    if entry.r#macro {
        made = made.proc_macro();
    }
    if entry.script {
        made = made.script();
    }
    match entry.resolver {
        0 | 2 => made,
        1 => made.resolver(ResolverVersion::One),
        3 => made.resolver(ResolverVersion::Three),
        other => panic!("there is no resolver {other}"),
    }
}

fn read_need(text: &str) -> Need {
    let (text, target) = match text.split_once(" for ") {
        Some((text, target)) => (text, Some(target)),
        None => (text, None),
    };
    let (text, kind) = match text.split_once(' ') {
        Some((kind @ ("build" | "dev"), rest)) => (rest, kind),
        _ => (text, "normal"),
    };
    let (name, rest) = text.split_once(' ').expect("a need has a requirement");
    let (name, optional) = match name.strip_suffix('?') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (key, package) = name.split_once('=').unwrap_or((name, name));
    let is_requirement = |word: &&str| !word.starts_with(['+', '-']);
    let requirement: Vec<_> = rest.split(' ').filter(is_requirement).collect();
    let mut made = need(&format!("{package} {}", requirement.join(" ")));
    if key != package {
        made = made.named(key);
    }
    for word in rest.split(' ').filter(|word| !is_requirement(word)) {
        made = match word.strip_prefix('+') {
            Some(feature) => made.features([feature]),
            None => made.no_default(),
        };
    }
    if optional {
        made = made.optional();
    }
    if let Some(target) = target {
        made = made.target(target);
    }
    match kind {
        "build" => made.build(),
        "dev" => made.dev(),
        _ => made,
    }
}

fn request(index: &MemoryIndex, ask: &Ask) -> Request {
    let mut request = index.request(&ask.app);
    request.features = ask.features.iter().map(|f| f.parse().unwrap()).collect();
    request.default_features = ask.default_features.unwrap_or(true);
    if let Some(snapshot) = &ask.snapshot {
        request.snapshot = snapshot.parse().unwrap();
    }
    for kept in &ask.keep {
        let (name, version) = kept.split_once(' ').expect("a release is `NAME VERSION`");
        let name: PackageName = name.parse().unwrap();
        let version: Version = version.parse().unwrap();
        request.preferred.entry(name).or_default().push(version);
    }
    request
}

/// Says what comes out otherwise than expected.
fn check(index: &MemoryIndex, ask: &Ask) -> Result<(), String> {
    match (
        resolve(&request(index, ask), index),
        &ask.gives,
        &ask.refuses,
    ) {
        (Ok(resolution), Some(expected), None) => {
            let variants = resolution.graph.node_weights().map(|variant| {
                let features: Vec<&str> = variant.features.iter().map(AsRef::as_ref).collect();
                let side = match variant.side {
                    Side::Host => " host",
                    Side::Target => "",
                };
                let (name, version) = (&variant.name, &variant.version);
                format!("{name} {version}{side} [{}]", features.join(", "))
            });
            let mut found: Vec<String> = variants.collect();
            let mut expected = expected.clone();
            found.sort();
            expected.sort();
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?} instead of {expected:?}"))
            }
        }
        (Err(error), None, Some(expected)) => {
            let text = error.to_string();
            if text.contains(expected) && text.lines().count() <= 20 {
                Ok(())
            } else {
                Err(format!("{text}\ninstead of {expected}"))
            }
        }
        (Ok(_), ..) => Err("there is an answer".to_owned()),
        (Err(error), ..) => Err(error.to_string()),
    }
}

#[test]
fn every_scenario_comes_out_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in fs_err::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().display().to_string();
        let file: File = toml::from_str(&fs_err::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for scenario in file.scenario {
            let releases = scenario.registry.iter();
            let index = MemoryIndex::new(releases.map(|(title, one)| entry(title, one)));
            for ask in &scenario.ask {
                if let Err(found) = check(&index, ask) {
                    wrong.push(format!("{name}: {}: {}: {found}", scenario.name, ask.app));
                }
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 90, "only {count} questions were found");
}
