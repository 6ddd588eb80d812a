//! Makes the folder of a generation.
//!
//! | entry | what |
//! |---|---|
//! | `bin/NAME` | a link to the program in its app's view |
//! | `share/…` | links to the man pages, completions and other files of the views |
//! | `views/APP` | a link to the app's view |
//! | `manifest.toml`, `lock.toml` | what it was made from |
//! | `record.toml` | what it is; no folder without it is a generation |
//! | `digest` | the digest of all the rest, so that `verify` finds damage |
//!
//! All links are relative, so that the home can be moved.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::generation::{self, DIGEST, GenerationApp, LOCK, MANIFEST, RECORD, Record};
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::{disk, name};

/// From a generation's folder to the home: `profiles/<name>/<number>`.
const TO_HOME: usize = 3;

/// Makes all that a generation consists of in `folder`, which does not exist yet.
pub(super) fn build(
    home: &Utf8Path,
    folder: &Utf8Path,
    record: &Record,
    manifest: &str,
    lock: &str,
) -> Result<(), StoreError> {
    for part in ["bin", "share", "views"] {
        disk::create_folder(&folder.join(part))?;
    }
    let mut links = Links {
        home,
        folder,
        owners: BTreeMap::new(),
    };
    for app in &record.apps {
        links.app(app)?;
    }
    let text = toml::to_string_pretty(record).map_err(|error| StoreError::Record {
        path: folder.join(RECORD),
        source: Box::new(error),
    })?;
    for (name, text) in [(MANIFEST, manifest), (LOCK, lock), (RECORD, &text)] {
        let path = folder.join(name);
        fs_err::write(&path, text).context("write", &path)?;
    }
    let path = folder.join(DIGEST);
    let digest = generation::digest(folder)?.to_string();
    fs_err::write(&path, digest).context("write", &path)
}

/// The links of a generation, and which app brought each.
struct Links<'a> {
    home: &'a Utf8Path,
    folder: &'a Utf8Path,
    owners: BTreeMap<String, &'a str>,
}

impl<'a> Links<'a> {
    fn app(&mut self, app: &'a GenerationApp) -> Result<(), StoreError> {
        name::check("an app", &app.name)?;
        let view = self.home.join("store").join(app.view.to_string());
        if !view.is_dir() {
            return Err(StoreError::Absent {
                path: app.view.clone(),
            });
        }
        self.link(app, &format!("views/{}", app.name), "")?;
        for program in &app.binaries {
            name::check_program(program)?;
            let inside = format!("bin/{program}");
            if !view.join(&inside).is_file() {
                return Err(StoreError::AbsentProgram {
                    app: app.name.clone(),
                    program: program.clone(),
                    view: app.view.clone(),
                });
            }
            self.link(app, &inside, &inside)?;
        }
        self.share(app, &view)
    }

    /// Links every file under the view's `share`.
    fn share(&mut self, app: &'a GenerationApp, view: &Utf8Path) -> Result<(), StoreError> {
        if !view.join("share").is_dir() {
            return Ok(());
        }
        for entry in walkdir::WalkDir::new(view.join("share")).sort_by_file_name() {
            let entry = entry
                .map_err(std::io::Error::from)
                .context("look into", view)?;
            let path =
                Utf8Path::from_path(entry.path()).and_then(|path| path.strip_prefix(view).ok());
            let Some(inside) = path else {
                return Err(StoreError::Refused {
                    path: entry.path().to_string_lossy().escape_debug().to_string(),
                    reason: "its name is not UTF-8",
                });
            };
            if entry.file_type().is_dir() {
                disk::create_folder(&self.folder.join(inside))?;
            } else {
                self.link(app, inside.as_str(), inside.as_str())?;
            }
        }
        Ok(())
    }

    /// Makes one link, named relative to the generation, to something inside an app's view.
    fn link(&mut self, app: &'a GenerationApp, file: &str, inside: &str) -> Result<(), StoreError> {
        if let Some(first) = self.owners.insert(file.to_owned(), &app.name) {
            return Err(StoreError::Conflict {
                file: file.to_owned(),
                first: first.to_owned(),
                second: app.name.clone(),
            });
        }
        disk::link(&self.folder.join(file), &target(file, &app.view, inside))
    }
}

/// Returns where a link leads: `../../../../store/<view>/bin/rg` for `bin/rg`.
fn target(file: &str, view: &StorePath, inside: &str) -> Utf8PathBuf {
    let up = "../".repeat(TO_HOME + file.matches('/').count());
    let mut target = Utf8PathBuf::from(format!("{up}store/{view}"));
    if !inside.is_empty() {
        target.push(inside);
    }
    target
}
