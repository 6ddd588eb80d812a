//! [`format()`]: the one way a recipe is laid out. Comments stay with what they stand at, strings
//! as they are written.
//!
//! | what | how |
//! |---|---|
//! | keys | in the order of [`order`]; free keys (`environment`, `share`, `patch`) as written |
//! | tables, also those of an array | one empty line before each |
//! | arrays | on one line where that is short, else one item a line |
//! | spaces | one around `=` and before a comment; one empty line at most |

use toml_edit::{Array, Decor, InlineTable, Item, RawString, Table, Value};

use crate::edit;
use crate::error::RecipeError;
use crate::recipe::Recipe;

/// The longest line that an array makes.
const WIDTH: usize = 100;

/// Lays a recipe out; `file_name` is for messages.
pub fn format(file_name: &str, text: &str) -> Result<String, RecipeError> {
    Recipe::parse(file_name, text)?;
    let mut document = edit::document(&text.replace("\r\n", "\n"));
    table("", document.as_table_mut());
    let trailing = comments(document.trailing().as_str().unwrap_or_default(), false);
    document.set_trailing(trailing);
    let mut text = document.to_string();
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(text)
}

/// Returns the keys of a table in the order in which they are written; nothing for one with free
/// keys.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn order(table: &str) -> &'static [&'static str] {
    match table {
        "" => &[
            "schema", "app", "crate", "library", "cdylib", "plugin", "compiler",
        ],
        "app" => &[
            "name",
            "crate",
            "version",
            "update",
            "summary",
            "license",
            "deprecated",
            "source",
            "features",
            "default-features",
            "policy",
            "binaries",
            "aliases",
            "plugins",
            "needs",
            "share-versions",
            "share",
            "test",
            "caveats",
            "patch",
        ],
        "crate" => &[
            "name",
            "versions",
            "native",
            "needs",
            "tools",
            "through",
            "unused-tools",
            "environment",
            "instead",
        ],
        "cdylib" => &[
            "name",
            "crate",
            "version",
            "features",
            "default-features",
            "headers",
            "pkg-config",
        ],
        "plugin" => &[
            "name",
            "host",
            "crate",
            "version",
            "source",
            "features",
            "default-features",
            "compiler",
        ],
        "compiler" => &["name", "version", "source"],
        "library" => &[
            "name",
            "version",
            "update",
            "source",
            "native",
            "needs",
            "tools",
            "environment",
            "patch",
            "build",
            "arguments",
            "script",
            "outputs",
            "test",
        ],
        "needs" => &["build", "run", "test"],
        "source" => &[
            "crate", "version", "url", "mirrors", "git", "rev", "path", "checksum", "sha256",
            "folder", "filter",
        ],
        "outputs" => &["doc", "man"],
        "filter" => &["include", "exclude"],
        _ => &[],
    }
}

/// Returns the place of a key in its table.
pub(crate) fn rank(table: &str, key: &str) -> usize {
    let order = order(table);
    order
        .iter()
        .position(|known| *known == key)
        .unwrap_or(order.len())
}

fn table(name: &str, table: &mut Table) {
    table.sort_values_by(|left, _, right, _| rank(name, left.get()).cmp(&rank(name, right.get())));
    let mut first = true;
    for (mut key, item) in table.iter_mut() {
        let key_name = key.get().to_owned();
        match item {
            Item::Value(value) => {
                entry(key.leaf_decor_mut(), &key_name, value, first);
                first = false;
            }
            Item::Table(inner) if inner.is_dotted() => {
                space(key.leaf_decor_mut(), first);
                first = false;
                self::table(&key_name, inner);
            }
            Item::Table(inner) => {
                head(inner, first);
                key.leaf_decor_mut().clear();
                self::table(&key_name, inner);
            }
            Item::ArrayOfTables(tables) => {
                for inner in tables.iter_mut() {
                    head(inner, false);
                    self::table(&key_name, inner);
                }
                key.leaf_decor_mut().clear();
            }
            Item::None => {}
        }
    }
}

/// Sets what stands around the head of a table.
fn head(table: &mut Table, first: bool) {
    let prefix = text(table.decor().prefix());
    let before = if first && table.position() == Some(0) {
        ""
    } else {
        "\n"
    };
    let prefix = format!("{before}{}", comments(prefix, true));
    let suffix = line_end(text(table.decor().suffix()));
    *table.decor_mut() = Decor::new(prefix, suffix);
}

/// Lays out one `key = value`.
fn entry(decor: &mut Decor, key: &str, value: &mut Value, first: bool) {
    space(decor, first);
    let suffix = line_end(text(value.decor().suffix()));
    value.decor_mut().clear();
    match value {
        _ if has_comment(value) => {}
        Value::Array(items) => array(key, items),
        Value::InlineTable(fields) => inline(key, fields),
        _ => {}
    }
    *value.decor_mut() = Decor::new(" ", suffix);
}

/// Sets what stands before and behind a key.
fn space(decor: &mut Decor, first: bool) {
    let prefix = comments(text(decor.prefix()), first);
    *decor = Decor::new(prefix, " ");
}

fn inline(name: &str, fields: &mut InlineTable) {
    fields.sort_values_by(|left, _, right, _| rank(name, left.get()).cmp(&rank(name, right.get())));
    fields.fmt();
    for (_, value) in fields.iter_mut() {
        if let Value::InlineTable(inner) = value {
            inner.fmt();
        }
    }
    fields.set_trailing_comma(false);
    fields.set_trailing("");
}

fn array(key: &str, items: &mut Array) {
    items.fmt();
    for item in items.iter_mut() {
        if let Value::InlineTable(fields) = item {
            inline(key, fields);
        }
    }
    items.set_trailing_comma(false);
    items.set_trailing("");
    if key.len() + items.to_string().trim().len() + " = ".len() <= WIDTH {
        return;
    }
    for item in items.iter_mut() {
        item.decor_mut().set_prefix("\n    ");
    }
    items.set_trailing_comma(true);
    items.set_trailing("\n");
}

fn text(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}

/// Whether a comment may be inside: those between items belong to nothing that could be moved.
fn has_comment(value: &Value) -> bool {
    value.to_string().contains('#')
}

/// The comment behind a value, if there is one.
fn line_end(suffix: &str) -> String {
    match suffix.trim() {
        "" => String::new(),
        comment => format!(" {comment}"),
    }
}

/// Whole lines of comments, with one empty line at most between them; without those at the start
/// where `first`.
fn comments(prefix: &str, first: bool) -> String {
    let mut tidy = String::new();
    let mut gap = false;
    // What follows the last line end stands on the line of the key.
    let Some((lines, _)) = prefix.rsplit_once('\n') else {
        return tidy;
    };
    for line in lines.split('\n').map(str::trim) {
        if line.is_empty() {
            gap = !(first && tidy.is_empty());
        } else {
            if std::mem::take(&mut gap) {
                tidy.push('\n');
            }
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    if gap {
        tidy.push('\n');
    }
    tidy
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::recipe::shipped;

    #[test]
    fn comments_stay_and_keys_move() {
        let text = "# head\n\nschema=1\n\n\n\n# the app\n[ app ]   # really\n\n  test = 'x --version'\n  \
                    # why\n\n  # this\n  binaries=[ \"x\" ,\n \"y\",]# two\nname   =   \"x\"\n\n\n\
                    source={path=\"../x\"}\n[app.share]\n\"x.1\" = {file=\"x.1\"}\n# end\n";
        assert_snapshot!(format("x.toml", text).unwrap(), @r#"
        # head

        schema = 1

        # the app
        [app] # really
        name = "x"

        source = { path = "../x" }
        # why

        # this
        binaries = ["x", "y"] # two

        test = 'x --version'

        [app.share]
        "x.1" = { file = "x.1" }
        # end
        "#);
    }

    #[test]
    fn arrays_of_tables_are_laid_out_too() {
        let text = "schema=1\n[compiler]\nversion=\"1.0.0\"\nname=\"x\"\n# one\n[[compiler.source]] # it\n\
                    sha256=\"SUM\"\n\n\nurl  = \"https://x\"\n[[compiler.source]]\n\
                    url = \"https://y\"\nsha256 = \"SUM\"\nmirrors=[\"https://z\",]\n";
        let sum = "a".repeat(64);
        let tidy = format("x.toml", &text.replace("SUM", &sum)).unwrap();
        assert_snapshot!(tidy.replace(&sum, "SUM"), @r#"
        schema = 1

        [compiler]
        name = "x"
        version = "1.0.0"

        # one
        [[compiler.source]] # it
        url = "https://x"
        sha256 = "SUM"

        [[compiler.source]]
        url = "https://y"
        mirrors = ["https://z"]
        sha256 = "SUM"
        "#);
        assert_eq!(format("x.toml", &tidy).unwrap(), tidy);
        let text = "schema = 1\n[compiler]\nname = \"x\"\nversion = \"1\"\nsource = [{sha256=\"SUM\",url=\"https://x\"}]\n";
        let tidy = format("x.toml", &text.replace("SUM", &sum)).unwrap();
        assert_snapshot!(tidy.replace(&sum, "SUM"), @r#"
        schema = 1

        [compiler]
        name = "x"
        version = "1"
        source = [
            { url = "https://x", sha256 = "SUM" },
        ]
        "#);
        assert_eq!(format("x.toml", &tidy).unwrap(), tidy);
    }

    #[test]
    fn long_arrays_are_broken() {
        let names: Vec<String> = (0..30).map(|number| format!("\"name{number}\"")).collect();
        let text = format!(
            "schema = 1\n[app]\nname = \"x\"\naliases = [{}]\n",
            names.join(",")
        );
        let tidy = format("x.toml", &text).unwrap();
        assert!(tidy.contains("aliases = [\n    \"name0\",\n"), "{tidy}");
        assert!(tidy.ends_with("    \"name29\",\n]\n"), "{tidy}");
        assert_eq!(format("x.toml", &tidy).unwrap(), tidy);
    }

    #[test]
    fn every_shipped_recipe_is_laid_out_and_means_the_same() {
        for (file, text) in shipped::FILES {
            let tidy = format(file, text).unwrap();
            assert_eq!(
                &tidy, text,
                "run `orlop recipe fmt recipes/packages/{file}`"
            );
            assert_eq!(
                Recipe::parse(file, &tidy).unwrap(),
                Recipe::parse(file, text).unwrap()
            );
        }
    }

    #[test]
    fn every_key_has_its_place() {
        for kind in ["app", "crate", "library"] {
            let text = format!(
                "schema = 1\n[{kind}]\nname = \"x\"\nversion = \"1\"\nzzzz = 1\nscript = \"x\"\nsource = {{ url = \"https://x\", sha256 = \"{}\" }}\n",
                "a".repeat(64)
            );
            let text = match kind {
                "library" => text,
                _ => format!("schema = 1\n[{kind}]\nname = \"x\"\nzzzz = 1\n"),
            };
            let error = Recipe::parse("x.toml", &text).unwrap_err();
            let crate::RecipeErrorKind::UnknownKey { expected, .. } = error.kind() else {
                panic!("{error}")
            };
            for key in expected {
                assert!(order(kind).contains(key), "{kind}: {key}");
            }
        }
    }
}
