//! Makes the folder of a generation.
//!
//! | entry | what |
//! |---|---|
//! | `bin/NAME` | a link to the program in its app's view |
//! | `share/…` | links to the man pages, completions and other files of the views |
//! | `views/APP` | a link to the app's view |
//! | `manifest.toml`, `lock.toml` | what it was made from |
//! | `libraries.toml` | which libraries its apps are compiled from: apart, as they are many and few ask |
//! | `record.toml` | what it is; no folder without it is a generation |
//! | `digest` | the digest of all the rest, so that `verify` finds damage |
//!
//! All links are relative, so that the home can be moved. A link that the generation before has as
//! well is another name of that one: it takes no room, and is made sooner.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::AtFlags;
use serde::Serialize;

use super::generation::{
    DIGEST, GenerationApp, LIBRARIES, LOCK, Libraries, MANIFEST, RECORD, Record,
};
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::tree::{self, Content, Entry, Kind, Tree};
use crate::{disk, name};

/// From a generation's folder to the home: `profiles/<name>/<number>`.
const TO_HOME: usize = 3;

/// Where a generation is made, and where from.
pub(super) struct Place<'a> {
    pub(super) home: &'a Utf8Path,
    /// Does not exist yet.
    pub(super) folder: &'a Utf8Path,
    /// The folder of a generation whose links may be used again.
    pub(super) like: Option<&'a Utf8Path>,
}

/// What a generation's files hold.
pub(super) struct Texts<'a> {
    pub(super) record: &'a Record,
    pub(super) libraries: &'a Libraries,
    pub(super) manifest: &'a str,
    pub(super) lock: &'a str,
}

/// Makes all that a generation consists of.
pub(super) fn build(place: &Place<'_>, texts: &Texts<'_>) -> Result<(), StoreError> {
    let folder = place.folder;
    disk::create_folder(folder)?;
    let open = |path| tree::open_parent(path).context("open the folder", path);
    let mut links = Links {
        place,
        open: open(folder)?,
        // Where there is none, all links are new.
        like: place.like.and_then(|like| tree::open_parent(like).ok()),
        owners: BTreeMap::new(),
        entries: Vec::new(),
    };
    for part in ["bin", "share", "views"] {
        links.folder(part)?;
    }
    for app in &texts.record.apps {
        links.app(app)?;
    }
    let mut entries = links.entries;
    let record = written(folder, RECORD, texts.record)?;
    let libraries = written(folder, LIBRARIES, texts.libraries)?;
    let mut files = vec![
        (MANIFEST, texts.manifest),
        (LOCK, texts.lock),
        (RECORD, &record),
    ];
    if texts.libraries.values().any(|used| !used.is_empty()) {
        files.push((LIBRARIES, &libraries));
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs_err::write(&path, text).context("write", &path)?;
        let content = Content::of(text.as_bytes());
        entries.push(Entry {
            path: name.to_owned(),
            kind: Kind::File(content),
        });
    }
    let path = folder.join(DIGEST);
    let digest = Tree::new(entries).digest().to_string();
    fs_err::write(&path, digest).context("write", &path)
}

fn written(folder: &Utf8Path, name: &str, value: &impl Serialize) -> Result<String, StoreError> {
    toml::to_string_pretty(value).map_err(|error| StoreError::Record {
        path: folder.join(name),
        source: Box::new(error),
    })
}

/// The links of a generation, and which app brought each.
struct Links<'a> {
    place: &'a Place<'a>,
    /// The folder, and that of the generation whose links may be used again: the way to them is
    /// walked once.
    open: OwnedFd,
    like: Option<OwnedFd>,
    owners: BTreeMap<String, &'a str>,
    /// What was made.
    entries: Vec<Entry>,
}

impl<'a> Links<'a> {
    fn app(&mut self, app: &'a GenerationApp) -> Result<(), StoreError> {
        name::check("an app", &app.name)?;
        let view = self.place.home.join("store").join(app.view.to_string());
        if !tree::top(&view)?.is_some_and(|top| top.is_dir()) {
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
        let share = view.join("share");
        if !fs_err::symlink_metadata(&share).is_ok_and(|share| share.is_dir()) {
            return Ok(());
        }
        for entry in walkdir::WalkDir::new(share).sort_by_file_name() {
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
                if let Some(first) = self.owners.get(inside.as_str()) {
                    return Err(conflict(inside.as_str(), first, app));
                }
                self.folder(inside.as_str())?;
            } else {
                self.link(app, inside.as_str(), inside.as_str())?;
            }
        }
        Ok(())
    }

    /// Makes one link, named relative to the generation, to something inside an app's view.
    fn link(&mut self, app: &'a GenerationApp, file: &str, inside: &str) -> Result<(), StoreError> {
        if let Some(first) = self.owners.insert(file.to_owned(), &app.name) {
            return Err(conflict(file, first, app));
        }
        let target = target(file, &app.view, inside);
        self.make(file, &target)?;
        self.entries.push(Entry {
            path: file.to_owned(),
            kind: Kind::Link {
                target: target.into_string(),
            },
        });
        Ok(())
    }

    fn make(&self, file: &str, target: &Utf8Path) -> Result<(), StoreError> {
        // Where it cannot have one more name, a new one is as good.
        if let Some(like) = &self.like
            && rustix::fs::readlinkat(like, file, Vec::new())
                .is_ok_and(|found| found.as_bytes() == target.as_str().as_bytes())
            && rustix::fs::linkat(like, file, &self.open, file, AtFlags::empty()).is_ok()
        {
            return Ok(());
        }
        match rustix::fs::symlinkat(target.as_str(), &self.open, file) {
            Ok(()) => Ok(()),
            Err(error) => Err(error).context("create the link", &self.place.folder.join(file)),
        }
    }

    /// Makes a folder, if an app before has not made it.
    fn folder(&mut self, inside: &str) -> Result<(), StoreError> {
        let path = self.place.folder.join(inside);
        match fs_err::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error).context("create the folder", &path),
        }
        self.entries.push(Entry {
            path: inside.to_owned(),
            kind: Kind::Folder,
        });
        Ok(())
    }
}

fn conflict(file: &str, first: &str, second: &GenerationApp) -> StoreError {
    StoreError::Conflict {
        file: file.to_owned(),
        first: first.to_owned(),
        second: second.name.clone(),
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
