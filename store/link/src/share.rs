//! Man pages, completions and other files beside an app's programs: [`Share`].
//!
//! They are part of the view. What a program prints, it prints in the view that is being made, in
//! the sandbox, with nothing but the view and what it loads.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;

use camino::Utf8Path;
use orlop_store::digest::{ContentHash, Hasher};
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

/// Makes the files of an app in its view, which will be `view` and is whole but for them.
pub(crate) fn add(
    app: &App,
    view: &StorePath,
    staged: &Utf8Path,
    libraries: &BTreeSet<StorePath>,
    session: &Session<'_>,
) -> Result<(), LinkError> {
    for (place, file) in &app.share.files {
        let failed = |reason: String| LinkError::Share {
            app: format!("{} {}", app.name, app.version),
            place: place.clone(),
            reason,
        };
        let content = match file {
            SharedFile::Package(file) => session
                .context
                .files
                .read(&app.name, file)
                .map_err(|source| LinkError::SharedFile {
                    app: app.name.clone(),
                    file: file.clone(),
                    source,
                })?
                .ok_or_else(|| failed(format!("the package has no file `{file}`")))?,
            SharedFile::Printed(line) => {
                let output = JobOutput {
                    staged: staged.to_owned(),
                    path: view.clone(),
                };
                printed(app, line, output, libraries, session)?.map_err(failed)?
            }
        };
        let path = staged.join(FOLDER).join(place);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::write(path, content)?;
    }
    Ok(())
}

/// Runs a shell line; returns what it prints, or why that is of no use.
fn printed(
    app: &App,
    line: &str,
    output: JobOutput,
    libraries: &BTreeSet<StorePath>,
    session: &Session<'_>,
) -> Result<Result<Vec<u8>, String>, LinkError> {
    let folder = format!("share-{}", app.name);
    fs_err::create_dir_all(session.host(&folder))?;
    let log = session.host(format!("{folder}.log"));
    let programs = session.stored(&output.path, Utf8Path::new("bin"));
    let environment = [
        ("PATH", format!("{programs}:/usr/bin:/bin")),
        ("HOME", session.seen(&folder).into_string()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    let finished = session.context.runner.run(&Job {
        name: format!("{} {} (share)", app.name, app.version),
        program: "/bin/sh".into(),
        args: ["-eu", "-c", line].map(Into::into).to_vec(),
        environment: BTreeMap::from(environment.map(|(key, value)| (key.to_owned(), value))),
        folder: session.seen(&folder),
        c_tools: session.context.c_tools.clone(),
        inputs: session.context.store.closure(libraries)?,
        copies: Vec::new(),
        unfinished: BTreeMap::new(),
        output: Some(output),
        scratch: session.host(""),
        log: log.clone(),
        capture_stdout: true,
        messages: None,
        attended: false,
        slots: None,
    })?;
    Ok(if !finished.status.success() {
        let text = fs_err::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Err(format!("`{line}` ended with {}:\n{last}", finished.status))
    } else if finished.stdout.is_empty() {
        Err(format!("`{line}` prints nothing"))
    } else {
        Ok(finished.stdout)
    })
}
