//! [`check`]: builds again what is in the store, and compares bit for bit.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::{Derivation, Step, StorePath};

use crate::error::BuildError;
use crate::execute::{self, Context};
use crate::schedule::{self, Lane, Moment, Task, Times, Work, Workers};
use crate::workplace::{Site, Workplace};

/// What came of building one object again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rebuilt {
    /// The step, for people.
    pub name: String,
    /// The object.
    pub path: StorePath,
    /// The first file that differs, relative to the object.
    pub difference: Option<Utf8PathBuf>,
}

/// Builds the steps again, out of what is in the store and without changing it. Archives are not
/// unpacked again: their checksums say what is in them. All outputs and inputs must be in the store.
pub fn check(
    derivations: &[Derivation],
    context: &Context<'_>,
) -> Result<Vec<Rebuilt>, BuildError> {
    let steps: Vec<_> = derivations
        .iter()
        .filter(|derivation| !matches!(derivation.step, Step::Unpack(_)))
        .collect();
    let tasks: Vec<_> = steps
        .iter()
        .map(|_| Task {
            after: [].into(),
            lane: Lane::Build,
            times: Times::default(),
        })
        .collect();
    let workers = Workers {
        fetch: 1,
        build: context.jobs,
    };
    let checking = Checking {
        steps,
        site: Site::new(context)?,
        found: Mutex::default(),
    };
    schedule::run(&tasks, workers, &checking.site.slots, &checking)?;
    let found = checking.found.into_inner();
    let mut found = found.unwrap_or_else(PoisonError::into_inner);
    found.sort();
    Ok(found)
}

struct Checking<'a> {
    steps: Vec<&'a Derivation>,
    site: Site<'a>,
    found: Mutex<Vec<Rebuilt>>,
}

impl Work for Checking<'_> {
    type Made = Rebuilt;
    type Error = BuildError;

    fn make(&self, task: usize, _reached: &dyn Fn(Moment)) -> Result<Rebuilt, BuildError> {
        rebuild(self.steps[task], &self.site)
    }

    fn keep(&self, made: Vec<(usize, Rebuilt)>) -> Result<(), BuildError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.extend(made.into_iter().map(|(_, rebuilt)| rebuilt));
        Ok(())
    }
}

fn rebuild(derivation: &Derivation, site: &Site<'_>) -> Result<Rebuilt, BuildError> {
    let context = site.context;
    let path = derivation.path();
    let name = execute::label(derivation);
    let io = |source| BuildError::Io {
        name: name.clone(),
        source,
    };
    let staged = context.store.stage()?;
    let place = Workplace::new(site, &name, &path, derivation.inputs(), staged.folder())?;
    execute::run_step(&derivation.step, &place, None)?;
    drop(place);
    let digest = context.store.content(&staged)?;
    let known = context.store.info(&path)?.map(|info| info.content);
    let difference = if known == Some(digest) {
        None
    } else {
        let object = context.store.object(&path);
        // Without a file to name, it is a mode or a link.
        Some(
            first_difference(&object, staged.folder())
                .map_err(io)?
                .unwrap_or_default(),
        )
    };
    Ok(Rebuilt {
        name: name.clone(),
        path,
        difference,
    })
}

/// Returns the first file that two trees do not have in common.
fn first_difference(one: &Utf8Path, two: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    let (first, second) = (files(one)?, files(two)?);
    let names = first.keys().chain(second.keys());
    let mut differing: Vec<_> = names
        .filter(|name| first.get(*name) != second.get(*name))
        .collect();
    differing.sort();
    Ok(differing.first().map(|name| (*name).clone()))
}

/// Returns the digest of every file of a tree, and the target of every link.
fn files(root: &Utf8Path) -> io::Result<BTreeMap<Utf8PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![Utf8PathBuf::new()];
    while let Some(inside) = open.pop() {
        for entry in root.join(&inside).read_dir_utf8()? {
            let entry = entry?;
            let inside = inside.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(inside);
            } else if kind.is_symlink() {
                found.insert(
                    inside,
                    fs_err::read_link(entry.path())?.display().to_string(),
                );
            } else {
                let digest = blake3::hash(&fs_err::read(entry.path())?);
                found.insert(inside, digest.to_string());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, call, rustc, source};
    use orlop_store::derivation::CrateKind;

    #[test]
    fn the_first_differing_file_is_named() {
        let mut lab = Lab::new();
        let library = rustc(call("leaf", CrateKind::Library, &[]));
        lab.execute(&[&source("leaf"), &library]).unwrap();
        let again = |lab: &Lab| lab.check(&[&source("leaf"), &library]).unwrap();
        let rebuilt = Rebuilt {
            name: "leaf 1.0.0".into(),
            path: library.path(),
            difference: None,
        };
        assert_eq!(again(&lab), std::slice::from_ref(&rebuilt));
        lab.runner.output = "something else";
        let file = format!("libleaf-{}.rlib", library.path().short());
        assert_eq!(
            again(&lab),
            [Rebuilt {
                difference: Some(file.into()),
                ..rebuilt
            }]
        );
    }
}
