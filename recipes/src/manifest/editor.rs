//! [`ManifestEditor`]: changes a manifest and keeps all that it does not change: comments, order,
//! spaces.
//!
//! What is written is TOML 1.0: a package is a string, or an inline table on one line with the
//! fields that differ from the default. Packages are never an array, because comments between the
//! items of an array belong to nothing. A removal cuts out the lines of the package and no other:
//! a comment on a line of its own stays.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Manifest, PackageRequest};
use crate::choice::Choice as _;
use crate::error::RecipeError;
use crate::name::{FeatureName, PackageName};
use crate::text;

/// What a new manifest looks like.
const FRESH: &str = "schema = 1\n\n[packages]\n";

/// Changes the text of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestEditor {
    document: DocumentMut,
    /// What the document says; kept in step.
    manifest: Manifest,
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
            (Some(item), Some(old)) => {
                change_fields(item, &old, request);
            }
            _ => {
                packages.insert(name.as_str(), Item::Value(package(request)));
                if let Some(Item::Value(Value::InlineTable(packages))) =
                    self.document.get_mut("packages")
                {
                    packages.fmt();
                }
            }
        }
    }

    /// Removes a package; returns whether it was there.
    pub fn remove(&mut self, name: &PackageName) -> bool {
        if self.manifest.packages.remove(name).is_none() {
            return false;
        }
        match self.document.get_mut("packages") {
            Some(Item::Value(Value::InlineTable(packages))) => {
                packages.remove(name.as_str());
                packages.fmt();
            }
            _ => self.cut(&["packages", name.as_str()]),
        }
        true
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
    fn cut(&mut self, path: &[&str]) {
        let mut text = self.document.to_string();
        for lines in lines(&text, path).into_iter().rev() {
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
    Value::InlineTable(InlineTable::from_iter(fields))
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
fn fields(request: &PackageRequest) -> [(&'static str, Option<Value>); 7] {
    let PackageRequest {
        requirement,
        features,
        default_features,
        policy,
        linkage,
        compiler,
        recipe,
    } = request;
    let default = PackageRequest::default();
    let version = text::requirement_text(requirement);
    let features_written = Array::from_iter(features.iter().map(FeatureName::as_str));
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
        (
            "policy",
            (*policy != default.policy).then(|| policy.as_str().into()),
        ),
        ("linkage", linkage.map(|linkage| linkage.as_str().into())),
        ("compiler", compiler.as_deref().map(Value::from)),
        ("recipe", recipe.as_deref().map(Value::from)),
    ]
}

/// Changes those fields of a package that change.
fn change_fields(item: &mut Item, old: &PackageRequest, new: &PackageRequest) {
    let table: &mut dyn TableLike = item
        .as_table_like_mut()
        .expect("a package that was read is a string or a table");
    for ((key, old), (_, new)) in fields(old).into_iter().zip(fields(new)) {
        if old.map(|value| value.to_string()) == new.as_ref().map(Value::to_string) {
            continue;
        }
        match (table.get_mut(key), new) {
            (Some(Item::Value(value)), Some(new)) => replace(value, new),
            (_, Some(new)) => {
                table.insert(key, Item::Value(new));
            }
            (_, None) => {
                table.remove(key);
            }
        }
    }
    if let Item::Value(Value::InlineTable(table)) = item {
        table.fmt();
    }
}

/// Replaces a value; spaces and the comment beside it stay.
fn replace(value: &mut Value, new: Value) {
    let decor = value.decor().clone();
    *value = new;
    *value.decor_mut() = decor;
}
