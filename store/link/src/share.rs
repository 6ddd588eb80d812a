//! Man pages, completions and other files beside an app's programs: [`Share`].
//!
//! They are part of the view. What a program prints, it prints in the sandbox, with nothing but the
//! view that is being made and what it loads; of these it can change nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::Isolation;
use orlop_store::digest::{ContentHash, Hasher};
use orlop_store::said::last_lines;
use orlop_store::{Job, JobOutput, StorePath};

use crate::App;
use crate::error::LinkError;
use crate::session::Session;

/// The folder in a view.
const FOLDER: &str = "share";

/// How many of the last lines of a failed command are shown.
const LINES: usize = 10;

/// The files beside an app's programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// What identifies the package that files are taken from: the checksum of its archive.
    pub package: String,
    /// The files, by their places below `share`.
    pub files: BTreeMap<String, SharedFile>,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedFile {
    /// A file of the package.
    Package(String),
    /// What a shell line prints, with the app's programs in `PATH`.
    Printed(String),
}

/// Gives files of packages.
pub trait Files: Sync {
    /// Returns the content of a file of an app's package; nothing if the package does not have it.
    fn read(
        &self,
        app: &str,
        file: &str,
    ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>>;
}

/// Gives no file: for apps that take none.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
        Ok(None)
    }
}

impl Share {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl ContentHash for Share {
    fn hash(&self, hasher: &mut Hasher) {
        let Self { package, files } = self;
        (package, files).hash(hasher);
    }
}

impl ContentHash for SharedFile {
    fn hash(&self, hasher: &mut Hasher) {
        match self {
            Self::Package(file) => (&0_u64, file).hash(hasher),
            Self::Printed(line) => (&1_u64, line).hash(hasher),
        }
    }
}

/// A view that is being made, and is whole but for these files.
pub(crate) struct View<'a> {
    pub(crate) app: &'a App,
    /// Its object.
    pub(crate) path: &'a StorePath,
    /// Where it is being made.
    pub(crate) staged: &'a Utf8Path,
    /// The objects of its libraries.
    pub(crate) libraries: &'a BTreeSet<StorePath>,
    /// The folder of a view that has the same files.
    pub(crate) earlier: Option<Utf8PathBuf>,
}

/// Makes the files of an app in its view.
pub(crate) fn add(view: &View<'_>, session: &Session<'_>) -> Result<(), LinkError> {
    for (place, file) in &view.app.share.files {
        let earlier = view.earlier.as_ref();
        let earlier = earlier.map(|earlier| earlier.join(FOLDER).join(place));
        let content = match earlier.filter(|earlier| earlier.is_file()) {
            Some(earlier) => fs_err::read(earlier)?,
            None => content(view, place, file, session)?,
        };
        let path = view.staged.join(FOLDER).join(place);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::write(path, content)?;
    }
    Ok(())
}

fn content(
    view: &View<'_>,
    place: &str,
    file: &SharedFile,
    session: &Session<'_>,
) -> Result<Vec<u8>, LinkError> {
    let app = view.app;
    let failed = |reason: String| LinkError::Share {
        app: format!("{} {}", app.name, app.version),
        place: place.to_owned(),
        reason,
    };
    match file {
        SharedFile::Package(file) => session
            .context
            .files
            .read(&app.name, file)
            .map_err(|source| LinkError::SharedFile {
                app: app.name.clone(),
                file: file.clone(),
                source,
            })?
            .ok_or_else(|| failed(format!("the package has no file `{file}`"))),
        SharedFile::Printed(line) => printed(view, line, session)?.map_err(failed),
    }
}

/// Runs a shell line; returns what it prints, or why that is of no use.
fn printed(
    view: &View<'_>,
    line: &str,
    session: &Session<'_>,
) -> Result<Result<Vec<u8>, String>, LinkError> {
    let app = view.app;
    let runner = session.context.runner;
    // A program that could write to the view could leave links in it, and what is written to the
    // view afterwards would go where they lead.
    let (shown, output) = match runner.isolation() {
        Isolation::Full => ([(view.path.clone(), view.staged.to_owned())].into(), None),
        Isolation::None => (BTreeMap::new(), Some(output(view))),
    };
    let own = session.context.store.scratch()?;
    let home = format!("share-{}", view.path.digest());
    fs_err::create_dir(own.folder().join(&home))?;
    let log = session.host(format!("{home}.log"));
    let seen = runner.view().scratch(own.folder()).join(home);
    let programs = session.stored(view.path, Utf8Path::new("bin"));
    let mut environment = vec![
        ("PATH", format!("{programs}:/usr/bin:/bin")),
        ("HOME", seen.to_string()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    if output.is_some() {
        // There the loader goes by where the view lies yet, from where its links lead nowhere.
        let folders = view.libraries.iter();
        let folders =
            folders.map(|object| session.stored(object, Utf8Path::new("lib")).to_string());
        environment.push(("LD_LIBRARY_PATH", folders.collect::<Vec<_>>().join(":")));
    }
    let finished = runner.run(&Job {
        name: format!("{} {} (share)", app.name, app.version),
        program: "/bin/sh".into(),
        args: ["-eu", "-c", line].map(Into::into).to_vec(),
        environment: (environment.into_iter())
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        folder: seen,
        c_tools: session.context.c_tools.clone(),
        inputs: session.context.store.closure(view.libraries)?,
        copies: Vec::new(),
        unfinished: shown,
        output,
        scratch: own.folder().to_owned(),
        log: log.clone(),
        capture_stdout: true,
        messages: None,
        attended: false,
        slots: None,
    })?;
    Ok(if !finished.status.success() {
        let last = last_lines(&log, 0, LINES).join("\n");
        let said = match last.trim() {
            "" => " and said nothing".to_owned(),
            _ => format!(":\n{last}"),
        };
        Err(format!("`{line}` ended with {}{said}", finished.status))
    } else if finished.stdout.is_empty() {
        Err(format!("`{line}` prints nothing"))
    } else {
        Ok(finished.stdout)
    })
}

/// Without mounts, a view is only seen at its place as something that a job makes.
fn output(view: &View<'_>) -> JobOutput {
    JobOutput {
        staged: view.staged.to_owned(),
        path: view.path.clone(),
    }
}
