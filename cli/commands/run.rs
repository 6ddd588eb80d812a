//! `run`: a program of an installed app takes this process's place.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use orlop_build::log::quoted;

use crate::args::Run;
use crate::context::Context;
use crate::error::{CommandError, Kind};

pub(super) fn run(context: &Context, arguments: &Run) -> Result<(), CommandError> {
    let (store, profile) = context.read_profile()?;
    let generation = super::current(&profile)?;
    let app = super::installed(&generation, &arguments.app)?;
    let named = app
        .binaries
        .iter()
        .find(|program| **program == arguments.app);
    let program = match (named, app.binaries.as_slice()) {
        (Some(program), _) | (None, [program]) => program,
        (None, programs) => {
            return Err(CommandError::usage(format!(
                "`{}` has several programs: {}",
                app.name,
                programs.join(", ")
            ))
            .hint(format!(
                "name one: `orlop run {}`",
                programs.first().map_or("PROGRAM", String::as_str)
            )));
        }
    };
    let path = store.object(&app.view).join("bin").join(program);
    if context.global.dry_run {
        let words = arguments.arguments.iter();
        let words = words.map(|word| quoted(&word.to_string_lossy()));
        let words = std::iter::once(quoted(path.as_str())).chain(words);
        context.ui.data(words.collect::<Vec<_>>().join(" "));
        return Ok(());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the user's own program, outside any sandbox"
    )]
    let mut command = Command::new(&path);
    if !app.starts.is_empty() {
        command.env(
            "PATH",
            super::search_path(context, &store, &generation, app),
        );
    }
    let error = command.args(&arguments.arguments).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    context.ui.error(&CommandError::new(
        Kind::Failed,
        std::io::Error::new(error.kind(), format!("run `{path}`: {error}")),
    ));
    Err(CommandError::new(
        Kind::Child(code),
        "the program did not start",
    ))
}
