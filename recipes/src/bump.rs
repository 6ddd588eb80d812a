//! [`bump()`]: moves a recipe to a newer version. Only the values that change are touched.

use semver::{Comparator, Op};
use toml_edit::{DocumentMut, Item};

use crate::choice::Choice as _;
use crate::edit;
use crate::error::RecipeError;
use crate::recipe::{AppRecipe, CrateSource, LibraryRecipe, LibrarySource, Recipe};
use crate::{Version, VersionReq};

/// The newest there is of what a recipe builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newest {
    /// A release of a registry.
    Release {
        /// Its version.
        version: Version,
        /// SHA-256 of its archive, in hexadecimal.
        checksum: String,
    },
    /// A tagged commit of a repository.
    Commit {
        /// The version of the tag.
        version: Version,
        /// All 40 digits.
        rev: String,
    },
}

/// What became of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bump {
    /// It takes the newest already.
    Current,
    /// It moved.
    Moved {
        /// The new text.
        text: String,
        /// Where it stood.
        from: String,
        /// Where it stands.
        to: String,
        /// What a person should look at.
        unsure: Option<String>,
    },
    /// It cannot be moved by a rule.
    Unclear {
        /// Why.
        reason: String,
    },
}

/// Returns whether a version may be moved to.
pub fn allowed(update: Option<&VersionReq>, version: &Version) -> bool {
    match update {
        Some(update) => update.matches(version),
        None => version.pre.is_empty(),
    }
}

/// Returns why it is not known to which versions a recipe could move.
pub fn unlisted(recipe: &Recipe) -> &'static str {
    match recipe {
        Recipe::Compiler(_) => {
            "nobody lists the archives of compilers: for another one, write its `version`, and the \
             `url` and `sha256` of each archive"
        }
        _ => "nobody lists the versions of its source",
    }
}

/// Moves a recipe to the newest version; `file_name` is for messages.
pub fn bump(file_name: &str, text: &str, newest: &Newest) -> Result<Bump, RecipeError> {
    let recipe = Recipe::parse(file_name, text)?;
    let changes = match &recipe {
        Recipe::App(app) => of_app(app, newest),
        Recipe::Library(library) => of_library(library, newest),
        Recipe::Plugin(plugin) if plugin.source.is_none() => {
            of_requirement(&plugin.requirement, newest)
        }
        Recipe::Plugin(_) => Changes::unclear("its source has no versions"),
        Recipe::Cdylib(cdylib) => of_version(&cdylib.version, newest),
        Recipe::Crate(_) => Changes::unclear("it has no version of its own"),
        Recipe::Compiler(_) => Changes::unclear(unlisted(&recipe)),
    };
    let kind = recipe.kind().as_str();
    Ok(match changes {
        Changes::None => Bump::Current,
        Changes::Unclear(reason) => Bump::Unclear { reason },
        Changes::Values {
            values,
            from,
            to,
            unsure,
        } => {
            let mut document = edit::document(text);
            for (path, value) in values {
                set(&mut document, kind, path, &value);
            }
            let text = document.to_string();
            Recipe::parse(file_name, &text)?;
            Bump::Moved {
                text,
                from,
                to,
                unsure,
            }
        }
    })
}

/// What is to be changed.
enum Changes {
    None,
    Unclear(String),
    Values {
        /// Keys, with the tables inside the recipe's, and their new values.
        values: Vec<(&'static str, String)>,
        from: String,
        to: String,
        unsure: Option<String>,
    },
}

impl Changes {
    fn unclear(reason: &str) -> Self {
        Self::Unclear(reason.to_owned())
    }
}

/// Moves the requirement of a package of the registry.
fn of_requirement(requirement: &VersionReq, newest: &Newest) -> Changes {
    let Newest::Release { version, .. } = newest else {
        return Changes::unclear("it comes from the registry");
    };
    if requirement.matches(version) || *requirement == VersionReq::STAR {
        return Changes::None;
    }
    match moved(requirement, version) {
        Some(to) => Changes::Values {
            from: requirement.to_string(),
            values: vec![("version", to.clone())],
            to,
            unsure: None,
        },
        None => Changes::Unclear(format!(
            "`{requirement}` has several parts, and {version} fits none of the ways to move it"
        )),
    }
}

/// Moves one version of a package of the registry.
fn of_version(old: &Version, newest: &Newest) -> Changes {
    match newest {
        Newest::Release { version, .. } if version > old => Changes::Values {
            values: vec![("version", version.to_string())],
            from: old.to_string(),
            to: version.to_string(),
            unsure: None,
        },
        Newest::Release { .. } => Changes::None,
        Newest::Commit { .. } => Changes::unclear("it comes from the registry"),
    }
}

fn of_app(app: &AppRecipe, newest: &Newest) -> Changes {
    match (&app.source, newest) {
        (None, Newest::Release { version, .. }) => match of_requirement(&app.requirement, newest) {
            Changes::None => shared(app, version),
            changes => changes,
        },
        (Some(CrateSource::Git { rev, .. }), Newest::Commit { version, rev: new }) => {
            if rev == new {
                return Changes::None;
            }
            Changes::Values {
                values: vec![("source.rev", new.clone())],
                from: rev[..12].to_owned(),
                to: format!("{version} ({})", &new[..12]),
                unsure: None,
            }
        }
        _ => Changes::unclear("its source has no versions"),
    }
}

/// Moves what `share` is about to the version that is installed now.
fn shared(app: &AppRecipe, version: &Version) -> Changes {
    let Some(versions) = app.share_versions.as_ref().filter(|_| !app.shares(version)) else {
        return Changes::None;
    };
    match moved(versions, version) {
        Some(to) => Changes::Values {
            from: versions.to_string(),
            values: vec![("share-versions", to.clone())],
            to,
            unsure: Some(
                "look whether it still has the files of `share`: `orlop recipe lint --online`"
                    .to_owned(),
            ),
        },
        None => Changes::Unclear(format!("`share-versions` has several parts: `{versions}`")),
    }
}

fn of_library(library: &LibraryRecipe, newest: &Newest) -> Changes {
    if let (LibrarySource::Git { rev: old, .. }, Newest::Commit { version, rev }) =
        (&library.source, newest)
    {
        let version = version.to_string();
        if rev == old || version == library.version {
            return Changes::None;
        }
        return Changes::Values {
            values: vec![("source.rev", rev.clone()), ("version", version.clone())],
            from: library.version.clone(),
            to: version,
            unsure: None,
        };
    }
    let (LibrarySource::Crate { version: old, .. }, Newest::Release { version, checksum }) =
        (&library.source, newest)
    else {
        return Changes::unclear("nobody lists the versions of an archive at an address");
    };
    if version <= old {
        return Changes::None;
    }
    let mut values = vec![
        ("source.version", format!("={version}")),
        ("source.checksum", checksum.clone()),
    ];
    // Carriers write the version of what they carry behind a `+`, or share it.
    let carried = if !version.build.is_empty() {
        Some(version.build.to_string())
    } else if library.version == old.to_string() {
        Some(version.to_string())
    } else {
        None
    };
    let unsure = carried.is_none().then(|| {
        format!(
            "look which version it carries: `version` is still {}",
            library.version
        )
    });
    values.extend(carried.map(|carried| ("version", carried)));
    Changes::Values {
        values,
        from: old.to_string(),
        to: version.to_string(),
        unsure,
    }
}

/// Returns a requirement of the same form that accepts a version.
fn moved(requirement: &VersionReq, version: &Version) -> Option<String> {
    let [
        Comparator {
            op, minor, patch, ..
        },
    ] = requirement.comparators.as_slice()
    else {
        return None;
    };
    let sign = match op {
        Op::Caret => "",
        Op::Exact => "=",
        Op::Tilde => "~",
        _ => return None,
    };
    // A pre-release is only accepted if it is named in full.
    Some(match (minor, patch) {
        _ if !version.pre.is_empty() => format!("{sign}{version}"),
        (None, _) => format!("{sign}{}", version.major),
        (Some(_), None) => format!("{sign}{}.{}", version.major, version.minor),
        (Some(_), Some(_)) => format!(
            "{sign}{}.{}.{}",
            version.major, version.minor, version.patch
        ),
    })
}

/// Replaces a text, and leaves everything around it.
fn set(document: &mut DocumentMut, kind: &str, path: &str, text: &str) {
    let mut table = document
        .get_mut(kind)
        .and_then(Item::as_table_like_mut)
        .expect("the recipe was read");
    let (outer, key) = path.rsplit_once('.').unwrap_or(("", path));
    if !outer.is_empty() {
        table = table
            .get_mut(outer)
            .and_then(Item::as_table_like_mut)
            .expect("the value was read from there");
    }
    match table.get_mut(key) {
        // A key that is inserted anew loses its comments.
        Some(Item::Value(old)) => edit::replace(old, text.into()),
        _ => {
            table.insert(key, Item::Value(text.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

    fn release(version: &str) -> Newest {
        Newest::Release {
            version: version.parse().unwrap(),
            checksum: "0".repeat(63) + "1",
        }
    }

    #[track_caller]
    fn app(requirement: &str, newest: &str) -> Bump {
        let text = format!(
            "# head\nschema = 1\n[app]\nname = \"x\"\n# why\nversion  =  \"{requirement}\" # this\n"
        );
        bump("x.toml", &text, &release(newest)).unwrap()
    }

    #[test]
    fn requirements_keep_their_form_and_their_comments() {
        for (requirement, newest, expected) in [
            ("1", "2.3.4", "2"),
            ("1.2", "2.3.4", "2.3"),
            ("=1.2.3", "1.3.0", "=1.3.0"),
            ("~1.2", "1.3.1", "~1.3"),
            ("0.1", "0.2.0-rc.1", "0.2.0-rc.1"),
        ] {
            let Bump::Moved { text, .. } = app(requirement, newest) else {
                panic!("{requirement}")
            };
            assert_eq!(
                text,
                format!(
                    "# head\nschema = 1\n[app]\nname = \"x\"\n# why\n\
                     version  =  \"{expected}\" # this\n"
                )
            );
        }
        assert_eq!(app("1.2", "1.3.0"), Bump::Current);
        assert_eq!(app("*", "9.0.0"), Bump::Current);
        let text = "schema = 1\n[app]\nname = \"x\"\nshare-versions = \"1\" # pages\n";
        let Bump::Moved { text, unsure, .. } = bump("x.toml", text, &release("2.0.0")).unwrap()
        else {
            panic!()
        };
        assert_eq!(
            text,
            "schema = 1\n[app]\nname = \"x\"\nshare-versions = \"2\" # pages\n"
        );
        assert!(unsure.is_some());
        assert!(matches!(app(">=1, <2", "2.0.0"), Bump::Unclear { .. }));
    }

    #[test]
    fn libraries_move_with_their_digest() {
        let text = |version: &str, source: &str| {
            format!(
                "schema = 1\n[library]\nname = \"z\"\nversion = \"{version}\" # its own\n\
                 source = {{ crate = \"z-src\", version = \"={source}\", checksum = \"{OLD}\" }} # from\n\
                 script = \"make PREFIX=$out\"\n"
            )
        };
        let moved = |version: &str, source: &str, newest: &str| {
            let text = text(version, source);
            match bump("z.toml", &text, &release(newest)).unwrap() {
                Bump::Moved { text, unsure, .. } => (text, unsure.is_some()),
                other => panic!("{other:?}"),
            }
        };
        let digest = "0".repeat(63) + "1";
        let (new, unsure) = moved("1.3.2", "1.1.31", "1.2.0");
        assert_eq!(new, text("1.3.2", "1.2.0").replace(OLD, &digest));
        assert!(unsure);
        let (new, unsure) = moved("3.4.0", "300.4.0+3.4.0", "300.5.0+3.5.0");
        assert_eq!(new, text("3.5.0", "300.5.0+3.5.0").replace(OLD, &digest));
        assert!(!unsure);
        let (new, _) = moved("1.0.0", "1.0.0", "1.0.1");
        assert_eq!(new, text("1.0.1", "1.0.1").replace(OLD, &digest));
        let same = bump("z.toml", &text("1", "1.1.0"), &release("1.1.0")).unwrap();
        assert_eq!(same, Bump::Current);
    }

    #[test]
    fn commits_move() {
        let old = "a".repeat(40);
        let new = "b".repeat(40);
        let text = |rev: &str| {
            format!(
                "schema = 1\n[app]\nname = \"x\"\n[app.source]\ngit = \"https://example.org/x\"\n\
                 rev = \"{rev}\" # v1\n"
            )
        };
        let newest = Newest::Commit {
            version: Version::new(2, 0, 0),
            rev: new.clone(),
        };
        let Bump::Moved { text: moved, .. } = bump("x.toml", &text(&old), &newest).unwrap() else {
            panic!()
        };
        assert_eq!(moved, text(&new));
    }
}
