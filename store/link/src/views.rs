//! A view: one app's own tree, with the exact libraries its programs load.
//!
//! | path | is |
//! |---|---|
//! | `bin/<program>` | the program itself, one file with the linked app's by a hard link |
//! | `lib/<SONAME>` | a relative link into the object of a library |
//! | `share/…` | man pages, completions: see [`crate::share`] |
//!
//! The libraries of glibc are not in a view: they belong to the loader, and so to the system.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Object;
use orlop_loader::is_glibc;
use orlop_store::{Digest, Registration, Staged, StorePath};

use crate::error::LinkError;
use crate::passes;
use crate::record::RecordedView;
use crate::session::Session;
use crate::tools::{FORMAT, Libraries};
use crate::{App, Context, share};

/// An object that is to be added to the store.
pub(crate) type New = (Staged, StorePath, Registration);

/// A view that may not be in the store yet.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) app: &'a App,
    pub(crate) path: StorePath,
    /// The object with the app's programs.
    linked: StorePath,
    /// The objects of the libraries, by SONAME.
    pub(crate) libraries: BTreeMap<String, StorePath>,
}

impl<'a> Planned<'a> {
    /// Finds everything that an app's programs load. `ours` are the libraries that were linked for
    /// it, `others` all that may have to go along.
    pub(crate) fn new(
        app: &'a App,
        linked: StorePath,
        ours: &BTreeMap<String, StorePath>,
        others: &Libraries,
        session: &Session<'_>,
    ) -> Result<Self, LinkError> {
        let store = session.context.store;
        let mut libraries = BTreeMap::new();
        let programs = store.object(&linked).join("bin");
        let mut files: Vec<_> = app
            .programs
            .iter()
            .map(|program| programs.join(&program.name))
            .collect();
        while let Some(file) = files.pop() {
            for soname in Object::read(&file)?.needed {
                if is_glibc(&soname) || libraries.contains_key(&soname) {
                    continue;
                }
                let object = match (ours.get(&soname), others.find(&soname)) {
                    (Some(object), _) => object.clone(),
                    (None, Some(file)) => add_copy(&soname, &file, session)?,
                    (None, None) => {
                        let program = file.file_name().unwrap_or_default().to_owned();
                        return Err(LinkError::NoLibrary {
                            program,
                            library: soname,
                        });
                    }
                };
                files.push(store.object(&object).join("lib").join(&soname));
                libraries.insert(soname, object);
            }
        }
        let plain = (&linked, &libraries);
        let key = if app.share.is_empty() {
            Digest::of("orlop-view", &(FORMAT, plain))
        } else {
            let isolation = session.context.runner.isolation();
            Digest::of(
                "orlop-shared-view",
                &((FORMAT, isolation), (plain, &app.share)),
            )
        };
        let path = StorePath::new(key, &format!("{}-{}-view", app.name, app.version));
        Ok(Self {
            app,
            path,
            linked,
            libraries,
        })
    }

    /// Returns what is recorded of it.
    pub(crate) fn recorded(&self, context: &Context<'_>) -> RecordedView {
        RecordedView {
            input: self.app.input(context),
            path: self.path.clone(),
            libraries: self.libraries.values().cloned().collect(),
        }
    }

    /// Makes the view, unless it is in the store. `earlier` is the app's view of the link before, and
    /// the object that its programs are from.
    pub(crate) fn stage(
        &self,
        earlier: Option<&(RecordedView, StorePath)>,
        session: &Session<'_>,
    ) -> Result<Option<New>, LinkError> {
        let store = session.context.store;
        if store.contains(&self.path)? {
            return Ok(None);
        }
        let staged = store.stage()?;
        for folder in ["bin", "lib"] {
            fs_err::create_dir(staged.folder().join(folder))?;
        }
        for program in &self.app.programs {
            let file = Utf8Path::new("bin").join(&program.name);
            fs_err::copy(
                store.object(&self.linked).join(&file),
                staged.folder().join(&file),
            )?;
        }
        for (soname, object) in &self.libraries {
            let target = format!("../../{object}/lib/{soname}");
            fs_err::os::unix::fs::symlink(target, staged.folder().join("lib").join(soname))?;
        }
        // Not the linked app: its programs are here as well.
        let references: BTreeSet<_> = self.libraries.values().cloned().collect();
        let earlier = match earlier {
            Some(earlier) => self.same_files(earlier, session)?,
            None => None,
        };
        let view = share::View {
            app: self.app,
            path: &self.path,
            staged: staged.folder(),
            libraries: &references,
            earlier,
        };
        share::add(&view, session)?;
        let isolation = session.context.runner.isolation();
        let registration = Registration {
            references,
            derivation: None,
            isolation,
        };
        Ok(Some((staged, self.path.clone(), registration)))
    }

    /// Returns the folder of an earlier view if the files beside the programs are the same there:
    /// they are made of the same package by the same programs. Its libraries may have given less to
    /// others.
    fn same_files(
        &self,
        (earlier, programs): &(RecordedView, StorePath),
        session: &Session<'_>,
    ) -> Result<Option<Utf8PathBuf>, LinkError> {
        let store = session.context.store;
        let same = earlier.input == self.app.input(session.context)
            && *programs == self.linked
            && store.contains(&earlier.path)?;
        Ok(same.then(|| store.object(&earlier.path)))
    }
}

/// Adds a copy of a library that comes from elsewhere, so that a view keeps nothing else alive.
fn add_copy(soname: &str, file: &Utf8Path, session: &Session<'_>) -> Result<StorePath, LinkError> {
    let store = session.context.store;
    let file = store.real(file)?;
    let content = blake3::hash(&fs_err::read(&file)?);
    let key = Digest::of(
        "orlop-copied-library",
        &(soname, Digest::from_blake3(&content)),
    );
    let path = StorePath::new(key, soname);
    if !store.contains(&path)? {
        let staged = store.stage()?;
        let folder = staged.folder().join("lib");
        fs_err::create_dir(&folder)?;
        fs_err::copy(&file, folder.join(soname))?;
        passes::add(staged, &path, session)?;
    }
    Ok(path)
}
