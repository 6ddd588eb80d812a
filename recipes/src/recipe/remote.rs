//! What a recipe from another machine may not name: folders and repositories of this one. It could
//! make anything of the user's files the source of a package, and it would be another one on every
//! machine. All other files that recipes name are inside what a digest or a commit stands for, and
//! the reader lets no name lead out of that.

use super::{CrateSource, Recipe};
use crate::choice::Choice as _;
use crate::error::{RecipeError, RecipeErrorKind, literal};

/// Makes sure that a recipe, which was read, names nothing of this machine.
pub(super) fn check(file: &str, text: &str, recipe: &Recipe) -> Result<(), RecipeError> {
    for (keys, source) in sources(recipe) {
        if !source.is_here() {
            continue;
        }
        let (key, what, place) = match source {
            CrateSource::Path { path } => ("path", "folder", path),
            CrateSource::Git { git, .. } => ("git", "repository", git),
        };
        let kind = RecipeErrorKind::Here {
            what,
            place: literal(&place),
        };
        let keys: Vec<_> = keys.iter().map(String::as_str).chain([key]).collect();
        let span = crate::reader::place(text, recipe.kind().as_str(), &keys);
        return Err(RecipeError::new(file, text, span.unwrap_or(0..0), kind));
    }
    Ok(())
}

/// The sources that a recipe names, with the keys in its table that lead to them.
fn sources(recipe: &Recipe) -> Vec<(Vec<String>, CrateSource)> {
    let own = || vec!["source".to_owned()];
    match recipe {
        Recipe::App(app) => {
            let source = app.source.iter().map(|source| (own(), source.clone()));
            let patches = app.patch.iter().map(|(name, source)| {
                let keys = vec!["patch".to_owned(), name.to_string()];
                (keys, source.clone())
            });
            source.chain(patches).collect()
        }
        Recipe::Plugin(plugin) => {
            let source = plugin.source.iter();
            source.map(|source| (own(), source.clone())).collect()
        }
        Recipe::Library(library) => {
            let source = library.source.unpacked();
            source
                .map(|(source, _)| (own(), source))
                .into_iter()
                .collect()
        }
        Recipe::Crate(_) | Recipe::Cdylib(_) | Recipe::Compiler(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::error::rendered;

    const COMMIT: &str = "rev = \"0123456789abcdef0123456789abcdef01234567\"";

    #[test]
    fn nothing_of_this_machine_is_named() {
        let far = format!("{{ git = \"https://x.y/z\", {COMMIT} }}");
        let near = format!("{{ git = \"file:///home/me/z\", {COMMIT} }}");
        let folder = "{ path = \"../z\" }";
        let library = |source: &str| {
            format!(
                "[library]\nname = \"x\"\nversion = \"1\"\nbuild = \"make\"\nsource = {source}\n"
            )
        };
        let app = |source: &str| format!("[app]\nname = \"x\"\nsource = {source}\n");
        let plugin =
            |source: &str| format!("[plugin]\nname = \"x\"\nhost = \"h\"\nsource = {source}\n");
        let patch =
            |source: &str| format!("[app]\nname = \"x\"\n[app.patch]\ny = {far}\nz = {source}\n");
        for recipe in [&library as &dyn Fn(&str) -> String, &app, &plugin, &patch] {
            for (source, is_far) in [(far.as_str(), true), (&near, false), (folder, false)] {
                let text = format!("schema = 1\n{}", recipe(source));
                assert!(Recipe::parse("x.toml", &text).is_ok(), "{text}");
                match Recipe::parse_remote("x.toml", &text) {
                    Ok(_) => assert!(is_far, "{text}"),
                    Err(error) => {
                        assert!(!is_far, "{text}");
                        assert!(source.contains(&text[error.span()]), "{error}");
                    }
                }
            }
        }
        let text = format!("schema = 1\n{}", patch(folder));
        assert_snapshot!(rendered(&Recipe::parse_remote("x.toml", &text).unwrap_err()), @r#"
         × read `x.toml`: `../z` is a folder of this machine, and the recipe comes from another one
          ╭─[x.toml:6:14]
        5 │ y = { git = "https://x.y/z", rev = "0123456789abcdef0123456789abcdef01234567" }
        6 │ z = { path = "../z" }
          ·              ───┬──
          ·                 ╰── not for this recipe
          ╰────
         help: its author names what everybody can have: `{ git = "https://…", rev = "…" }`
        "#);
    }

    /// Recipes that name a file or a folder, which stands as `NAME`, and a name that is fine.
    fn naming() -> Vec<(String, &'static str)> {
        let sum = "01".repeat(32);
        let commit = format!("git = \"https://x.y/z\", {COMMIT}");
        let archive = format!("url = \"https://x.y/z\", sha256 = \"{sum}\"");
        let package = format!("crate = \"z\", version = \"1.0.0\", checksum = \"{sum}\"");
        let app = "[app]\nname = \"x\"";
        let library = "[library]\nname = \"x\"\nversion = \"1\"\nbuild = \"make\"";
        let cdylib = "[cdylib]\nname = \"x\"\nversion = \"1.0.0\"";
        let compiler = "[compiler]\nname = \"x\"\nversion = \"1\"";
        let files = [
            (app, "share = { \"x.1\" = { file = \"NAME\" } }", "doc/x.1"),
            (app, "share = { \"NAME\" = { file = \"x.1\" } }", "doc/x.1"),
            (app, "share = { \"NAME\" = { run = \"x\" } }", "doc/x.1"),
            (app, "binaries = [\"NAME\"]", "x"),
            (cdylib, "headers = { \"NAME\" = \"x.h\" }", "a/x.h"),
            (cdylib, "headers = { \"x.h\" = \"NAME\" }", "a/x.h"),
            (cdylib, "pkg-config = \"NAME\"", "x-1.0"),
        ];
        let files = files.map(|(head, line, good)| (format!("{head}\n{line}\n"), good));
        let folder = |source: &str| format!("{{ {source}, folder = \"NAME\" }}");
        let folders = [
            format!("{app}\nsource = {}\n", folder(&commit)),
            format!("{app}\npatch = {{ y = {} }}\n", folder(&commit)),
            format!("{library}\nsource = {}\n", folder(&commit)),
            format!("{library}\nsource = {}\n", folder(&archive)),
            format!("{library}\nsource = {}\n", folder(&package)),
            format!("{library}\nsource = {}\n", folder("path = \"z\"")),
            format!("{compiler}\nsource = [{}]\n", folder(&archive)),
        ];
        let folders = folders.map(|recipe| (recipe, "a/b"));
        files.into_iter().chain(folders).collect()
    }

    #[test]
    fn no_name_leads_out_of_where_it_belongs() {
        for (recipe, good) in naming() {
            let parse = |name: &str| {
                let recipe = recipe.replace("NAME", name);
                Recipe::parse("x.toml", &format!("schema = 1\n{recipe}"))
            };
            if let Err(error) = parse(good) {
                panic!("{}", rendered(&error));
            }
            for bad in [
                "..",
                "../x",
                "a/../../x",
                "a/..",
                "/x",
                "/etc/x.1",
                "",
                ".",
                "./x",
                "a//b",
            ] {
                assert!(parse(bad).is_err(), "{bad}: {recipe}");
            }
        }
    }
}
