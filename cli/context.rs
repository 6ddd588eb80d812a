//! [`Context`]: what a command needs of the world. The only reader of the environment and the
//! clock.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orlop_build::sandbox::{Sandbox, Unconfined};
use orlop_index::{
    Patience, Progress as IndexProgress, Registry, RegistryOptions, Source, Workshop,
};
use orlop_recipes::{RecipeSet, Wish, closest};
use orlop_store::{Profile, Runner, Store, StoreError};

use crate::args::{Global, SandboxChoice};
use crate::error::{CommandError, Kind};
use crate::files;
use crate::ui::Ui;

/// The hint where the home cannot be used.
const ELSEWHERE: &str = "name another place: `orlop --home DIR …`, or set `ORLOP_HOME`";

/// What divides the folders of search paths, and of which; nothing can stand for it there.
const DIVIDERS: [(char, &str); 2] = [
    (':', "`PATH` and `LD_LIBRARY_PATH`"),
    (';', "`LD_LIBRARY_PATH`"),
];

/// The profile of who names none.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// The world, read once.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    pub(crate) global: Global,
    /// `--home`, or its default.
    pub(crate) home: Utf8PathBuf,
    /// When the command began.
    pub(crate) now: Timestamp,
    /// The command line, for the record of a generation.
    pub(crate) command_line: String,
    /// The folders of `PATH`.
    pub(crate) search_path: Vec<Utf8PathBuf>,
    /// Where rustup keeps toolchains, if it is there.
    pub(crate) rustup_home: Option<Utf8PathBuf>,
    /// `--index`, or its default.
    index: Option<String>,
    cargo_home: Option<Utf8PathBuf>,
    program: Utf8PathBuf,
}

/// Reads a variable; an empty one counts as an unset one.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment and the clock are read"
)]
fn raw_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Reads a variable that must be text: a place that is not the one that was named would be taken
/// otherwise.
fn variable(name: &str) -> Result<Option<String>, CommandError> {
    let value = raw_variable(name).map(OsString::into_string).transpose();
    value.map_err(|_| {
        CommandError::usage(format!("the value of the variable `{name}` is not UTF-8"))
    })
}

/// The folders of `PATH`. No other file can be named than one whose path is text.
fn search_path() -> Vec<Utf8PathBuf> {
    let value = raw_variable("PATH");
    let folders = value.iter().flat_map(std::env::split_paths);
    folders
        .filter_map(|folder| Utf8PathBuf::from_path_buf(folder).ok())
        .collect()
}

impl Context {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment and the clock are read"
    )]
    pub(crate) fn new(global: Global) -> Result<Self, CommandError> {
        let no_color = raw_variable("NO_COLOR").is_some();
        let in_ci = raw_variable("CI").is_some();
        let dumb = raw_variable("TERM").is_some_and(|terminal| terminal == "dumb");
        let ui = Ui::new(&global, no_color, in_ci, dumb);
        let user_home = variable("HOME")?.map(Utf8PathBuf::from);
        let below_home = |folder: &str| user_home.as_ref().map(|home| home.join(folder));
        for (option, value) in [
            ("--home", global.home.as_ref().map(|home| home.as_str())),
            ("--index", global.index.as_deref()),
        ] {
            if value == Some("") {
                return Err(CommandError::usage(format!(
                    "`{option}` names no place: what is behind it is empty"
                )));
            }
        }
        let named = match global.home.clone() {
            Some(home) => Some(home),
            None => variable("ORLOP_HOME")?.map(Utf8PathBuf::from),
        };
        let home = match named {
            Some(home) => home,
            None => variable("XDG_DATA_HOME")?
                .map(Utf8PathBuf::from)
                .filter(|folder| folder.is_absolute())
                .or_else(|| below_home(".local/share"))
                .map(|data| data.join("orlop"))
                .ok_or_else(|| {
                    CommandError::usage("there is no place to keep apps: `HOME` is not set")
                        .hint("name one: `orlop --home DIR …`, or set `ORLOP_HOME`")
                })?,
        };
        let path = |path: std::path::PathBuf| {
            Utf8PathBuf::from_path_buf(path).map_err(|path| {
                CommandError::usage(format!("the path `{}` is not UTF-8", path.display()))
            })
        };
        let io = |error: std::io::Error| CommandError::new(Kind::Failed, error);
        let home = path(std::path::absolute(&home).map_err(io)?)?;
        refuse_unusable(&home)?;
        let program = path(std::env::current_exe().map_err(io)?)?;
        Ok(Self {
            ui,
            home,
            now: Timestamp::now(),
            command_line: command_line(),
            search_path: search_path(),
            rustup_home: variable("RUSTUP_HOME")?
                .map(Utf8PathBuf::from)
                .or_else(|| below_home(".rustup")),
            index: match global.index.clone() {
                Some(index) => Some(index),
                None => variable("ORLOP_INDEX")?,
            },
            cargo_home: variable("CARGO_HOME")?
                .map(Utf8PathBuf::from)
                .or_else(|| below_home(".cargo")),
            program,
            global,
        })
    }

    pub(crate) fn store(&self) -> Result<Store, CommandError> {
        Store::open(&self.home, self.now).map_err(elsewhere)
    }

    /// The store for gc, which needs no room.
    pub(crate) fn store_to_free(&self) -> Result<Store, CommandError> {
        Store::open_to_free(&self.home, self.now).map_err(elsewhere)
    }

    /// The store and the profile, for commands that may do with profiles alone: they start sooner.
    pub(crate) fn open_profile(&self) -> Result<(Store, Profile), CommandError> {
        let store = Store::open_for_profiles(&self.home, self.now).map_err(elsewhere)?;
        let profile = self.existing_profile(&store)?;
        Ok((store, profile))
    }

    /// The same for commands that only look.
    pub(crate) fn read_profile(&self) -> Result<(Store, Profile), CommandError> {
        let store = Store::open_to_read(&self.home, self.now)?;
        let profile = self.existing_profile(&store)?;
        Ok((store, profile))
    }

    /// The profile of `--profile`, or `default`; it need not be there yet.
    pub(crate) fn profile(&self, store: &Store) -> Result<Profile, CommandError> {
        Ok(store.profile(self.global.profile.as_deref().unwrap_or(DEFAULT_PROFILE))?)
    }

    /// The same, for commands that need something to be there: a name that is mistyped must not
    /// look like a profile without apps.
    pub(crate) fn existing_profile(&self, store: &Store) -> Result<Profile, CommandError> {
        let profile = self.profile(store)?;
        // That one nobody has to make.
        if profile.name() == DEFAULT_PROFILE || profile.exists()? {
            return Ok(profile);
        }
        let mut others = Vec::new();
        for name in store.profiles()? {
            // Folders of other names are none of ours.
            if store
                .profile(&name)
                .is_ok_and(|one| matches!(one.exists(), Ok(true)))
            {
                others.push(name);
            }
        }
        Err(no_profile(profile.name(), &others))
    }

    /// Refuses a day that has not begun, and a time that has not come: nobody knows what will have
    /// been published by then. The day of today is fine; it means all that there is.
    pub(crate) fn refuse_future(&self, snapshot: Option<Timestamp>) -> Result<(), CommandError> {
        let Some(snapshot) = snapshot.filter(|snapshot| *snapshot > self.now) else {
            return Ok(());
        };
        let day = |time: Timestamp| TimeZone::UTC.to_datetime(time).date().to_string();
        let today = day(self.now);
        if orlop_recipes::snapshot(&today) == Ok(snapshot) {
            return Ok(());
        }
        let now = self.now.strftime("%F %R");
        Err(CommandError::usage(format!(
            "the snapshot {} lies in the future: it is {now} UTC, and what will be published until \
             then is not known",
            snapshot.strftime("%F %R UTC")
        ))
        .about(Wish::Snapshot(snapshot))
        .hint(format!("take the registry as it is: `--snapshot {today}`")))
    }

    /// Says up to which time the registry is known, where that is not the one that was wanted.
    pub(crate) fn tell_known(&self, known: Timestamp) {
        let known = known.strftime("%F %R");
        self.ui.status(format!(
            "What is needed of the registry is known as of {known} UTC"
        ));
    }

    pub(crate) fn jobs(&self) -> usize {
        self.global
            .jobs
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, std::num::NonZeroUsize::get)
    }

    /// What builds and links run in.
    /// `folder` must last as long as the runner.
    pub(crate) fn runner(
        &self,
        store: &Store,
        folder: &Utf8Path,
    ) -> Result<Box<dyn Runner>, CommandError> {
        match self.global.sandbox {
            SandboxChoice::None => {
                let runner = Unconfined::new(&self.program, &store.folder(), folder)
                    .map_err(|error| CommandError::new(Kind::Failed, error))?;
                Ok(Box::new(runner))
            }
            SandboxChoice::Full => {
                let sandbox = Sandbox::new(&self.program, &store.folder());
                sandbox.probe()?;
                Ok(Box::new(sandbox))
            }
        }
    }

    pub(crate) fn registry<'a>(
        &'a self,
        snapshot: Timestamp,
        recipes: &RecipeSet,
        progress: &'a dyn IndexProgress,
    ) -> Result<Registry<'a>, CommandError> {
        Ok(Registry::open(RegistryOptions {
            home: &self.home,
            source: self.source()?,
            archives: self.usual_source()?,
            offline: self.global.offline,
            now: self.now,
            snapshot,
            known: recipes.apps().map(|app| app.name.clone()).collect(),
            patience: Patience::default(),
            progress,
        })?)
    }

    /// What packs packages that do not come from a registry.
    pub(crate) fn workshop(&self) -> Workshop {
        Workshop {
            home: self.home.clone(),
            git: self.find_program("git"),
            offline: self.global.offline,
        }
    }

    /// The registry: the one that is named, else what the user's Cargo configuration puts in the place of
    /// crates.io, else crates.io.
    fn source(&self) -> Result<Source, CommandError> {
        if let Some(index) = &self.index {
            return Ok(if index.contains("://") {
                Source::Sparse(index.clone())
            } else {
                Source::Directory(self.absolute(Utf8Path::new(index))?)
            });
        }
        self.usual_source()
    }

    /// The registry if none is named.
    fn usual_source(&self) -> Result<Source, CommandError> {
        let mut texts: Vec<(Utf8PathBuf, String)> = Vec::new();
        // In Cargo's order.
        for name in ["config", "config.toml"] {
            let Some(path) = self.cargo_home.as_ref().map(|folder| folder.join(name)) else {
                continue;
            };
            if let Some(text) = files::read_if_there(&path)? {
                texts.push((path, text));
                break;
            }
        }
        let texts: Vec<_> = texts
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_str()))
            .collect();
        Ok(Source::from_cargo_config(&texts)?)
    }

    /// Completes a path from the working folder.
    #[expect(
        clippy::unused_self,
        reason = "the working folder is a part of the world"
    )]
    pub(crate) fn absolute(&self, path: &Utf8Path) -> Result<Utf8PathBuf, CommandError> {
        let path =
            std::path::absolute(path).map_err(|error| CommandError::new(Kind::Failed, error))?;
        Utf8PathBuf::from_path_buf(path).map_err(|path| {
            CommandError::usage(format!("the path `{}` is not UTF-8", path.display()))
        })
    }

    /// Finds a program in `PATH`.
    pub(crate) fn find_program(&self, name: &str) -> Option<Utf8PathBuf> {
        self.search_path
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    }
}

fn no_profile(name: &str, others: &[String]) -> CommandError {
    let error = CommandError::failed(format!("there is no profile `{name}`"));
    let close = closest(name, others.iter().map(String::as_str));
    match (close, others) {
        (Some(close), _) => error.hint(format!("did you mean `-p {close}`?")),
        (None, []) => error.hint("the first app makes it: `orlop install APP`"),
        (None, others) => error
            .hint(format!("there are: `{}`", others.join("`, `")))
            .hint("the first app makes it: `orlop install APP`"),
    }
}

/// Refuses a home in which no app would work.
fn refuse_unusable(home: &Utf8Path) -> Result<(), CommandError> {
    let reason = if home.is_file() {
        format!("`{home}` is a file")
    } else if let Some((divider, paths)) = DIVIDERS.iter().find(|(c, _)| home.as_str().contains(*c))
    {
        format!(
            "`{home}` has a `{divider}` in it, which divides the folders of {paths}: what lies below \
             it would not be found"
        )
    } else {
        return Ok(());
    };
    let error = CommandError::usage(format!("there is no place to keep apps: {reason}"));
    Err(error.hint(ELSEWHERE))
}

fn elsewhere(error: StoreError) -> CommandError {
    let error = CommandError::from(error);
    if error.lacks_room() {
        error
    } else {
        error.hint(ELSEWHERE)
    }
}

/// The command line as typed, with quotes where a shell needs them.
fn command_line() -> String {
    let words = std::env::args_os().enumerate().map(|(position, word)| {
        if position == 0 {
            return "orlop".to_owned();
        }
        // Arguments of a program that is run may be any bytes.
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=@,:+^~*%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''").escape_debug())
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
