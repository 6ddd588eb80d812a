//! [`Profile`]: a row of generations, one of them current.
//!
//! | module | holds |
//! |---|---|
//! | `generation` | [`Generation`], [`NewGeneration`], the record on disk |
//! | `build` | the folder of a generation, with its links |
//! | `switch` | the link `current` |
//! | `expiry` | [`Keep`]: which generations stay; pins; what generations keep alive |
//!
//! A generation is built in a folder of another name and renamed when it is on disk, so it is
//! complete or absent. What it shows never changes afterwards.

mod build;
mod expiry;
mod generation;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use rayon::prelude::*;

use self::build::{Place, Texts};
pub use self::expiry::Keep;
pub(crate) use self::expiry::kept;
use self::generation::Record;
pub use self::generation::{
    Generation, GenerationApp, GenerationTest, Libraries, NewGeneration, TestNeed,
};
use crate::error::StoreError;
use crate::failpoint;
use crate::lock::ProfileLock;
use crate::{disk, name, tree};

/// The middle of the name of a generation in the making: `4.tmp-4711`.
const UNFINISHED: &str = ".tmp-";

/// A named row of generations.
#[derive(Debug, Clone)]
pub struct Profile {
    home: Utf8PathBuf,
    folder: Utf8PathBuf,
    name: String,
    now: Timestamp,
}

impl Profile {
    pub(crate) fn new(home: &Utf8Path, name: &str, now: Timestamp) -> Result<Self, StoreError> {
        name::check("a profile", name)?;
        Ok(Self {
            home: home.to_owned(),
            folder: home.join("profiles").join(name),
            name: name.to_owned(),
            now,
        })
    }

    /// Returns its folder: `<home>/profiles/<name>`. It exists once [`Profile::lock`] was called.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is such a profile: it has, or once had, something to hold. A folder alone is
    /// what a first command leaves that came to nothing.
    pub fn exists(&self) -> Result<bool, StoreError> {
        Ok(disk::exists(&self.manifest_path())?
            || disk::exists(&self.folder.join("current"))?
            || !self.numbers()?.is_empty())
    }

    /// Returns where its manifest is, the file that `install` edits.
    pub fn manifest_path(&self) -> Utf8PathBuf {
        self.folder.join("orlop.toml")
    }

    /// Returns where its lock file is.
    pub fn lock_path(&self) -> Utf8PathBuf {
        self.folder.join("orlop.lock")
    }

    /// Returns the current generation; none if there has never been one.
    pub fn current(&self) -> Result<Option<Generation>, StoreError> {
        self.current_number()?
            .map(|number| self.generation(number))
            .transpose()
    }

    /// Returns all complete generations, oldest first. One that somebody damaged is left out, and
    /// [`Profile::generation`] tells what is wrong with it.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        let read = |number| match Generation::read(self.generation_folder(number), number) {
            Ok(generation) => generation,
            Err(error) => {
                tracing::warn!("generation {number} of {}: {error}", self.name);
                None
            }
        };
        // There may be hundreds.
        Ok(self.numbers()?.into_par_iter().filter_map(read).collect())
    }

    /// Returns one generation.
    pub fn generation(&self, number: u64) -> Result<Generation, StoreError> {
        Generation::read(self.generation_folder(number), number)?.ok_or_else(|| {
            StoreError::NoGeneration {
                profile: self.name.clone(),
                number,
            }
        })
    }

    /// Makes a generation and switches to it. The caller holds [`Profile::lock`].
    pub fn commit(&self, new: NewGeneration) -> Result<Generation, StoreError> {
        let NewGeneration {
            command,
            apps,
            libraries,
            keep,
            manifest,
            lock,
        } = new;
        for path in &keep {
            if !tree::top(&self.home.join("store").join(path.to_string()))?
                .is_some_and(|top| top.is_dir())
            {
                return Err(StoreError::Absent { path: path.clone() });
            }
        }
        disk::create_folder(&self.folder)?;
        let parent = self.current_number()?;
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let record = Record {
            parent,
            created: self.now,
            command,
            keep,
            apps,
        };
        let unfinished = self
            .folder
            .join(format!("{number}{UNFINISHED}{}", std::process::id()));
        let like = parent.map(|parent| self.generation_folder(parent));
        let place = Place {
            home: &self.home,
            folder: &unfinished,
            like: like.as_deref(),
        };
        let texts = Texts {
            record: &record,
            libraries: &libraries,
            manifest: &manifest,
            lock: &lock,
        };
        let built = build::build(&place, &texts)
            .and_then(|()| failpoint::reached("commit.build"))
            .and_then(|()| disk::sync_file_system(&unfinished))
            .and_then(|()| failpoint::reached("commit.sync"))
            .and_then(|()| disk::rename(&unfinished, &self.generation_folder(number)));
        if let Err(error) = built {
            tree::remove(&unfinished)?;
            return Err(error);
        }
        failpoint::reached("commit.rename")?;
        // The folder is not waited for in between: the generation and the link are both in it, and what
        // happens in one folder reaches the disk in its order.
        self.show(number, &manifest, &lock)?;
        let folder = self.generation_folder(number);
        Ok(Generation::new(folder, number, record))
    }

    /// Makes the links of a damaged generation again from its record; returns whether it is then
    /// what it was when it was made. If not, it stays as it is. The caller holds
    /// [`Profile::lock`].
    pub fn mend(&self, number: u64) -> Result<bool, StoreError> {
        let Ok(generation) = self.generation(number) else {
            return Ok(false);
        };
        let folder = self.generation_folder(number);
        let read = (
            generation.libraries(),
            generation.manifest(),
            generation.lock(),
        );
        let (Ok(libraries), Ok(manifest), Ok(lock)) = read else {
            return Ok(false);
        };
        let expected = fs_err::read_to_string(folder.join(generation::DIGEST));
        let new = self
            .folder
            .join(format!("{number}{UNFINISHED}{}", std::process::id()));
        let place = Place {
            home: &self.home,
            folder: &new,
            like: None,
        };
        let texts = Texts {
            record: &generation.record(),
            libraries: &libraries,
            manifest: &manifest,
            lock: &lock,
        };
        let built = build::build(&place, &texts);
        let right = built.is_ok()
            && fs_err::read_to_string(new.join(generation::DIGEST)).ok() == expected.ok();
        if right {
            disk::sync_file_system(&new)?;
            failpoint::reached("mend.sync")?;
            disk::exchange(&new, &folder)?;
            failpoint::reached("mend.exchange")?;
            disk::sync_folder(&self.folder)?;
        }
        tree::remove(&new)?;
        Ok(right)
    }

    /// Removes a generation that is not the current one, whether it can be read or not. The caller
    /// holds [`Profile::lock`].
    pub fn remove(&self, number: u64) -> Result<(), StoreError> {
        if !self.numbers()?.contains(&number) {
            let profile = self.name.clone();
            return Err(StoreError::NoGeneration { profile, number });
        }
        if self.current_number()? == Some(number) {
            let profile = self.name.clone();
            return Err(StoreError::CurrentGeneration { profile, number });
        }
        // Under its number it is complete until it is gone.
        let leaving = self
            .folder
            .join(format!("{number}{UNFINISHED}{}", std::process::id()));
        disk::rename(&self.generation_folder(number), &leaving)?;
        failpoint::reached("remove.rename")?;
        disk::sync_folder(&self.folder)?;
        tree::remove(&leaving).map(drop)
    }

    /// Becomes the only writer of the profile, waiting if there is another; `waiting` is told for
    /// whom. Makes the profile's folder, and removes what a writer that died has left there.
    pub fn lock(&self, waiting: &mut dyn FnMut(String)) -> Result<ProfileLock, StoreError> {
        let lock = ProfileLock::new(&self.home, &self.name, waiting)?;
        disk::create_folder(&self.folder)?;
        for name in disk::names(&self.folder)? {
            if name.contains(UNFINISHED) || is_link_in_the_making(&name) {
                tree::remove(&self.folder.join(name))?;
            }
        }
        Ok(lock)
    }

    /// Returns the numbers of all folders that are or were generations, in order.
    pub(crate) fn numbers(&self) -> Result<BTreeSet<u64>, StoreError> {
        let names = disk::names(&self.folder)?;
        let number = |name: &String| name.parse().ok().filter(|n: &u64| n.to_string() == *name);
        Ok(names.iter().filter_map(number).collect())
    }

    fn generation_folder(&self, number: u64) -> Utf8PathBuf {
        self.folder.join(number.to_string())
    }
}

/// See [`disk::replace_link`].
fn is_link_in_the_making(name: &str) -> bool {
    name.strip_prefix('.')
        .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()))
}
