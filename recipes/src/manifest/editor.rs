//! [`ManifestEditor`]: changes a manifest and keeps all that it does not change: comments, order,
//! spaces.
//!
//! What is written is TOML 1.0: a package is a string, or an inline table on one line with the
//! fields that differ from the default. Packages are never an array, because comments between the
//! items of an array belong to nothing. A removal cuts out the lines of the package and no other:
//! a comment on a line of its own stays. Only an inline table over several lines, which TOML 1.0
//! does not know, is put on one line when something in it changes.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Manifest, PackageRequest};
use crate::choice::Choice as _;
use crate::edit::replace;
use crate::error::RecipeError;
use crate::name::{FeatureName, PackageName};
use crate::recipe::CrateSource;
use crate::text;

/// What a new manifest looks like.
const FRESH: &str = "schema = 1\n\n[packages]\n";

/// Changes the text of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestEditor {
    pub(super) document: DocumentMut,
    /// What the document says; kept in step.
    pub(super) manifest: Manifest,
    frame: Frame,
}

/// What the document does not keep of its text.
#[derive(Debug, Clone, Copy)]
struct Frame {
    byte_order_mark: bool,
    /// Whether lines end in `\r\n`.
    carriage_returns: bool,
    /// Whether the last line ends at all.
    complete: bool,
}

impl ManifestEditor {
    /// Starts with a text; `file_name` is for messages. A text without any key becomes a new
    /// manifest.
    pub fn new(file_name: &str, text: &str) -> Result<Self, RecipeError> {
        let fresh = started(text);
        let text = fresh.as_deref().unwrap_or(text);
        let manifest = Manifest::parse(file_name, text)?;
        let (frame, text) = Frame::take_off(text);
        Ok(Self {
            document: parse(&text),
            manifest,
            frame,
        })
    }

    /// Returns what the text says as it stands.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Adds a package, or changes what is asked of it.
    pub fn set(&mut self, name: &PackageName, request: &PackageRequest) {
        let old = self.manifest.packages.insert(name.clone(), request.clone());
        if old.as_ref() == Some(request) {
            return;
        }
        let mut gone = Vec::new();
        let packages = self
            .document
            .entry("packages")
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .expect("a manifest that was read has a table of packages");
        match (packages.get_mut(name.as_str()), old) {
            (Some(Item::Value(value)), _) if !value.is_inline_table() || is_plain(request) => {
                replace(value, package(request));
            }
            (Some(item), Some(old)) => gone = change_fields(item, &old, request),
            _ => {
                packages.insert(name.as_str(), Item::Value(package(request)));
                if let Some(Item::Value(Value::InlineTable(packages))) =
                    self.document.get_mut("packages")
                {
                    on_one_line(packages);
                }
            }
        }
        for field in gone {
            self.cut(&["packages", name.as_str(), field]);
        }
    }

    /// Removes a package; returns whether it was there.
    pub fn remove(&mut self, name: &PackageName) -> bool {
        if self.manifest.packages.remove(name).is_none() {
            return false;
        }
        self.take("packages", name);
        true
    }

    /// Adds the file of a recipe for a crate or a native library, or changes it.
    pub fn set_recipe(&mut self, name: &PackageName, path: &str) {
        let old = self.manifest.recipes.insert(name.clone(), path.to_owned());
        if old.as_deref() == Some(path) {
            return;
        }
        let recipes = self
            .document
            .entry("recipes")
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .expect("a manifest that was read has a table of recipes");
        match recipes.get_mut(name.as_str()) {
            Some(Item::Value(value)) => replace(value, path.into()),
            _ => {
                recipes.insert(name.as_str(), Item::Value(path.into()));
            }
        }
    }

    /// Removes the file of a recipe; returns whether it was there.
    pub fn remove_recipe(&mut self, name: &PackageName) -> bool {
        if self.manifest.recipes.remove(name).is_none() {
            return false;
        }
        self.take("recipes", name);
        self.cut_empty("recipes");
        true
    }

    /// Takes a key out of a table at the top.
    pub(super) fn take(&mut self, table: &str, name: &PackageName) {
        match self.document.get_mut(table) {
            Some(Item::Value(Value::InlineTable(rest))) => {
                rest.remove(name.as_str());
                on_one_line(rest);
            }
            _ => self.cut(&[table, name.as_str()]),
        }
    }

    /// Changes the path of every recipe, for a manifest that moves to another folder.
    pub fn move_recipes(&mut self, moved: &dyn Fn(&str) -> String) {
        let manifest = self.manifest.clone();
        for (name, mut request) in manifest.packages {
            if let Some(path) = &mut request.recipe {
                *path = moved(path);
                self.set(&name, &request);
            }
        }
        for (name, path) in manifest.recipes {
            self.set_recipe(&name, &moved(&path));
        }
        for (name, source) in manifest.recipe_sources {
            if let CrateSource::Path { path } = &source {
                let path = moved(path);
                self.set_recipe_source(&name, &CrateSource::Path { path });
            }
        }
    }

    /// Sets or removes the snapshot.
    pub fn set_snapshot(&mut self, snapshot: Option<Timestamp>) {
        if self.manifest.snapshot == snapshot {
            return;
        }
        self.manifest.snapshot = snapshot;
        let Some(snapshot) = snapshot else {
            return self.cut(&["snapshot"]);
        };
        let value = Value::from(text::snapshot_text(snapshot));
        match self.document.get_mut("snapshot") {
            Some(Item::Value(old)) => replace(old, value),
            _ => {
                self.document.insert("snapshot", Item::Value(value));
            }
        }
    }

    /// Cuts out the lines of one item, with the comments that stand on the same lines.
    pub(super) fn cut(&mut self, path: &[&str]) {
        let mut text = self.document.to_string();
        for lines in lines(&text, path).into_iter().rev() {
            text.replace_range(lines, "");
        }
        self.document = parse(&text);
    }

    /// Cuts out a table at the top that has no key any more, with the empty line before it. One with
    /// a comment right below its head is not empty for who wrote that: the table stays.
    pub(super) fn cut_empty(&mut self, table: &str) {
        let item = self.document.get(table).and_then(Item::as_table_like);
        if !item.is_some_and(TableLike::is_empty) {
            return;
        }
        let mut text = self.document.to_string();
        for mut lines in lines(&text, &[table]) {
            let is_comment = |line: &str| line.trim_start().starts_with('#');
            if text[lines.end..].lines().next().is_some_and(is_comment) {
                return;
            }
            if text[..lines.start].ends_with("\n\n") {
                lines.start -= 1;
            }
            text.replace_range(lines, "");
        }
        self.document = parse(&text);
    }
}

impl fmt::Display for ManifestEditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.frame.put_on(&self.document.to_string()))
    }
}

impl Frame {
    const BYTE_ORDER_MARK: char = '\u{feff}';

    fn take_off(text: &str) -> (Self, String) {
        let inner = text.strip_prefix(Self::BYTE_ORDER_MARK);
        let frame = Self {
            byte_order_mark: inner.is_some(),
            carriage_returns: text.contains("\r\n"),
            complete: text.ends_with('\n'),
        };
        (frame, inner.unwrap_or(text).replace("\r\n", "\n"))
    }

    fn put_on(self, text: &str) -> String {
        let text = if self.complete {
            text
        } else {
            text.strip_suffix('\n').unwrap_or(text)
        };
        let mut framed = String::from_iter(self.byte_order_mark.then_some(Self::BYTE_ORDER_MARK));
        if self.carriage_returns {
            framed.push_str(&text.replace('\n', "\r\n"));
        } else {
            framed.push_str(text);
        }
        framed
    }
}

/// Returns a text without any key with the start of a manifest behind its comments.
fn started(text: &str) -> Option<String> {
    let comments = text.trim();
    if !comments
        .lines()
        .all(|line| line.trim().is_empty() || line.trim().starts_with('#'))
    {
        return None;
    }
    let gap = if comments.is_empty() { "" } else { "\n\n" };
    Some(format!("{comments}{gap}{FRESH}"))
}

fn parse(text: &str) -> DocumentMut {
    text.parse()
        .expect("the text of a manifest that was read is TOML")
}

/// Returns the ranges of the whole lines on which an item stands, in order.
fn lines(text: &str, path: &[&str]) -> Vec<Range<usize>> {
    let document = Document::parse(text).expect("what a document writes is TOML");
    let mut item = Some(document.as_item());
    for key in path {
        item = item.and_then(|item| item.get(key));
    }
    let mut spans = Vec::new();
    match item {
        Some(Item::Value(value)) => spans.extend(value.span()),
        Some(Item::Table(table)) => {
            // A table made by dotted keys has no head.
            spans.extend(table.span().filter(|_| !table.is_dotted()));
            spans.extend(
                table
                    .get_values()
                    .iter()
                    .filter_map(|(_, value)| value.span()),
            );
        }
        _ => {}
    }
    spans.sort_by_key(|span| span.start);
    let start = |span: &Range<usize>| text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let end = |span: &Range<usize>| {
        text[span.end..]
            .find('\n')
            .map_or(text.len(), |end| span.end + end + 1)
    };
    spans.iter().map(|span| start(span)..end(span)).collect()
}

/// Writes a request: as a string if that says it all, else as a table on one line.
fn package(request: &PackageRequest) -> Value {
    if is_plain(request) {
        return text::requirement_text(&request.requirement).into();
    }
    let fields = fields(request)
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    Value::InlineTable(fields.collect())
}

fn is_plain(request: &PackageRequest) -> bool {
    let requirement = request.requirement.clone();
    *request
        == PackageRequest {
            requirement,
            ..PackageRequest::default()
        }
}

/// Writes each field that differs from the default.
fn fields(request: &PackageRequest) -> [(&'static str, Option<Value>); 9] {
    let PackageRequest {
        requirement,
        features,
        default_features,
        policy,
        linkage,
        codegen,
        compiler,
        natives,
        recipe,
    } = request;
    let default = PackageRequest::default();
    let version = text::requirement_text(requirement);
    let natives_written: Array = natives.iter().map(PackageName::as_str).collect();
    let features_written: Array = features.iter().map(FeatureName::as_str).collect();
    [
        (
            "version",
            (*requirement != default.requirement).then(|| version.into()),
        ),
        (
            "features",
            (!features.is_empty()).then(|| features_written.into()),
        ),
        (
            "default-features",
            (!default_features).then(|| false.into()),
        ),
        ("policy", policy.map(|policy| policy.as_str().into())),
        ("linkage", linkage.map(|linkage| linkage.as_str().into())),
        (
            "codegen",
            (*codegen != default.codegen).then(|| codegen.as_str().into()),
        ),
        ("compiler", compiler.as_deref().map(Value::from)),
        (
            "natives",
            (!natives.is_empty()).then(|| natives_written.into()),
        ),
        ("recipe", recipe.as_deref().map(Value::from)),
    ]
}

/// Changes those fields of a package that change. Returns the keys of fields whose lines must
/// still be cut out.
fn change_fields(item: &mut Item, old: &PackageRequest, new: &PackageRequest) -> Vec<&'static str> {
    let mut new_fields = fields(new);
    if *new == PackageRequest::default() {
        // Dotted keys need at least one.
        new_fields[0].1 = Some(text::requirement_text(&new.requirement).into());
    }
    let mut gone = Vec::new();
    for ((key, old), (_, new)) in fields(old).into_iter().zip(new_fields) {
        if old.map(|value| value.to_string()) == new.as_ref().map(Value::to_string) {
            continue;
        }
        match (&mut item[key], new) {
            (Item::Value(value), Some(new)) => replace(value, new),
            (field, Some(new)) => *field = Item::Value(new),
            (_, None) => gone.push(key),
        }
    }
    if let Item::Value(Value::InlineTable(table)) = item {
        for key in gone.drain(..) {
            table.remove(key);
        }
        on_one_line(table);
    }
    gone
}

fn on_one_line(table: &mut InlineTable) {
    table.fmt();
    table.set_trailing("");
    table.set_trailing_comma(false);
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::{AppSpec, CodegenChoice, LinkageChoice, Policy};

    const COMMENTED: &str = r#"# What I use.
schema = 1 # the first

# Search.
[packages] # all of them
# finds text
ripgrep   =   "14"   # not 15 yet
fd-find = { version = "10",   features = ["x"] } # finds files

# bat = "0.26"
# The end.
"#;

    /// Texts in every way in which TOML writes a table of packages.
    const SHAPES: [&str; 13] = [
        "schema = 1\n",
        "schema = 1\n\n# first\n[packages.a]\n# what\nversion = \"1\"\n\n# last\n",
        "schema = 1\n[packages]\na = {\n  version = \"1\", # why\n}\n",
        "schema = 1\npackages = {\n  # what\n  a = \"1\", # why\n}\n",
        FRESH,
        COMMENTED,
        "schema = 1\npackages.a = \"1\"\n# end\n",
        "schema = 1\npackages = { a = \"1\", b = \"2\" }\n",
        "schema = 1\n\n[packages]\na.version = \"1\"\na.policy = \"locked\"\n\n[packages.b]\n",
        "schema = 1\r\n\r\n[packages]\r\na = \"1\"\r\n",
        "schema = 1\n[packages]\na = \"1\"",
        "\u{feff}schema = 1\n[packages]\n",
        "schema = 1\n[packages]\n  a = \"1\"\n\n  # b\n  b = \"1\"\n",
    ];

    /// The first shapes do not stay what they were: two get the head of a table, two come on one
    /// line.
    const CHANGED: usize = 4;

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    fn plain(requirement: &str) -> PackageRequest {
        format!("x@{requirement}")
            .parse::<AppSpec>()
            .unwrap()
            .into()
    }

    #[track_caller]
    fn edited(text: &str, edit: impl FnOnce(&mut ManifestEditor)) -> String {
        let mut editor = ManifestEditor::new("orlop.toml", text).unwrap();
        edit(&mut editor);
        let text = editor.to_string();
        let read = Manifest::parse("orlop.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(&read, editor.manifest(), "{text}");
        text
    }

    #[test]
    fn a_new_manifest() {
        let text = edited("", |editor| {
            editor.set(&name("ripgrep"), &plain("15"));
            editor.set(&name("bat"), &plain("latest"));
        });
        assert_snapshot!(text, @r#"
        schema = 1

        [packages]
        ripgrep = "15"
        bat = "*"
        "#);
        assert_eq!(edited("\n# mine\n", |_| {}), format!("# mine\n\n{FRESH}"));
    }

    #[test]
    fn recipes_are_added_changed_and_moved() {
        let text = edited(COMMENTED, |editor| {
            editor.set_recipe(&name("zlib"), "./zlib.toml");
            editor.set_recipe(&name("libz-sys"), "./old.toml");
            editor.set_recipe(&name("libz-sys"), "./libz-sys.toml");
            let request = PackageRequest {
                recipe: Some("./kit.toml".to_owned()),
                ..PackageRequest::default()
            };
            editor.set(&name("kit"), &request);
            editor.move_recipes(&|path| path.replace("./", "/home/me/"));
        });
        let added = text
            .strip_prefix(COMMENTED.split_once("\n# bat").unwrap().0)
            .unwrap();
        assert_snapshot!(added, @r#"
        kit = { recipe = "/home/me/kit.toml" }

        [recipes]
        zlib = "/home/me/zlib.toml"
        libz-sys = "/home/me/libz-sys.toml"

        # bat = "0.26"
        # The end.
        "#);
    }

    #[test]
    fn all_fields_on_one_line() {
        let request = PackageRequest {
            features: vec!["x".parse().unwrap(), "y".parse().unwrap()],
            default_features: false,
            policy: Some(Policy::Locked),
            linkage: Some(LinkageChoice::Crate),
            compiler: Some("1.95.0".to_owned()),
            recipe: Some("./it's.toml".to_owned()),
            ..plain(">=1, <3")
        };
        assert_snapshot!(edited("", |editor| editor.set(&name("a"), &request)), @r#"
        schema = 1

        [packages]
        a = { version = ">=1, <3", features = ["x", "y"], default-features = false, policy = "locked", linkage = "crate", compiler = "1.95.0", recipe = "./it's.toml" }
        "#);
    }

    #[test]
    fn changes_keep_comments_order_and_spaces() {
        let text = edited(COMMENTED, |editor| {
            editor.set(&name("ripgrep"), &plain("15"));
            editor.set(&name("hexyl"), &plain("0.16"));
            let linkage = Some(LinkageChoice::Static);
            editor.set(
                &name("fd-find"),
                &PackageRequest {
                    linkage,
                    ..plain("11")
                },
            );
            editor.set_snapshot(Some("2026-11-22T23:59:59Z".parse().unwrap()));
        });
        assert_snapshot!(text, @r#"
        # What I use.
        schema = 1 # the first
        snapshot = "2026-11-22"

        # Search.
        [packages] # all of them
        # finds text
        ripgrep   =   "15"   # not 15 yet
        fd-find = { version = "11", linkage = "static" } # finds files
        hexyl = "0.16"

        # bat = "0.26"
        # The end.
        "#);
    }

    #[test]
    fn removal_keeps_all_other_lines() {
        let text = edited(COMMENTED, |editor| {
            assert!(editor.remove(&name("ripgrep")));
            assert!(!editor.remove(&name("ripgrep")));
        });
        let rest: Vec<&str> = COMMENTED
            .lines()
            .filter(|line| !line.starts_with("ripgrep"))
            .collect();
        assert_eq!(text, rest.join("\n") + "\n");
    }

    #[test]
    fn every_shape_can_be_emptied_and_filled() {
        for text in SHAPES {
            let comments = |text: &str| text.matches("\n#").count();
            let emptied = edited(text, |editor| {
                for package in editor.manifest().clone().packages.keys() {
                    assert!(editor.remove(package));
                }
            });
            assert_eq!(comments(&emptied), comments(text), "{emptied}");
            edited(&emptied, |editor| editor.set(&name("a"), &plain("1")));
        }
    }

    #[test]
    fn a_recipe_can_be_removed_whatever_its_shape() {
        for text in [
            "schema = 1\n\n[recipes] # mine\na = \"a.toml\" # a\nb = \"b.toml\"\n",
            "schema = 1\nrecipes = { a = \"a.toml\", b = \"b.toml\" }\n",
            "schema = 1\nrecipes.a = \"a.toml\"\nrecipes.b = \"b.toml\"\n",
        ] {
            let rest = edited(text, |editor| {
                assert!(editor.remove_recipe(&name("a")));
                assert!(!editor.remove_recipe(&name("a")));
            });
            assert!(
                !rest.contains("a.toml") && rest.contains("b.toml"),
                "{rest}"
            );
        }
    }

    #[test]
    fn every_shape_can_be_changed() {
        let rich = PackageRequest {
            default_features: false,
            ..plain("7")
        };
        for text in SHAPES {
            for request in [&rich, &plain("8"), &plain("*")] {
                let comments = |text: &str| text.matches("\n#").count();
                let before = comments(text);
                let text = edited(text, |editor| editor.set(&name("a"), request));
                assert_eq!(comments(&text), before, "{text}");
                edited(&text, |editor| editor.set(&name("a"), &plain("9")));
            }
        }
    }

    #[test]
    fn a_snapshot_can_be_set_and_removed() {
        for text in SHAPES {
            let point = "2026-11-22T08:00:00Z".parse().unwrap();
            let with = edited(text, |editor| editor.set_snapshot(Some(point)));
            assert!(
                with.contains("snapshot = \"2026-11-22T08:00:00Z\""),
                "{with}"
            );
            assert_eq!(edited(&with, |editor| editor.set_snapshot(None)), text);
        }
    }

    #[test]
    fn nothing_changes_where_nothing_is_new() {
        for text in SHAPES {
            let same = edited(text, |editor| {
                for (package, request) in editor.manifest().clone().packages {
                    editor.set(&package, &request);
                }
            });
            assert_eq!(same, text);
        }
    }

    fn requests() -> impl Strategy<Value = PackageRequest> {
        (
            prop::sample::select(vec!["*", "1", "=1.2.3", ">=1, <3", "0.1.0-rc.1"]),
            prop::collection::vec("[a-z][a-z0-9-]{0,5}", 0..3),
            any::<bool>(),
            prop::sample::select(vec![None, Some(Policy::Locked), Some(Policy::Shared)]),
            prop::option::of(Just(LinkageChoice::Static)),
            prop::sample::select(vec![CodegenChoice::Shared, CodegenChoice::App]),
            prop::option::of("[0-9a-z.-]{1,8}"),
            prop::collection::btree_set("[a-z][a-z0-9-]{0,5}", 0..3),
            prop::option::of("[ -~äß]{0,8}\\.toml"),
        )
            .prop_map(
                |(
                    requirement,
                    features,
                    default_features,
                    policy,
                    linkage,
                    codegen,
                    compiler,
                    natives,
                    recipe,
                )| {
                    PackageRequest {
                        features: features.iter().map(|name| name.parse().unwrap()).collect(),
                        default_features,
                        policy,
                        linkage,
                        codegen,
                        compiler,
                        natives: natives.iter().map(|name| name.parse().unwrap()).collect(),
                        recipe: recipe.filter(|path| !path.contains("://")),
                        ..plain(requirement)
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn adding_then_removing_changes_no_byte(
            text in prop::sample::select(SHAPES[CHANGED..].to_vec()),
            package in "new-[a-z0-9_-]{0,8}",
            request in requests(),
        ) {
            let with = edited(text, |editor| editor.set(&name(&package), &request));
            prop_assert_ne!(&with, text);
            let without = edited(&with, |editor| assert!(editor.remove(&name(&package))));
            prop_assert_eq!(without, text);
        }

        #[test]
        fn any_edits_are_read_back(
            text in prop::sample::select(SHAPES.to_vec()),
            edits in prop::collection::vec(("[a-d]", prop::option::of(requests())), 0..6),
        ) {
            // `edited` compares what is read with what was asked.
            edited(text, |editor| {
                for (package, request) in edits {
                    match request {
                        Some(request) => editor.set(&name(&package), &request),
                        None => {
                            editor.remove(&name(&package));
                        }
                    }
                }
            });
        }
    }
}
