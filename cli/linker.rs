//! Links inside builds: under the names of linkers the program does what they do, and more.
//!
//! | name | is called by | and |
//! |---|---|---|
//! | `orlop-linker` | rustc | records what a program is linked from |
//! | `ld` and its kin | the compiler of a native build | gives shared libraries names of their own |
//! | `orlop-native` | Orlop, after a native build | checks and completes what it made |

use std::error::Error;
use std::ffi::OsString;
use std::process::{ExitCode, ExitStatus};

use camino::Utf8Path;
use orlop_link::native::{self, NativeError, Surroundings};
use orlop_link::recorder;
use orlop_store::StorePath;
use orlop_store::job::{COMPLETER, LINKERS, NATIVE_VARIABLE};

use crate::error::chain;

/// The name of the linker that records link sets.
const RECORDER: &str = "orlop-linker";
/// Where the linkers are that the program stands for.
const REAL: &str = "/usr/bin";

/// What the program does under a name, with these words.
type Act = fn(&str, Vec<OsString>) -> Result<ExitCode, String>;

/// Returns what the program does under the file name `name`, if it is one of a linker.
pub(crate) fn act(name: &str) -> Option<impl Fn(Vec<OsString>) -> ExitCode> {
    let act: Act = match name {
        RECORDER => |_, words| record(words),
        COMPLETER => |_, words| complete(&words),
        name if LINKERS.contains(&name) => link,
        _ => return None,
    };
    let name = name.to_owned();
    Some(move |words| {
        act(&name, words).unwrap_or_else(|message| {
            #[expect(clippy::print_stderr, reason = "as a linker it speaks to its caller")]
            {
                eprintln!("{name}: {message}");
            }
            ExitCode::FAILURE
        })
    })
}

/// Acts as rustc's linker: see [`orlop_link::recorder`].
fn record(words: Vec<OsString>) -> Result<ExitCode, String> {
    let link_set = variable("ORLOP_LINK_SET")?;
    recorder::record(words, link_set.as_ref()).map_err(|error| told(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// Acts as a linker of native builds: see [`orlop_link::native`].
fn link(name: &str, words: Vec<OsString>) -> Result<ExitCode, String> {
    let object = object()?;
    let folder = tempfile::tempdir().map_err(|error| told(&error))?;
    let place = Utf8Path::from_path(folder.path()).ok_or("the folder for files is not UTF-8")?;
    let command = native::command(words.clone(), &object, place).map_err(|error| told(&error))?;
    let status = match &command {
        Some(command) => run(name, command.words.iter().map(OsString::from)),
        None => run(name, words),
    }?;
    if let Some(command) = command.filter(|_| status.success()) {
        command.finish().map_err(|error| told(&error))?;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Checks and completes what a native build made.
fn complete(words: &[OsString]) -> Result<ExitCode, String> {
    let mut folders = words.iter().map(|word| Utf8Path::from_path(word.as_ref()));
    let mut next = || folders.next().flatten().map(Utf8Path::to_owned);
    let (Some(folder), Some(workplace)) = (next(), next()) else {
        return Err("what was made and where is to be named".to_owned());
    };
    let around = Surroundings {
        workplace,
        natives: std::iter::from_fn(next).collect(),
    };
    native::complete(&folder, &object()?, &around).map_err(|error: NativeError| told(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the object that the build makes.
fn object() -> Result<StorePath, String> {
    let text = variable(NATIVE_VARIABLE)?;
    text.parse()
        .map_err(|_| format!("`{NATIVE_VARIABLE}` is `{text}`, which is no object"))
}

fn variable(name: &str) -> Result<String, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a build passes its environment on to its linker"
    )]
    std::env::var(name).map_err(|_| format!("`{name}` is not set"))
}

/// Runs the linker that the program stands for.
fn run(name: &str, words: impl IntoIterator<Item = OsString>) -> Result<ExitStatus, String> {
    let program = Utf8Path::new(REAL).join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "the compiler of a build has started us in the linker's place"
    )]
    let status = std::process::Command::new(&program).args(words).status();
    status.map_err(|error| format!("start `{program}`: {error}"))
}

/// Returns an error's message and those of its causes in one line.
fn told(error: &(dyn Error + 'static)) -> String {
    chain(error).join(": ")
}
