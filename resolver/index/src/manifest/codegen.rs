//! `[profile.release]` to [`PublishedCodegen`]. Debug information and `strip` are not read: what
//! Orlop installs is always stripped of it.

use orlop_resolver::{CodegenOptions, PublishedCodegen, PublishedLto};

use super::field;
use super::toml::{CodegenTable, ProfileTable, TextOrBool, TextOrNumber};
use crate::error::ManifestError;

pub(super) fn published(table: &ProfileTable) -> Result<PublishedCodegen, ManifestError> {
    let packages = table.package.iter();
    Ok(PublishedCodegen {
        all: options(&table.all)?,
        packages: packages
            .map(|(package, table)| Ok((package.clone(), options(table)?)))
            .collect::<Result<_, ManifestError>>()?,
        build: options(&table.build_override)?,
        lto: lto(table.lto.as_ref())?,
        panic_abort: panic_abort(table.panic.as_deref())?,
    })
}

/// Optimisation levels reach the command line of the compiler.
fn options(table: &CodegenTable) -> Result<CodegenOptions, ManifestError> {
    let opt_level = match &table.opt_level {
        None => None,
        Some(TextOrNumber::Number(number)) => Some(number.to_string()),
        Some(TextOrNumber::Text(text)) => Some(text.clone()),
    };
    if let Some(level) = &opt_level
        && !["0", "1", "2", "3", "s", "z"].contains(&level.as_str())
    {
        let reason = "only `0` to `3`, `s` and `z` are known";
        return Err(field("opt-level", level, reason));
    }
    Ok(CodegenOptions {
        opt_level,
        codegen_units: table.codegen_units,
        overflow_checks: table.overflow_checks,
        debug_assertions: table.debug_assertions,
    })
}

fn lto(written: Option<&TextOrBool>) -> Result<PublishedLto, ManifestError> {
    match written {
        None | Some(TextOrBool::Bool(false)) => Ok(PublishedLto::Local),
        Some(TextOrBool::Bool(true)) => Ok(PublishedLto::Fat),
        Some(TextOrBool::Text(text)) => match text.as_str() {
            "off" | "n" | "no" => Ok(PublishedLto::Off),
            "thin" => Ok(PublishedLto::Thin),
            "fat" => Ok(PublishedLto::Fat),
            other => Err(field(
                "lto",
                other,
                "only `off`, `thin` and `fat` are known",
            )),
        },
    }
}

fn panic_abort(written: Option<&str>) -> Result<bool, ManifestError> {
    match written {
        None | Some("unwind") => Ok(false),
        Some("abort") => Ok(true),
        Some(other) => Err(field("panic", other, "only `unwind` and `abort` are known")),
    }
}
