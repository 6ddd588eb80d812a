//! `verify`: whether everything is what it was, and mending what is not.
//!
//! What another home has is copied from there, if the user names one. The rest is made again the
//! ordinary way, from the lock file of the generation that shows it: the same keys, so the same
//! names, and other generations that show it are whole again as well. Until that has worked the bad
//! tree stays in its place: what works in spite of it goes on to.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_build::compiler;
use orlop_store::{Finding, Root, Store, StoreError, StorePath, Subject, Verification};

use super::change;
use crate::args::Verify;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::{Progress, bytes_text, count_text};
use crate::toolchain;

/// How many of those who need something are named to people.
const NAMED: usize = 3;

pub(super) fn verify(context: &Context, arguments: &Verify) -> Result<(), CommandError> {
    for home in &arguments.from {
        if !home.join("store").is_dir() {
            let reason = if home.is_dir() {
                "it is not a home, as it has no folder `store`"
            } else {
                "there is no such folder"
            };
            return Err(CommandError::usage(format!("copy from `{home}`: {reason}")));
        }
    }
    let acts = !context.global.dry_run;
    if arguments.rebuild_database && acts {
        discard_database(context)?;
    } else if arguments.rebuild_database {
        let text = "Would make the database again from the store";
        context.ui.status(text);
    }
    let store = context.store()?;
    let mut result = store.verify()?;
    let repairs = arguments.repair && acts;
    if repairs && !result.findings.is_empty() {
        for finding in &result.findings {
            context.ui.status(format!("BAD {}", describe(finding)));
        }
        let before = result.findings.len();
        result = repair(context, store, &result, &arguments.from)?;
        let mended = before.saturating_sub(result.findings.len());
        context.ui.status(format!("Mended {mended} of {before}"));
    }
    if context.global.json {
        context.ui.data_json(&result)?;
    } else {
        for finding in &result.findings {
            context.ui.data(format!("BAD {}", describe(finding)));
        }
    }
    if !result.findings.is_empty() {
        let count = result.findings.len();
        let error = CommandError::new(
            Kind::Untrusted,
            match count {
                1 => "1 thing is not what it was".to_owned(),
                _ => format!("{count} things are not what they were"),
            },
        );
        return Err(if repairs {
            hint(error, &result.findings)
        } else {
            error.hint("mend what can be mended: `orlop verify --repair`")
        });
    }
    context.ui.success(format!(
        "{} objects with {} are what they were",
        result.objects,
        bytes_text(result.bytes)
    ));
    Ok(())
}

fn describe(finding: &Finding) -> String {
    let (named, more) = finding
        .needed_by
        .split_at(finding.needed_by.len().min(NAMED));
    match (named, more.len()) {
        ([], _) => finding.to_string(),
        (named, 0) => format!("{finding} (needed by {})", named.join(", ")),
        (named, more) => format!("{finding} (needed by {} and {more} more)", named.join(", ")),
    }
}

/// Says what to do about what cannot be mended.
fn hint(error: CommandError, findings: &[Finding]) -> CommandError {
    findings
        .iter()
        .fold(error, |error, finding| match &finding.subject {
            Subject::Current { profile } => error.hint(format!(
                "choose a generation: `orlop rollback --profile {profile} --to N`"
            )),
            Subject::Generation { profile, number } => error.hint(format!(
                "nothing says any more what generation {number} of {profile} was: let it go with \
             `orlop gc --profile {profile} --keep N`, after a rollback if it is the current one"
            )),
            _ => error,
        })
}

fn discard_database(context: &Context) -> Result<(), CommandError> {
    if Store::discard_database(&context.home)? {
        context
            .ui
            .status("Making the database again from the store");
        return Ok(());
    }
    Err(CommandError::failed(
        "other processes use the store, so its database cannot be replaced now",
    ))
}

/// Mends what can be mended; returns what is still wrong.
fn repair(
    context: &Context,
    store: Store,
    result: &Verification,
    homes: &[Utf8PathBuf],
) -> Result<Verification, CommandError> {
    let mut bad: BTreeSet<StorePath> = BTreeSet::new();
    let mut store = store;
    for finding in &result.findings {
        if finding.subject == Subject::Database {
            drop(store);
            discard_database(context)?;
            store = context.store()?;
            continue;
        }
        // What cannot be mended must not keep the rest from it.
        match mend(&store, &finding.subject) {
            Ok(None) => {}
            Ok(Some(path)) => {
                bad.insert(path);
            }
            Err(error) => context.ui.error(&error.into()),
        }
    }
    if bad.is_empty() {
        return Ok(store.verify()?);
    }
    let profiles = store.profiles()?;
    store.distrust(&bad)?;
    for home in homes {
        bad = restore(context, &store, home, bad);
    }
    let needing = needing(&store, &bad)?;
    for name in compilers(&store, &bad)? {
        context
            .ui
            .status(format!("Importing the compiler {name} again"));
        if let Err(error) = import_again(context, &store, &name) {
            context.ui.error(&error);
        }
    }
    drop(store);
    for profile in profiles
        .into_iter()
        .filter(|profile| needing.contains(profile))
    {
        let mut context = context.clone();
        context.global.profile = Some(profile.clone());
        context
            .ui
            .status(format!("Making again what `{profile}` needs"));
        if let Err(error) = change::make_again(&context) {
            context.ui.error(&error);
        }
    }
    Ok(context.store()?.verify()?)
}

/// Mends one thing in its place; returns the object that has to be made again for that.
fn mend(store: &Store, subject: &Subject) -> Result<Option<StorePath>, StoreError> {
    let bad = match subject {
        Subject::Object { path } => Some(path),
        Subject::Form { path } => (!store.restore_form(path)?).then_some(path),
        Subject::Registration { path } => (!store.register_again(path)?).then_some(path),
        Subject::Generation { profile, number } => {
            let profile = store.profile(profile)?;
            let _lock = profile.lock(&mut |_| {})?;
            profile.mend(*number)?;
            None
        }
        Subject::Database | Subject::Current { .. } => None,
    };
    Ok(bad.cloned())
}

/// Copies from another home what is as it should be there; returns what is still bad.
fn restore(
    context: &Context,
    store: &Store,
    home: &Utf8Path,
    bad: BTreeSet<StorePath>,
) -> BTreeSet<StorePath> {
    let count = bad.len();
    let mut left = bad;
    let mut failed = BTreeSet::new();
    // What refers to another one can be taken only after that.
    loop {
        let before = left.len();
        left.retain(|path| match store.restore_from(home, path) {
            Ok(restored) => !restored,
            Err(error) => {
                context.ui.error(&error.into());
                failed.insert(path.clone());
                false
            }
        });
        if left.len() == before {
            break;
        }
    }
    left.extend(failed);
    let copied = count - left.len();
    context.ui.status(format!(
        "Copied {} from {home}",
        count_text(copied, "object")
    ));
    left
}

/// Returns the names of the compilers among these objects.
fn compilers(store: &Store, bad: &BTreeSet<StorePath>) -> Result<Vec<String>, CommandError> {
    let known = compiler::list(store)?.into_iter();
    let bad = known.filter(|known| bad.contains(&known.path));
    Ok(bad.map(|known| known.name).collect())
}

/// Imports a compiler from where it was found: a toolchain of that name, else the one in `PATH`.
fn import_again(context: &Context, store: &Store, name: &str) -> Result<(), CommandError> {
    let rustc = match toolchain::find_rustc(context, name) {
        Ok(rustc) => rustc,
        Err(error) => context.find_program("rustc").ok_or(error)?,
    };
    let progress = Progress::new(context.ui.clone());
    let imported = compiler::import(&rustc, store, &progress);
    progress.clear();
    let imported = imported?;
    if imported.name == name {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "import the compiler {name} again: `{rustc}` is {}",
        imported.name
    ))
    .hint(format!(
        "name the right one: `orlop compiler add PATH`, for {name}"
    )))
}

/// Returns the profiles whose generations need one of these objects.
fn needing(store: &Store, bad: &BTreeSet<StorePath>) -> Result<BTreeSet<String>, CommandError> {
    let mut needing = BTreeSet::new();
    for path in bad {
        for reason in store.why_live(path)? {
            if let Root::App { profile, .. } | Root::Link { profile, .. } = reason.root {
                needing.insert(profile);
            }
        }
    }
    Ok(needing)
}
