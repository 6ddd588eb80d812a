//! Walks a TOML file and remembers where everything stands.
//!
//! A [`Table`] is emptied key by key; what is left at [`Table::finish`] has no meaning, and what
//! was asked for is what could have stood there. So no list of keys is written down twice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::choice::Choice;
use crate::error::{RecipeError, RecipeErrorKind, literal, reason, unknown_key};

/// The schema of manifests and recipes that is read and written.
pub(crate) const SCHEMA: i64 = 1;

/// No honest file is longer.
const LONGEST_FILE: usize = 1024 * 1024;

/// A text, and the name under which errors show it.
#[derive(Clone, Copy)]
struct Source<'t> {
    file: &'t str,
    text: &'t str,
}

impl Source<'_> {
    fn error(self, span: Range<usize>, kind: RecipeErrorKind) -> RecipeError {
        RecipeError::new(self.file, self.text, span, kind)
    }
}

/// What is read of a text, or what is wrong with it and where in it.
pub(crate) type Located<T> = Result<T, (Range<usize>, RecipeErrorKind)>;

/// A table of which keys are taken.
pub(crate) struct Table<'t> {
    source: Source<'t>,
    /// The tables around the keys, each with a `.` behind it.
    path: String,
    span: Range<usize>,
    entries: BTreeMap<Cow<'t, str>, Entry<'t>>,
    asked: Vec<&'static str>,
}

struct Entry<'t> {
    key_span: Range<usize>,
    span: Range<usize>,
    value: DeValue<'t>,
}

/// One value, with its key.
pub(crate) struct Value<'t> {
    source: Source<'t>,
    key: Cow<'t, str>,
    /// The key with the tables around it.
    path: String,
    entry: Entry<'t>,
}

/// Returns where the value of a key stands, behind the tables that it is in.
pub(crate) fn place(text: &str, table: &str, keys: &[&str]) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut value = root.get_ref().get(table)?;
    for key in keys {
        value = value.get_ref().get(*key)?;
    }
    Some(value.span())
}

impl<'t> Table<'t> {
    /// Reads a file that starts with `schema = 1`.
    pub(crate) fn read(file: &'t str, text: &'t str) -> Result<Self, RecipeError> {
        let source = Source { file, text };
        if text.len() > LONGEST_FILE {
            let kind = RecipeErrorKind::TooLong {
                bytes: text.len(),
                limit: LONGEST_FILE,
            };
            return Err(source.error(0..0, kind));
        }
        let root = DeTable::parse(text).map_err(|error| {
            let kind = RecipeErrorKind::Syntax {
                reason: reason(&error.message()),
            };
            source.error(error.span().unwrap_or(0..0), kind)
        })?;
        let mut table = Self::new(source, String::new(), 0..0, root.into_inner());
        let schema = table.required("schema", "schema = 1")?;
        let span = schema.entry.span.clone();
        match schema.integer()? {
            SCHEMA => Ok(table),
            found if found > SCHEMA => {
                Err(source.error(span, RecipeErrorKind::NewerSchema { found }))
            }
            found => Err(source.error(
                span,
                RecipeErrorKind::Text {
                    text: found.to_string(),
                    expected: "a schema",
                    reason: "the first one is 1".to_owned(),
                    help: Some("write `schema = 1`"),
                },
            )),
        }
    }

    fn new(source: Source<'t>, path: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let entry = Entry {
                key_span: key.span(),
                span: value.span(),
                value: value.into_inner(),
            };
            (key.into_inner(), entry)
        });
        Self {
            source,
            path,
            span,
            entries: entries.collect(),
            asked: Vec::new(),
        }
    }

    /// Takes a key out.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        let (key, entry) = self.entries.remove_entry(key)?;
        Some(self.value(key, entry))
    }

    /// Takes a key out that must be there; `example` is a line that would do.
    pub(crate) fn required(
        &mut self,
        key: &'static str,
        example: &'static str,
    ) -> Result<Value<'t>, RecipeError> {
        if let Some(value) = self.take(key) {
            return Ok(value);
        }
        // A misspelt key is the better explanation.
        let misspelt = |found: &&Cow<'t, str>| crate::closest(found, [key]).is_some();
        if let Some((found, entry)) = self.entries.iter().find(|(found, _)| misspelt(found)) {
            let kind = unknown_key(&self.path, found, vec![key]);
            return Err(self.source.error(entry.key_span.clone(), kind));
        }
        let kind = RecipeErrorKind::MissingKey {
            key: format!("{}{key}", self.path),
            example,
        };
        Err(self.error(kind))
    }

    /// Takes a text out and reads it with `parse`.
    pub(crate) fn text<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<Option<T>, RecipeError> {
        self.take(key).map(|value| value.text(parse)).transpose()
    }

    /// Takes an array of texts out and reads each with `parse`.
    pub(crate) fn texts<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<Vec<T>, RecipeError> {
        self.take(key)
            .map_or(Ok(Vec::new()), |value| value.texts(parse))
    }

    /// Takes one of several words out.
    pub(crate) fn choice<T: Choice>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, RecipeError> {
        self.text(key, |text| Ok(T::choose(text)?))
    }

    /// Takes a boolean out.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Result<Option<bool>, RecipeError> {
        self.take(key).map(Value::boolean).transpose()
    }

    /// Takes a table out.
    pub(crate) fn table(&mut self, key: &'static str) -> Result<Option<Self>, RecipeError> {
        self.take(key).map(Value::table).transpose()
    }

    /// Returns all values, where keys are free.
    pub(crate) fn into_values(mut self) -> impl Iterator<Item = Value<'t>> {
        let entries = std::mem::take(&mut self.entries);
        entries
            .into_iter()
            .map(move |(key, entry)| self.value(key, entry))
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), RecipeError> {
        let Some((key, entry)) = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.key_span.start)
        else {
            return Ok(());
        };
        let kind = unknown_key(&self.path, key, self.asked);
        Err(self.source.error(entry.key_span.clone(), kind))
    }

    /// Makes an error at the head of this table.
    pub(crate) fn error(&self, kind: RecipeErrorKind) -> RecipeError {
        self.source.error(self.span.clone(), kind)
    }

    fn value(&self, key: Cow<'t, str>, entry: Entry<'t>) -> Value<'t> {
        let path = format!("{}{}", self.path, literal(&key));
        Value {
            source: self.source,
            key,
            path,
            entry,
        }
    }
}

impl<'t> Value<'t> {
    /// Reads the key with `parse`.
    pub(crate) fn key<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<T, RecipeError> {
        parse(&self.key).map_err(|kind| self.source.error(self.entry.key_span.clone(), kind))
    }

    /// Whether this is a text.
    pub(crate) fn is_text(&self) -> bool {
        self.entry.value.is_str()
    }

    /// Whether this is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.entry.value.is_array()
    }

    /// Goes on if this is of the right type.
    pub(crate) fn expecting(
        self,
        expected: &'static str,
        is: impl FnOnce(&Self) -> bool,
    ) -> Result<Self, RecipeError> {
        if is(&self) {
            Ok(self)
        } else {
            Err(self.wrong_type(expected))
        }
    }

    /// Whether this is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.entry.value.is_table()
    }

    /// Reads a text with `parse`.
    pub(crate) fn text<T>(
        self,
        parse: impl FnOnce(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<T, RecipeError> {
        match &self.entry.value {
            DeValue::String(text) => parse(text).map_err(|kind| self.error(kind)),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// Reads a text with `parse`, which says where in it something is wrong.
    pub(crate) fn text_at<T>(
        self,
        parse: impl FnOnce(&str) -> Located<T>,
    ) -> Result<T, RecipeError> {
        match &self.entry.value {
            DeValue::String(text) => parse(text).map_err(|(place, kind)| {
                let place = self.place(text, &place).unwrap_or(self.entry.span.clone());
                self.source.error(place, kind)
            }),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// Returns where a part of a text stands in the file, if it is written in a simple way: on one
    /// line, and with escapes of one letter at most.
    fn place(&self, text: &str, part: &Range<usize>) -> Option<Range<usize>> {
        let span = &self.entry.span;
        let written = self.source.text.get(span.clone())?;
        let quote = written.chars().next()?;
        let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut places = Vec::new();
        let mut letters = inner.char_indices();
        while let Some((place, letter)) = letters.next() {
            let letter = match letter {
                '\\' if quote == '"' => letters.next()?.1,
                letter => letter,
            };
            places.extend(std::iter::repeat_n(place, letter.len_utf8()));
        }
        places.push(inner.len());
        if places.len() != text.len() + 1 {
            return None;
        }
        let place = |at: usize| Some(span.start + quote.len_utf8() + places.get(at)?);
        Some(place(part.start)?..place(part.end)?)
    }

    /// Reads a text or a date, as it is written, with `parse`.
    pub(crate) fn text_or_date<T>(
        self,
        parse: impl FnOnce(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<T, RecipeError> {
        match &self.entry.value {
            DeValue::Datetime(date) => parse(&date.to_string()).map_err(|kind| self.error(kind)),
            DeValue::String(_) => self.text(parse),
            _ => Err(self.wrong_type("a date or a time")),
        }
    }

    /// Reads an array of texts, each with `parse`.
    pub(crate) fn texts<T>(
        self,
        parse: impl Fn(&str) -> Result<T, RecipeErrorKind>,
    ) -> Result<Vec<T>, RecipeError> {
        let items = self.items("an array of strings")?;
        items.into_iter().map(|item| item.text(&parse)).collect()
    }

    /// Reads an array of tables that is not empty.
    pub(crate) fn tables(self) -> Result<Vec<Table<'t>>, RecipeError> {
        const EXPECTED: &str = "an array of one table or more";
        let empty = self.error(RecipeErrorKind::WrongType {
            key: self.path.clone(),
            expected: EXPECTED,
            found: "an empty array",
        });
        let items = self.items(EXPECTED)?;
        if items.is_empty() {
            return Err(empty);
        }
        items.into_iter().map(Value::table).collect()
    }

    /// Takes an array apart.
    fn items(self, expected: &'static str) -> Result<Vec<Self>, RecipeError> {
        let Entry {
            key_span,
            value: DeValue::Array(items),
            ..
        } = self.entry
        else {
            return Err(self.wrong_type(expected));
        };
        let item = |(number, item): (usize, Spanned<DeValue<'t>>)| Value {
            source: self.source,
            key: self.key.clone(),
            path: format!("{}[{number}]", self.path),
            entry: Entry {
                key_span: key_span.clone(),
                span: item.span(),
                value: item.into_inner(),
            },
        };
        Ok(items.into_iter().enumerate().map(item).collect())
    }

    /// Reads a boolean.
    pub(crate) fn boolean(self) -> Result<bool, RecipeError> {
        self.entry
            .value
            .as_bool()
            .ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    /// Reads an integer.
    pub(crate) fn integer(self) -> Result<i64, RecipeError> {
        self.entry
            .value
            .as_integer()
            .and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok())
            .ok_or_else(|| self.wrong_type("an integer"))
    }

    /// Reads a table.
    pub(crate) fn table(self) -> Result<Table<'t>, RecipeError> {
        match self.entry.value {
            DeValue::Table(table) => Ok(Table::new(
                self.source,
                format!("{}.", self.path),
                self.entry.span,
                table,
            )),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// Makes the error for a value of the wrong type.
    pub(crate) fn wrong_type(&self, expected: &'static str) -> RecipeError {
        let found = match &self.entry.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or a time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(RecipeErrorKind::WrongType {
            key: self.path.clone(),
            expected,
            found,
        })
    }

    /// Makes an error at this value.
    pub(crate) fn error(&self, kind: RecipeErrorKind) -> RecipeError {
        self.source.error(self.entry.span.clone(), kind)
    }

    /// Makes an error at this value's key.
    pub(crate) fn key_error(&self, kind: RecipeErrorKind) -> RecipeError {
        self.source.error(self.entry.key_span.clone(), kind)
    }
}
