//! Answers for Cargo inside builds: under the name `cargo` the program is what `CARGO` names.
//!
//! Proc macros ask where the workspace of the crate they expand in is, and some build scripts ask
//! for the version. What cannot be answered without other packages is an error.

use std::ffi::OsString;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

/// What a caller asks.
#[derive(Debug, Default)]
struct Question {
    command: Option<String>,
    manifest: Option<Utf8PathBuf>,
    /// `--message-format`.
    format: Option<String>,
    no_deps: bool,
    version: bool,
    /// An option that is not known.
    unknown: Option<String>,
}

/// Answers a command line of Cargo.
pub(crate) fn answer(arguments: Vec<OsString>) -> ExitCode {
    match Question::parse(arguments).and_then(|question| question.answer()) {
        Ok(text) => {
            #[expect(clippy::print_stdout, reason = "as Cargo it speaks to its caller")]
            {
                println!("{text}");
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            #[expect(clippy::print_stderr, reason = "as Cargo it speaks to its caller")]
            {
                eprintln!("error: {message}");
            }
            // Cargo's own code for what it refuses.
            ExitCode::from(101)
        }
    }
}

impl Question {
    fn parse(arguments: Vec<OsString>) -> Result<Self, String> {
        let mut question = Self::default();
        let mut words = arguments.into_iter().map(|word| {
            word.into_string()
                .map_err(|word| format!("`{}` is not UTF-8", word.display()))
        });
        while let Some(word) = words.next().transpose()? {
            let (option, joined) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                _ => (word.as_str(), None),
            };
            let mut value = || match joined {
                Some(value) => Ok(value.to_owned()),
                None => words
                    .next()
                    .transpose()?
                    .ok_or_else(|| format!("`{option}` needs a value")),
            };
            match option {
                "--manifest-path" => question.manifest = Some(value()?.into()),
                "--message-format" => question.format = Some(value()?),
                "--format-version" => {
                    let version = value()?;
                    if version != "1" {
                        return Err(format!("`--format-version {version}` is not known"));
                    }
                }
                // Taken and left: they choose the output's colours, or what may be downloaded,
                // which is nothing.
                "--color" => drop(value()?),
                "--offline"
                | "--locked"
                | "--frozen"
                | "--quiet"
                | "-q"
                | "--verbose"
                | "-v"
                | "--workspace"
                | "--all-features"
                | "--no-default-features" => {}
                "--no-deps" => question.no_deps = true,
                "--version" | "-V" | "version" => question.version = true,
                command if question.command.is_none() && !command.starts_with('-') => {
                    question.command = Some(command.into());
                }
                other => drop(question.unknown.get_or_insert(other.into())),
            }
        }
        Ok(question)
    }

    fn answer(&self) -> Result<String, String> {
        if self.version {
            return version();
        }
        match self.command.as_deref() {
            Some("locate-project" | "metadata") if self.unknown.is_some() => Err(format!(
                "`{}` is not known to Orlop's stand-in for Cargo",
                self.unknown.as_deref().unwrap_or_default()
            )),
            Some("locate-project") => self.locate(),
            Some("metadata") if self.no_deps => self.metadata(),
            Some("metadata") => Err(
                "inside a build, Orlop's stand-in for Cargo knows one package: \
                                     it answers `cargo metadata --no-deps` alone"
                    .to_owned(),
            ),
            command => Err(format!(
                "inside a build there is no Cargo: Orlop's stand-in answers `locate-project`, \
                 `metadata --no-deps` and `--version`, not `{}`",
                command.unwrap_or_default()
            )),
        }
    }

    /// A published package is its own workspace, so `--workspace` makes no difference.
    fn locate(&self) -> Result<String, String> {
        let manifest = self.manifest()?;
        match self.format.as_deref() {
            None | Some("json") => Ok(json!({ "root": manifest }).to_string()),
            Some("plain") => Ok(manifest.into_string()),
            Some(other) => Err(format!("`--message-format {other}` is not known")),
        }
    }

    /// Returns the manifest that is named, or the nearest one above the working folder.
    fn manifest(&self) -> Result<Utf8PathBuf, String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a caller of Cargo names its package by where it stands"
        )]
        let here = std::env::current_dir();
        let folder = here
            .and_then(|folder| {
                Utf8PathBuf::try_from(folder).map_err(camino::FromPathBufError::into_io_error)
            })
            .map_err(|error| error.to_string())?;
        if let Some(path) = &self.manifest {
            let path = folder.join(path);
            return if path.is_file() {
                Ok(path)
            } else {
                Err(format!("manifest path `{path}` does not exist"))
            };
        }
        folder
            .ancestors()
            .map(|folder| folder.join("Cargo.toml"))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                format!("could not find `Cargo.toml` in `{folder}` or any parent directory")
            })
    }

    fn metadata(&self) -> Result<String, String> {
        let path = self.manifest()?;
        let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
        let manifest: toml::Table =
            toml::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let folder = path.parent().unwrap_or(&path);
        Ok(metadata(&manifest, folder)?.to_string())
    }
}

/// Describes the one package that is there, in the words of `cargo metadata`.
fn metadata(manifest: &toml::Table, folder: &Utf8Path) -> Result<Value, String> {
    let package = manifest
        .get("package")
        .and_then(toml::Value::as_table)
        .ok_or_else(|| format!("`{folder}/Cargo.toml` has no `[package]`"))?;
    let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
    let name = text("name").unwrap_or_default();
    let version = text("version").unwrap_or_default();
    let id = format!("path+file://{folder}#{name}@{version}");
    let features = manifest
        .get("features")
        .map_or_else(|| json!({}), |features| json!(features));
    Ok(json!({
        "packages": [{
            "name": name,
            "version": version,
            "id": id,
            "license": text("license"),
            "license_file": text("license-file"),
            "description": text("description"),
            "source": null,
            "dependencies": dependencies(manifest),
            "targets": [],
            "features": features,
            "manifest_path": folder.join("Cargo.toml"),
            "metadata": package.get("metadata"),
            "publish": null,
            "authors": package.get("authors").map_or_else(|| json!([]), |authors| json!(authors)),
            "categories": [],
            "keywords": [],
            "readme": text("readme"),
            "repository": text("repository"),
            "homepage": text("homepage"),
            "documentation": text("documentation"),
            "edition": text("edition").unwrap_or("2015"),
            "links": text("links"),
            "default_run": text("default-run"),
            "rust_version": text("rust-version"),
        }],
        "workspace_members": [&id],
        "workspace_default_members": [&id],
        "resolve": null,
        "target_directory": folder.join("target"),
        "version": 1,
        "workspace_root": folder,
        "metadata": null,
    }))
}

/// Lists what the manifest depends on, whatever the target.
fn dependencies(manifest: &toml::Table) -> Vec<Value> {
    let mut found = Vec::new();
    let mut add = |tables: &toml::Table, target: Option<&str>| {
        for (table, kind) in [
            ("dependencies", None),
            ("build-dependencies", Some("build")),
            ("dev-dependencies", Some("dev")),
        ] {
            let entries = tables.get(table).and_then(toml::Value::as_table);
            for (key, value) in entries.into_iter().flatten() {
                found.push(dependency(key, value, kind, target));
            }
        }
    };
    add(manifest, None);
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    for (target, tables) in targets.into_iter().flatten() {
        if let Some(tables) = tables.as_table() {
            add(tables, Some(target));
        }
    }
    found
}

fn dependency(key: &str, value: &toml::Value, kind: Option<&str>, target: Option<&str>) -> Value {
    let field = |name: &str| value.get(name);
    let package = field("package").and_then(toml::Value::as_str);
    let requirement = value
        .as_str()
        .or_else(|| field("version").and_then(toml::Value::as_str))
        .unwrap_or("*");
    let switch =
        |name: &str, usual: bool| field(name).and_then(toml::Value::as_bool).unwrap_or(usual);
    json!({
        "name": package.unwrap_or(key),
        "source": null,
        "req": requirement,
        "kind": kind,
        "rename": package.map(|_| key),
        "optional": switch("optional", false),
        "uses_default_features": switch("default-features", true),
        "features": field("features").map_or_else(|| json!([]), |features| json!(features)),
        "target": target,
        "registry": null,
    })
}

/// Says the version of the Cargo that belongs to the compiler: both have the same.
fn version() -> Result<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a build's environment leads to its compiler"
    )]
    let libraries = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
    let record = libraries
        .split(':')
        .map(|folder| Utf8Path::new(folder).join("../compiler.json"))
        .find(|path| path.is_file())
        .ok_or("`LD_LIBRARY_PATH` does not lead to the compiler")?;
    let text = fs_err::read_to_string(&record).map_err(|error| error.to_string())?;
    let compiler: orlop_store::Compiler =
        serde_json::from_str(&text).map_err(|error| format!("{record}: {error}"))?;
    Ok(format!("cargo {}", compiler.release))
}
