//! Text to [`Manifest`].

use std::collections::BTreeMap;

use super::{Manifest, PackageRequest};
use crate::error::RecipeError;
use crate::name::PackageName;
use crate::reader::{Table, Value};
use crate::text;

pub(super) fn manifest(file_name: &str, text: &str) -> Result<Manifest, RecipeError> {
    let mut file = Table::read(file_name, text)?;
    let manifest = Manifest {
        profile: file.text("profile", text::line)?,
        snapshot: file
            .take("snapshot")
            .map(|value| value.text_or_date(text::snapshot))
            .transpose()?,
        linkage: file.choice("linkage")?,
        compiler: file.text("compiler", text::line)?,
        packages: file
            .table("packages")?
            .map(packages)
            .transpose()?
            .unwrap_or_default(),
    };
    file.finish()?;
    Ok(manifest)
}

fn packages(table: Table<'_>) -> Result<BTreeMap<PackageName, PackageRequest>, RecipeError> {
    table
        .into_values()
        .map(|value| Ok((value.key(|text| Ok(text.parse()?))?, request(value)?)))
        .collect()
}

fn request(value: Value<'_>) -> Result<PackageRequest, RecipeError> {
    if value.is_text() {
        let requirement = value.text(text::requirement)?;
        return Ok(PackageRequest {
            requirement,
            ..PackageRequest::default()
        });
    }
    if !value.is_table() {
        return Err(value.wrong_type("a version requirement or a table"));
    }
    let mut table = value.table()?;
    let default = PackageRequest::default();
    let request = PackageRequest {
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(default.requirement),
        features: table.texts("features", |text| Ok(text.parse()?))?,
        default_features: table
            .boolean("default-features")?
            .unwrap_or(default.default_features),
        policy: table.choice("policy")?.unwrap_or(default.policy),
        linkage: table.choice("linkage")?,
        compiler: table.text("compiler", text::line)?,
        recipe: table.text("recipe", text::recipe_path)?,
    };
    table.finish()?;
    Ok(request)
}
