//! Text to [`Recipe`].

use std::collections::{BTreeMap, BTreeSet};

use semver::VersionReq;

use super::{AppRecipe, CrateOverride, LibraryRecipe, LibrarySource, Recipe, RecipeKind};
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
    }
}

fn app(mut table: Table<'_>) -> Result<AppRecipe, RecipeError> {
    let name = table.required("name", "name = \"hello\"")?.text(package)?;
    let app = AppRecipe {
        package: table
            .text("crate", package)?
            .unwrap_or_else(|| name.clone()),
        name,
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(VersionReq::STAR),
        features: table.texts("features", |text| Ok(text.parse()?))?,
        default_features: table.boolean("default-features")?.unwrap_or(true),
        binaries: table
            .texts("binaries", text::program)?
            .into_iter()
            .collect(),
        aliases: packages(&mut table, "aliases")?,
        summary: table.text("summary", text::line)?,
        test: table.text("test", text::line)?,
    };
    table.finish()?;
    Ok(app)
}

fn crate_override(mut table: Table<'_>) -> Result<CrateOverride, RecipeError> {
    let change = CrateOverride {
        name: table
            .required("name", "name = \"hello-sys\"")?
            .text(package)?,
        versions: table
            .text("versions", text::requirement)?
            .unwrap_or(VersionReq::STAR),
        native: packages(&mut table, "native")?,
        environment: environment(&mut table)?,
    };
    table.finish()?;
    Ok(change)
}

fn library(mut table: Table<'_>) -> Result<LibraryRecipe, RecipeError> {
    let library = LibraryRecipe {
        name: table.required("name", "name = \"hello\"")?.text(package)?,
        version: table
            .required("version", "version = \"1.2.3\"")?
            .text(text::library_version)?,
        source: source(
            table
                .required("source", "source = { url = \"…\", sha256 = \"…\" }")?
                .table()?,
        )?,
        script: table
            .required("script", "script = \"make install\"")?
            .text(text::script)?,
        native: packages(&mut table, "native")?,
        environment: environment(&mut table)?,
    };
    table.finish()?;
    Ok(library)
}

fn source(mut table: Table<'_>) -> Result<LibrarySource, RecipeError> {
    let source = if let Some(name) = table.text("crate", package)? {
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
    } else {
        LibrarySource::Url {
            url: table.required("url", "url = \"…\"")?.text(text::address)?,
            sha256: table
                .required("sha256", "sha256 = \"…\"")?
                .text(text::checksum)?,
            folder: table.text("folder", text::folder)?,
        }
    };
    table.finish()?;
    Ok(source)
}

fn environment(table: &mut Table<'_>) -> Result<BTreeMap<String, String>, RecipeError> {
    let Some(variables) = table.table("environment")? else {
        return Ok(BTreeMap::new());
    };
    variables
        .into_values()
        .map(|value| Ok((value.key(text::variable)?, value.text(text::anything)?)))
        .collect()
}

fn packages(
    table: &mut Table<'_>,
    key: &'static str,
) -> Result<BTreeSet<PackageName>, RecipeError> {
    Ok(table.texts(key, package)?.into_iter().collect())
}

fn package(text: &str) -> Result<PackageName, RecipeErrorKind> {
    Ok(text.parse()?)
}
