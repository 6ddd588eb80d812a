//! Text to [`Recipe`].

use std::collections::{BTreeMap, BTreeSet};

use semver::VersionReq;

use super::environment::Whose;
use super::{
    AppNeeds, AppRecipe, BuildNeeds, BuildSystem, CdylibRecipe, CrateOverride, CrateSource, Filter,
    Instead, LibraryNeeds, LibraryRecipe, LibrarySource, OutputGlobs, PluginRecipe, Recipe,
    RecipeKind, ShareOrigin, Tool, cdylib, compiler, environment, needs, share,
};
use crate::choice::Choice as _;
use crate::error::{RecipeError, RecipeErrorKind};
use crate::name::PackageName;
use crate::reader::Table;
use crate::text;

pub(super) fn recipe(file_name: &str, text: &str) -> Result<Recipe, RecipeError> {
    let mut file = Table::read(file_name, text)?;
    let mut found = Vec::new();
    for kind in RecipeKind::ALL {
        found.extend(file.take(kind.as_str()).map(|value| (*kind, value)));
    }
    let expected = || RecipeKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut found = found.into_iter();
    let Some((kind, value)) = found.next() else {
        let none = file.error(RecipeErrorKind::NoRecipe {
            expected: expected(),
        });
        // A misspelt table is the better explanation.
        return Err(file.finish().err().unwrap_or(none));
    };
    if let Some((second, value)) = found.next() {
        let (first, second) = (kind.as_str(), second.as_str());
        return Err(value.key_error(RecipeErrorKind::SeveralRecipes { first, second }));
    }
    file.finish()?;
    let table = value.table()?;
    match kind {
        RecipeKind::App => app(table).map(Recipe::App),
        RecipeKind::Crate => crate_override(table).map(Recipe::Crate),
        RecipeKind::Library => library(table).map(Recipe::Library),
        RecipeKind::Cdylib => cdylib(table).map(Recipe::Cdylib),
        RecipeKind::Plugin => plugin(table).map(Recipe::Plugin),
        RecipeKind::Compiler => compiler::read(table).map(Recipe::Compiler),
    }
}

fn app(mut table: Table<'_>) -> Result<AppRecipe, RecipeError> {
    let name = table
        .required("name", "name = \"hello\"")?
        .text(text::package)?;
    let app = AppRecipe {
        package: table
            .text("crate", text::package)?
            .unwrap_or_else(|| name.clone()),
        name,
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(VersionReq::STAR),
        features: table.texts("features", text::feature)?,
        default_features: table.boolean("default-features")?.unwrap_or(true),
        policy: table.choice("policy")?,
        binaries: table
            .texts("binaries", text::program)?
            .into_iter()
            .collect(),
        aliases: packages(&mut table, "aliases")?,
        plugins: packages(&mut table, "plugins")?,
        needs: AppNeeds::read(&mut table)?,
        source: table.table("source")?.map(crate_source).transpose()?,
        patch: patch(&mut table)?,
        summary: table.text("summary", text::line)?,
        license: table.text("license", text::line)?,
        share: shared_files(&mut table)?,
        share_versions: table.text("share-versions", text::requirement)?,
        test: table.text("test", text::line)?,
        caveats: table.text("caveats", text::lines)?,
        deprecated: table.text("deprecated", text::line)?,
        update: table.text("update", text::requirement)?,
    };
    table.finish()?;
    Ok(app)
}

fn plugin(mut table: Table<'_>) -> Result<PluginRecipe, RecipeError> {
    let name = table
        .required("name", "name = \"hello\"")?
        .text(text::package)?;
    let plugin = PluginRecipe {
        host: table
            .required("host", "host = \"app\"")?
            .text(text::package)?,
        package: table
            .text("crate", text::package)?
            .unwrap_or_else(|| name.clone()),
        name,
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(VersionReq::STAR),
        features: table.texts("features", text::feature)?,
        default_features: table.boolean("default-features")?.unwrap_or(true),
        compiler: table.text("compiler", text::line)?,
        source: table.table("source")?.map(crate_source).transpose()?,
    };
    table.finish()?;
    Ok(plugin)
}

fn cdylib(mut table: Table<'_>) -> Result<CdylibRecipe, RecipeError> {
    let name = table
        .required("name", "name = \"hello\"")?
        .text(text::package)?;
    let cdylib = CdylibRecipe {
        package: table
            .text("crate", text::package)?
            .unwrap_or_else(|| name.clone()),
        name,
        version: table
            .required("version", "version = \"1.2.3\"")?
            .text(text::exact_version)?,
        features: table.texts("features", text::feature)?,
        default_features: table.boolean("default-features")?.unwrap_or(true),
        headers: headers(&mut table)?,
        pkg_config: table.text("pkg-config", cdylib::pkg_config)?,
    };
    table.finish()?;
    Ok(cdylib)
}

fn headers(table: &mut Table<'_>) -> Result<BTreeMap<String, String>, RecipeError> {
    let Some(written) = table.table("headers")? else {
        return Ok(BTreeMap::new());
    };
    written
        .into_values()
        .map(|value| Ok((value.key(cdylib::header)?, value.text(share::file)?)))
        .collect()
}

fn patch(table: &mut Table<'_>) -> Result<BTreeMap<PackageName, CrateSource>, RecipeError> {
    let Some(patches) = table.table("patch")? else {
        return Ok(BTreeMap::new());
    };
    patches
        .into_values()
        .map(|value| Ok((value.key(text::package)?, crate_source(value.table()?)?)))
        .collect()
}

fn shared_files(table: &mut Table<'_>) -> Result<BTreeMap<String, ShareOrigin>, RecipeError> {
    let mut files = BTreeMap::new();
    let Some(written) = table.table("share")? else {
        return Ok(files);
    };
    for value in written.into_values() {
        let place = value.key(share::place)?;
        let twice = files.contains_key(&place).then(|| {
            value.key_error(RecipeErrorKind::Twice {
                place: place.clone(),
            })
        });
        if let Some(error) = twice {
            return Err(error);
        }
        files.insert(place, share_origin(value.table()?)?);
    }
    Ok(files)
}

fn share_origin(mut table: Table<'_>) -> Result<ShareOrigin, RecipeError> {
    let origin = if let Some(run) = table.text("run", text::line)? {
        ShareOrigin::Run { run }
    } else {
        ShareOrigin::File {
            file: table
                .required("file", "file = \"doc/hello.1\"")?
                .text(share::file)?,
        }
    };
    table.finish()?;
    Ok(origin)
}

pub(crate) fn crate_source(mut table: Table<'_>) -> Result<CrateSource, RecipeError> {
    let source = if let Some(git) = table.text("git", text::repository)? {
        CrateSource::Git {
            git,
            rev: table
                .required("rev", "rev = \"0123456789abcdef0123456789abcdef01234567\"")?
                .text(text::commit)?,
            folder: table.text("folder", text::folder)?,
        }
    } else {
        CrateSource::Path {
            path: table
                .required("path", "path = \"../hello\"")?
                .text(text::line)?,
        }
    };
    table.finish()?;
    Ok(source)
}

fn crate_override(mut table: Table<'_>) -> Result<CrateOverride, RecipeError> {
    let name = table
        .required("name", "name = \"hello-sys\"")?
        .text(text::package)?;
    let versions = table.text("versions", text::requirement)?;
    let native = needs::read(&mut table, "native")?;
    let libraries = native.keys().collect();
    let change = CrateOverride {
        name,
        versions: versions.unwrap_or(VersionReq::STAR),
        needs: BuildNeeds::read(&mut table)?,
        tools: tools(&mut table, "tools")?,
        through: tools(&mut table, "through")?,
        unused_tools: tools(&mut table, "unused-tools")?,
        environment: environment::read(&mut table, Whose::Crate, &libraries)?,
        instead: instead(&mut table, &libraries)?,
        native,
    };
    table.finish()?;
    Ok(change)
}

fn instead(
    table: &mut Table<'_>,
    others: &BTreeSet<&PackageName>,
) -> Result<BTreeMap<PackageName, Instead>, RecipeError> {
    let Some(libraries) = table.table("instead")? else {
        return Ok(BTreeMap::new());
    };
    libraries
        .into_values()
        .map(|value| {
            let library = value.key(text::package)?;
            let mut libraries = others.clone();
            libraries.insert(&library);
            let mut table = value.table()?;
            let instead = Instead {
                versions: table
                    .text("versions", text::requirement)?
                    .unwrap_or(VersionReq::STAR),
                tools: tools(&mut table, "tools")?,
                unused_tools: tools(&mut table, "unused-tools")?,
                environment: environment::read(&mut table, Whose::Crate, &libraries)?,
            };
            table.finish()?;
            Ok((library, instead))
        })
        .collect()
}

/// How a native library is built: by a script, or by a build system with arguments.
struct How {
    build: Option<BuildSystem>,
    arguments: Vec<String>,
    script: Option<String>,
}

fn how(table: &mut Table<'_>) -> Result<How, RecipeError> {
    let build = table.choice("build")?;
    let arguments = table.take("arguments");
    let script = match build {
        Some(_) => table.take("script"),
        None => Some(table.required("script", "script = 'make install PREFIX=\"$out\"'")?),
    };
    let other = match (build, &arguments) {
        (Some(_), _) => Some("build"),
        (None, Some(_)) => Some("arguments"),
        (None, None) => None,
    };
    if let (Some(script), Some(other)) = (&script, other) {
        return Err(script.key_error(RecipeErrorKind::Exclusive {
            first: other,
            second: "script",
        }));
    }
    let arguments = arguments.map(|value| value.texts(text::argument));
    Ok(How {
        build,
        arguments: arguments.transpose()?.unwrap_or_default(),
        script: script.map(|value| value.text(text::script)).transpose()?,
    })
}

fn library(mut table: Table<'_>) -> Result<LibraryRecipe, RecipeError> {
    let name = table
        .required("name", "name = \"hello\"")?
        .text(text::package)?;
    let version = table
        .required("version", "version = \"1.2.3\"")?
        .text(text::library_version)?;
    let source = table
        .required("source", "source = { url = \"…\", sha256 = \"…\" }")?
        .table()?;
    let source = self::source(source)?;
    let How {
        build,
        arguments,
        script,
    } = how(&mut table)?;
    let native = needs::read(&mut table, "native")?;
    let needs = LibraryNeeds::read(&mut table)?;
    let libraries = native.keys().chain(needs.build.keys()).collect();
    let library = LibraryRecipe {
        name,
        version,
        update: table.text("update", text::requirement)?,
        source,
        tools: tools(&mut table, "tools")?,
        environment: environment::read(&mut table, Whose::Library, &libraries)?,
        native,
        needs,
        patch: table.text("patch", text::script)?,
        build,
        arguments,
        script,
        test: table.text("test", text::script)?,
        outputs: OutputGlobs::read(&mut table)?,
    };
    table.finish()?;
    Ok(library)
}

fn source(mut table: Table<'_>) -> Result<LibrarySource, RecipeError> {
    let source = if let Some(name) = table.text("crate", text::package)? {
        LibrarySource::Crate {
            name,
            version: table
                .required("version", "version = \"=1.2.3\"")?
                .text(text::exact_version)?,
            checksum: table
                .required("checksum", "checksum = \"…\"")?
                .text(text::checksum)?,
            folder: table.text("folder", text::folder)?,
        }
    } else if let Some(git) = table.text("git", text::repository)? {
        LibrarySource::Git {
            git,
            rev: table
                .required("rev", "rev = \"0123456789abcdef0123456789abcdef01234567\"")?
                .text(text::commit)?,
            folder: table.text("folder", text::folder)?,
            filter: Filter::read(&mut table)?,
        }
    } else if let Some(path) = table.text("path", text::line)? {
        LibrarySource::Path {
            path,
            folder: table.text("folder", text::folder)?,
            filter: Filter::read(&mut table)?,
        }
    } else {
        LibrarySource::Url {
            url: table.required("url", "url = \"…\"")?.text(text::address)?,
            mirrors: table.texts("mirrors", text::address)?,
            sha256: table
                .required("sha256", "sha256 = \"…\"")?
                .text(text::checksum)?,
            folder: table.text("folder", text::folder)?,
        }
    };
    table.finish()?;
    Ok(source)
}

fn tools(table: &mut Table<'_>, key: &'static str) -> Result<BTreeSet<Tool>, RecipeError> {
    let tools = table.texts(key, |text| Ok(Tool::choose(text)?))?;
    Ok(tools.into_iter().collect())
}

fn packages(
    table: &mut Table<'_>,
    key: &'static str,
) -> Result<BTreeSet<PackageName>, RecipeError> {
    Ok(table.texts(key, text::package)?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::Version;
    use crate::error::rendered;
    use crate::manifest::Policy;
    use crate::recipe::{Need, Needs};

    const CHECKSUM: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

    #[track_caller]
    fn parsed(text: &str) -> Recipe {
        Recipe::parse("hello.toml", text).unwrap_or_else(|error| panic!("{}", rendered(&error)))
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        rendered(&Recipe::parse("hello.toml", text).unwrap_err())
    }

    fn names(names: &[&str]) -> BTreeSet<PackageName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn any(names: &[&str]) -> Needs {
        let names = names.iter().map(|name| name.parse().unwrap());
        names.map(|name| (name, Need::any())).collect()
    }

    #[test]
    fn app_with_every_field() {
        let text = r#"
            schema = 1
            [app]
            name = "hello"
            crate = "hello-cli"
            version = "2"
            features = ["x"]
            default-features = false
            policy = "locked"
            binaries = ["hello"]
            aliases = ["hi"]
            plugins = ["hello-api"]
            needs.run = ["less"]
            needs.test = ["jq"]
            summary = "Says hello"
            test = "hello --version"
            license = "MIT"
            share-versions = "2.1"
            share = { "hello.1" = { file = "doc/hello.1" }, _hello = { run = "hello --zsh" } }
            caveats = "Say hello"
            deprecated = "use bonjour"
            update = "<3"
        "#;
        let expected = AppRecipe {
            name: "hello".parse().unwrap(),
            package: "hello-cli".parse().unwrap(),
            requirement: VersionReq::parse("2").unwrap(),
            features: vec!["x".parse().unwrap()],
            default_features: false,
            policy: Some(Policy::Locked),
            binaries: BTreeSet::from(["hello".to_owned()]),
            aliases: names(&["hi"]),
            plugins: names(&["hello-api"]),
            needs: AppNeeds {
                run: any(&["less"]),
                test: any(&["jq"]),
            },
            source: None,
            patch: BTreeMap::new(),
            summary: Some("Says hello".to_owned()),
            test: Some("hello --version".to_owned()),
            license: Some("MIT".to_owned()),
            share: BTreeMap::from([
                (
                    "man/man1/hello.1".to_owned(),
                    ShareOrigin::File {
                        file: "doc/hello.1".to_owned(),
                    },
                ),
                (
                    "zsh/site-functions/_hello".to_owned(),
                    ShareOrigin::Run {
                        run: "hello --zsh".to_owned(),
                    },
                ),
            ]),
            share_versions: Some(VersionReq::parse("2.1").unwrap()),
            caveats: Some("Say hello".to_owned()),
            deprecated: Some("use bonjour".to_owned()),
            update: Some(VersionReq::parse("<3").unwrap()),
        };
        assert_eq!(parsed(text), Recipe::App(expected));
    }

    #[test]
    fn plugin_with_every_field() {
        let text = r#"
            schema = 1
            [plugin]
            name = "greeting"
            host = "hello"
            crate = "hello-greeting"
            version = "1.2"
            features = ["loud"]
            default-features = false
            compiler = "1.95.0"
            source = { path = "../greeting" }
        "#;
        let expected = PluginRecipe {
            name: "greeting".parse().unwrap(),
            host: "hello".parse().unwrap(),
            package: "hello-greeting".parse().unwrap(),
            requirement: VersionReq::parse("1.2").unwrap(),
            features: vec!["loud".parse().unwrap()],
            default_features: false,
            compiler: Some("1.95.0".to_owned()),
            source: Some(CrateSource::Path {
                path: "../greeting".to_owned(),
            }),
        };
        assert_eq!(parsed(text), Recipe::Plugin(expected));
    }

    #[test]
    fn cdylib_with_every_field() {
        let text = r#"
            schema = 1
            [cdylib]
            name = "hello"
            crate = "hello-capi"
            version = "1.2.3"
            features = ["capi"]
            default-features = false
            headers = { "hello/hello.h" = "include/hello.h" }
            pkg-config = "hello-1"
        "#;
        let headers = [("hello/hello.h", "include/hello.h")];
        let expected = CdylibRecipe {
            name: "hello".parse().unwrap(),
            package: "hello-capi".parse().unwrap(),
            version: Version::new(1, 2, 3),
            features: vec!["capi".parse().unwrap()],
            default_features: false,
            headers: headers.map(|(to, from)| (to.into(), from.into())).into(),
            pkg_config: Some("hello-1".to_owned()),
        };
        assert_eq!(parsed(text), Recipe::Cdylib(expected));
        let start = "schema = 1\n[cdylib]\nname = \"hello\"\nversion = \"1.0.0\"\n";
        let Recipe::Cdylib(small) = parsed(start) else {
            panic!("{start}")
        };
        assert_eq!(
            (small.pkg_config(), small.package.as_str()),
            ("hello", "hello")
        );
        assert_snapshot!(refused(&format!("{start}pkg-config = \"../x\"\n")), @r#"
        × read `hello.toml`: `../x` is not a name for pkg-config: it has letters, digits and `._+-`, and
        │ begins with a letter or digit
         ╭─[hello.toml:5:14]
       4 │ version = "1.0.0"
       5 │ pkg-config = "../x"
         ·              ───┬──
         ·                 ╰── not a name for pkg-config
         ╰────
        help: write it without an ending: `hello-1.0`
        "#);
        let place = refused(&format!("{start}headers = {{ \"../x.h\" = \"x.h\" }}\n"));
        assert!(
            place.contains("`../x.h` is not a file of the package"),
            "{place}"
        );
    }

    #[test]
    fn override_with_every_field() {
        let text = r#"
            schema = 1
            [crate]
            name = "hello-sys"
            versions = ">=1, <3"
            native = ["zlib"]
            needs.build = ["bison"]
            tools = ["cmake", "libclang"]
            through = ["make"]
            unused-tools = ["perl"]
            environment = { HELLO_STATIC = "1" }
            [crate.instead.hello]
            versions = "2"
            tools = ["m4"]
            unused-tools = ["cmake"]
            environment = { HELLO_SYSTEM = "1" }
        "#;
        let instead = Instead {
            versions: VersionReq::parse("2").unwrap(),
            tools: [Tool::M4].into(),
            unused_tools: [Tool::Cmake].into(),
            environment: BTreeMap::from([("HELLO_SYSTEM".to_owned(), "1".to_owned())]),
        };
        let expected = CrateOverride {
            name: "hello-sys".parse().unwrap(),
            versions: VersionReq::parse(">=1, <3").unwrap(),
            native: any(&["zlib"]),
            needs: BuildNeeds {
                build: any(&["bison"]),
            },
            tools: [Tool::Cmake, Tool::Libclang].into(),
            through: [Tool::Make].into(),
            unused_tools: [Tool::Perl].into(),
            environment: BTreeMap::from([("HELLO_STATIC".to_owned(), "1".to_owned())]),
            instead: BTreeMap::from([("hello".parse().unwrap(), instead)]),
        };
        assert_eq!(parsed(text), Recipe::Crate(expected));
    }

    #[test]
    fn library_with_each_source() {
        let text = |source: &str| {
            format!(
                "schema = 1\n[library]\nname = \"z\"\nversion = \"1.3\"\nsource = {source}\n\
                 script = \"make\"\nnative = [\"y\"]\nneeds.build = [\"bison\"]\nneeds.test = [\"jq\"]\n\
                 test = \"cc x.c\"\noutputs.doc = [\"share/doc/**/*.txt\"]\ntools = [\"make\"]\n\
                 environment = {{ A = \"b\" }}\n"
            )
        };
        let expected = |source| {
            Recipe::Library(LibraryRecipe {
                name: "z".parse().unwrap(),
                version: "1.3".to_owned(),
                update: None,
                source,
                script: Some("make".to_owned()),
                build: None,
                arguments: Vec::new(),
                patch: None,
                native: any(&["y"]),
                needs: LibraryNeeds {
                    build: any(&["bison"]),
                    test: any(&["jq"]),
                },
                test: Some("cc x.c".to_owned()),
                outputs: OutputGlobs {
                    doc: vec!["share/doc/**/*.txt".to_owned()],
                    ..OutputGlobs::default()
                },
                tools: [Tool::Make].into(),
                environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            })
        };
        let source = format!(
            r#"{{ crate = "z-sys", version = "=1.1.20", checksum = "{CHECKSUM}", folder = "src/z" }}"#
        );
        let carried = LibrarySource::Crate {
            name: "z-sys".parse().unwrap(),
            version: Version::new(1, 1, 20),
            checksum: CHECKSUM.to_owned(),
            folder: Some("src/z".to_owned()),
        };
        assert_eq!(parsed(&text(&source)), expected(carried));
        let source = format!(
            r#"{{ url = "https://example.com/z.tar.gz", mirrors = ["https://example.org/z.tar.gz"], sha256 = "{CHECKSUM}" }}"#
        );
        let published = LibrarySource::Url {
            mirrors: vec!["https://example.org/z.tar.gz".to_owned()],
            url: "https://example.com/z.tar.gz".to_owned(),
            sha256: CHECKSUM.to_owned(),
            folder: None,
        };
        assert_eq!(parsed(&text(&source)), expected(published));
        let source = r#"{ path = "../z", folder = "lib", filter = { include = ["lib"], exclude = ["**/*.md"] } }"#;
        let beside = LibrarySource::Path {
            path: "../z".to_owned(),
            folder: Some("lib".to_owned()),
            filter: Filter {
                include: vec!["lib".to_owned()],
                exclude: vec!["**/*.md".to_owned()],
            },
        };
        assert_eq!(parsed(&text(source)), expected(beside));
        let rev = &CHECKSUM[..40];
        let source = format!(r#"{{ git = "https://example.com/z", rev = "{rev}" }}"#);
        let commit = LibrarySource::Git {
            git: "https://example.com/z".to_owned(),
            rev: rev.to_owned(),
            folder: None,
            filter: Filter::default(),
        };
        assert_eq!(parsed(&text(&source)), expected(commit));
    }

    #[test]
    fn not_exactly_one_kind() {
        assert_snapshot!(refused("schema = 1\n"), @r#"
         × read `hello.toml`: the recipe has none of the tables `app`, `crate`, `library`, `cdylib`,
         │ `plugin`, `compiler`
          ╭─[hello.toml:1:1]
        1 │ schema = 1
          · ▲
          · ╰── a recipe of what?
          ╰────
         help: `[app]` is a program, `[crate]` changes how a crate is built, `[library]` is a native
               library, `[plugin]` is loaded by an app, `[compiler]` is a Rust compiler
        "#);
        assert_snapshot!(refused("schema = 1\n[aap]\nname = \"hello\"\n"), @r#"
         × read `hello.toml`: unknown key `aap`
          ╭─[hello.toml:2:2]
        1 │ schema = 1
        2 │ [aap]
          ·  ─┬─
          ·   ╰── has no meaning here
        3 │ name = "hello"
          ╰────
         help: known here: `schema`, `app`, `crate`, `library`, `cdylib`, `plugin`, `compiler`
        "#);
        assert_snapshot!(
            refused("schema = 1\n[app]\nname = \"hello\"\n\n[library]\nname = \"hello\"\n"),
            @r#"
         × read `hello.toml`: the recipe has both `[app]` and `[library]`
          ╭─[hello.toml:5:2]
        4 │
        5 │ [library]
          ·  ───┬───
          ·     ╰── the second one
        6 │ name = "hello"
          ╰────
         help: write one file for each
        "#
        );
    }

    #[test]
    fn missing_key() {
        assert_snapshot!(refused("schema = 1\n[app]\nsummary = \"Says hello\"\n"), @r#"
         × read `hello.toml`: the key `app.name` is missing
          ╭─[hello.toml:2:1]
        1 │ schema = 1
        2 │ [app]
          · ──┬──
          ·   ╰── missing here
        3 │ summary = "Says hello"
          ╰────
         help: add `name = "hello"`
        "#);
        assert_snapshot!(refused("schema = 1\n[app]\nnmae = \"hello\"\n"), @r#"
         × read `hello.toml`: unknown key `app.nmae`
          ╭─[hello.toml:3:1]
        2 │ [app]
        3 │ nmae = "hello"
          · ──┬─
          ·   ╰── has no meaning here
          ╰────
         help: did you mean `name`?
        "#);
    }

    #[test]
    fn bad_checksum_and_folder() {
        let text = |checksum: &str, folder: &str| {
            format!(
                "schema = 1\n[library]\nname = \"z\"\nversion = \"1\"\nscript = \"make\"\n\n\
                 [library.source]\nurl = \"https://example.com/z.tar.gz\"\n\
                 sha256 = \"{checksum}\"\nfolder = \"{folder}\"\n"
            )
        };
        assert_snapshot!(refused(&text("", "z")), @r#"
         × read `hello.toml`: `` is not a SHA-256 digest: 64 digits in lower-case hexadecimal are needed
           ╭─[hello.toml:9:10]
         8 │ url = "https://example.com/z.tar.gz"
         9 │ sha256 = ""
           ·          ─┬
           ·           ╰── not a SHA-256 digest
        10 │ folder = "z"
           ╰────
        "#);
        assert_snapshot!(refused(&text(CHECKSUM, "../../etc")), @r#"
         × read `hello.toml`: `../../etc` is not a folder: letters, digits, `.`, `+`, `-`, `_` between
         │ single `/` are allowed, no `..`
           ╭─[hello.toml:10:10]
         9 │ sha256 = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2"
        10 │ folder = "../../etc"
           ·          ─────┬─────
           ·               ╰── not a folder
           ╰────
        "#);
    }

    #[test]
    fn a_source_is_of_one_kind() {
        let text = format!(
            "schema = 1\n[library]\nname = \"z\"\nversion = \"1\"\nscript = \"make\"\n\n\
             [library.source]\ncrate = \"z-sys\"\nversion = \"=1.0.0\"\n\
             checksum = \"{CHECKSUM}\"\nurl = \"https://example.com/z.tar.gz\"\n"
        );
        assert_snapshot!(refused(&text), @r#"
         × read `hello.toml`: unknown key `library.source.url`
           ╭─[hello.toml:11:1]
        10 │ checksum = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2"
        11 │ url = "https://example.com/z.tar.gz"
           · ─┬─
           ·  ╰── has no meaning here
           ╰────
         help: known here: `crate`, `version`, `checksum`, `folder`
        "#);
    }

    #[test]
    fn bad_variable() {
        assert_snapshot!(
            refused("schema = 1\n[crate]\nname = \"z-sys\"\nenvironment = { \"A=B\" = \"1\" }\n"),
            @r#"
         × read `hello.toml`: `A=B` is not the name of an environment variable: only ASCII letters,
         │ digits and `_` are allowed, and no digit first
          ╭─[hello.toml:4:17]
        3 │ name = "z-sys"
        4 │ environment = { "A=B" = "1" }
          ·                 ──┬──
          ·                   ╰── not the name of an environment variable
          ╰────
        "#
        );
    }
}
