//! [`Staged`] and [`Scratch`]: folders that are gone when nobody needs them any more.
//!
//! Each lies in `<home>/staging` and its maker holds a lock on the folder itself. When the maker
//! dies without cleaning up, the kernel drops the lock, and whoever opens the store next removes
//! every folder that it can lock.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::error::{Context as _, StoreError};
use crate::{disk, failpoint, lock, tree};

/// The folder in a home.
pub(crate) const FOLDER: &str = "staging";

/// An empty folder that becomes an object; removed with all it holds when dropped before that.
#[derive(Debug)]
pub struct Staged(Scratch);

impl Staged {
    pub(crate) fn new(staging: &Utf8Path) -> Result<Self, StoreError> {
        Scratch::new(staging).map(Self)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Utf8Path {
        self.0.folder()
    }

    /// Moves the folder to where it stays.
    pub(crate) fn move_to(self, path: &Utf8Path) -> Result<(), StoreError> {
        disk::rename(self.folder(), path)
    }
}

/// A folder to work in, closed to other users; removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: Utf8PathBuf,
    #[expect(dead_code, reason = "held for the lock")]
    lock: File,
}

impl Scratch {
    pub(crate) fn new(staging: &Utf8Path) -> Result<Self, StoreError> {
        loop {
            let folder = staging.join(disk::unique_name());
            match rustix::fs::mkdir(folder.as_str(), Mode::RWXU) {
                Ok(()) => {}
                // Left by a dead process that had our number.
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error).context("create the folder", &folder),
            }
            failpoint::reached("stage.folder")?;
            // Between these two steps somebody may have taken the folder for a leftover.
            if let Some(lock) = try_lock(&folder)?
                && lock::is_at(&lock, &folder)?
            {
                return Ok(Self { folder, lock });
            }
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns a path in the folder that nothing has yet.
    pub(crate) fn unique(&self) -> Utf8PathBuf {
        self.folder.join(disk::unique_name())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is lost if this fails: the folder is then a leftover for the next one to remove.
        if let Err(error) = tree::remove(&self.folder) {
            tracing::warn!("remove the folder {}: {error}", self.folder);
        }
    }
}

/// Removes what dead processes have left.
pub(crate) fn remove_leftovers(staging: &Utf8Path) -> Result<(), StoreError> {
    for name in disk::names(staging)? {
        let path = staging.join(name);
        if let Some(_lock) = try_lock(&path)? {
            tree::remove(&path)?;
            failpoint::reached("leftover.remove")?;
        }
    }
    Ok(())
}

/// Locks a folder; none if somebody else has it locked or it is gone.
fn try_lock(folder: &Utf8Path) -> Result<Option<File>, StoreError> {
    let file = match fs_err::File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            disk::set_mode(folder, 0o700)?;
            fs_err::File::open(folder)
        }
        result => result,
    };
    let file = match file {
        Ok(file) => file.into_parts().0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("open the folder", folder),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error).context("lock", folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[test]
    fn a_scratch_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = Home::new();
        let store = home.open();
        let scratch = store.scratch().unwrap();
        let folder = scratch.folder().to_owned();
        let mode = fs_err::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs_err::create_dir_all(folder.join("closed/deep")).unwrap();
        fs_err::write(folder.join("closed/deep/file"), "x").unwrap();
        disk::set_mode(&folder.join("closed/deep"), 0).unwrap();
        disk::set_mode(&folder.join("closed"), 0).unwrap();
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn leftovers_of_the_dead_go_and_folders_of_the_living_stay() {
        let home = Home::new();
        let store = home.open();
        let alive = store.stage().unwrap();
        let dead = home.path().join("staging/1-0");
        fs_err::create_dir_all(dead.join("tree")).unwrap();
        disk::set_mode(&dead, 0).unwrap();
        fs_err::write(home.path().join("staging/stray"), "x").unwrap();
        let _other = home.open();
        assert_eq!(
            disk::names(&home.path().join("staging")).unwrap(),
            [alive.folder().file_name().unwrap()]
        );
    }

    #[test]
    fn makers_and_cleaners_do_not_disturb_each_other() {
        let home = Home::new();
        let store = home.open();
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let scratch = store.scratch().unwrap();
                            fs_err::write(scratch.folder().join("x"), "x").unwrap();
                        }
                    })
                })
                .collect();
            while !makers
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
            {
                remove_leftovers(&home.path().join("staging")).unwrap();
            }
        });
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }
}
