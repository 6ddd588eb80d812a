//! [`Keep`]: which generations stay when gc may remove some; pins; what generations keep alive.
//!
//! A pin is an empty file `<number>.pinned` beside the generation.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rayon::prelude::*;

use super::{Generation, Profile};
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::{disk, root};

/// Which generations stay. One that either rule keeps does, and so do the current one and pinned
/// ones. One whose record cannot be read does not count among the newest, as nobody can go back to
/// it; and as nobody knows how old it is, it stays if there is a rule of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// That many, counted from the newest.
    pub newest: Option<usize>,
    /// Those made at this time or later.
    pub since: Option<Timestamp>,
}

/// An object that a generation keeps alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    /// The app that it belongs to, if it is one's own.
    pub(crate) app: Option<String>,
    /// Whether it is the app's view; the rest is only needed to link the next generation.
    pub(crate) is_view: bool,
    pub(crate) path: StorePath,
}

impl Profile {
    /// Protects a generation from [`Keep`].
    pub fn pin(&self, number: u64) -> Result<(), StoreError> {
        self.generation(number)?;
        disk::replace_file(&self.pin_path(number), b"")
    }

    /// Takes the protection away; returns whether there was one.
    pub fn unpin(&self, number: u64) -> Result<bool, StoreError> {
        let removed = disk::remove_file(&self.pin_path(number))?;
        if removed {
            disk::sync_folder(&self.folder)?;
        }
        Ok(removed)
    }

    /// Whether a generation is protected.
    pub fn is_pinned(&self, number: u64) -> Result<bool, StoreError> {
        disk::exists(&self.pin_path(number))
    }

    /// Returns the generations that `keep` lets go, oldest first.
    pub fn expired(&self, keep: Keep) -> Result<Vec<u64>, StoreError> {
        if keep == Keep::default() {
            return Ok(Vec::new());
        }
        let current = self.current_number()?;
        let mut newest = keep.newest.unwrap_or_default();
        let mut expired = Vec::new();
        for number in self.numbers()?.into_iter().rev() {
            let stays = match Generation::read(self.generation_folder(number), number) {
                Ok(Some(generation)) => {
                    let young = keep.since.is_some_and(|since| generation.created >= since);
                    let counts = newest > 0;
                    newest = newest.saturating_sub(1);
                    counts || young
                }
                _ => keep.since.is_some(),
            };
            if !stays && current != Some(number) && !self.is_pinned(number)? {
                expired.push(number);
            }
        }
        expired.reverse();
        Ok(expired)
    }

    fn pin_path(&self, number: u64) -> camino::Utf8PathBuf {
        self.folder.join(format!("{number}.pinned"))
    }
}

/// Returns the objects that the generations of a profile keep alive, but for those generations
/// that `skip` names. Of one whose record is damaged these are at least its views: it may be the
/// current one, and in use.
pub(crate) fn kept(
    profile: &Profile,
    skip: &dyn Fn(u64) -> bool,
) -> Result<BTreeSet<Kept>, StoreError> {
    let mut numbers = profile.numbers()?;
    numbers.retain(|&number| !skip(number));
    let kept = numbers
        .into_par_iter()
        .map(|number| kept_by(profile, number));
    let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
    Ok(kept.into_iter().flatten().collect())
}

fn kept_by(profile: &Profile, number: u64) -> Result<Vec<Kept>, StoreError> {
    let mut kept = Vec::new();
    let folder = profile.generation_folder(number);
    match Generation::read(folder.clone(), number) {
        Ok(generation) => kept.extend(generation.iter().flat_map(Generation::kept)),
        Err(error) => tracing::warn!("generation {number} of {}: {error}", profile.name),
    }
    let views = folder.join("views");
    for app in names(&views)? {
        let path = root::target(&views.join(&app))?;
        kept.extend(path.map(|path| Kept {
            number,
            app: Some(app),
            is_view: true,
            path,
        }));
    }
    Ok(kept)
}

/// Names in a folder of a generation, which somebody may have replaced by something else.
fn names(folder: &camino::Utf8Path) -> Result<Vec<String>, StoreError> {
    match fs_err::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => disk::names(folder),
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context("look at", folder),
    }
}
