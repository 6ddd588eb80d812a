//! [`try_library`]: the test of a native library, run again against what is in the store.
//!
//! It sees what a build sees that uses the library, and nothing that it makes stays.

use std::collections::BTreeSet;

use orlop_store::derivation::{Helpers, NativeBuild, Outputs, Tools};
use orlop_store::{Digest, Step, StorePath};

use crate::error::BuildError;
use crate::execute::Context;
use crate::native;
use crate::workplace::{Command, Site, Workplace};

/// A test of a native library.
#[derive(Debug, Clone)]
pub struct LibraryTest {
    /// The library, for people.
    pub name: String,
    /// Its object, which must be in the store.
    pub object: StorePath,
    /// Run by `sh -eu` in an empty folder; `$out` is the library.
    pub script: String,
    /// Programs that it starts.
    pub helpers: Helpers,
    /// What it runs with.
    pub tools: Tools,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Whether it succeeded.
    pub passed: bool,
    /// What it said last, if it failed.
    pub said: Vec<String>,
}

/// Runs the test of a native library.
pub fn try_library(test: &LibraryTest, context: &Context<'_>) -> Result<Tried, BuildError> {
    let mut natives = BTreeSet::from([test.object.clone()]);
    if let Some(Step::Native(build)) = step(test, context)? {
        natives.extend(build.natives);
    }
    let build = NativeBuild {
        tools: test.tools.clone(),
        // Nothing of it is copied: it is an input anyway.
        source: test.object.clone(),
        script: test.script.clone(),
        natives,
        helpers: test.helpers.clone(),
        environment: [].into(),
        outputs: Outputs::default(),
    };
    let site = Site::for_visits(context)?;
    let staged = context.store.stage()?;
    let digest = Digest::of("orlop-library-test", &build);
    let path = StorePath::new(digest, &format!("{}-test", test.object.name()));
    let place = Workplace::new(&site, &test.name, &path, build.inputs(), staged.folder())?;
    place.isolation(&build.tools)?;
    match place.run(command(&build, test, &place)?, &build.tools) {
        Ok(_) => Ok(Tried {
            passed: true,
            said: Vec::new(),
        }),
        Err(BuildError::Failed(failed)) => Ok(Tried {
            passed: false,
            said: failed.last_lines,
        }),
        Err(error) => Err(error),
    }
}

fn step(test: &LibraryTest, context: &Context<'_>) -> Result<Option<Step>, BuildError> {
    let derivation = context.store.derivation(&test.object)?;
    Ok(derivation.map(|derivation| derivation.step))
}

fn command(
    build: &NativeBuild,
    test: &LibraryTest,
    place: &Workplace<'_>,
) -> Result<Command, BuildError> {
    let folder = "test";
    place.io(fs_err::create_dir(place.scratch().join(folder)))?;
    let command = native::script(build, folder, place)?;
    let mut environment = command.environment;
    let library = place.seen.object(&test.object);
    environment.insert("out".into(), library.into());
    Ok(Command {
        environment,
        ..command
    })
}
