//! `stats`: what sharing crates gives and costs, measured on the installed apps, here and now.
//!
//! Everything is compared with the same apps linked from the same crates with all of them in each
//! program: those are linked for the occasion, and `gc` takes them away again.
//!
//! | module | holds |
//! |---|---|
//! | `mod` | [`Statistics`]: what is counted and measured, and the way through |
//! | `counterpart` | the same apps, each program with everything inside |
//! | `files` | how much room programs and libraries take |
//! | `processes` | start-up and memory of running programs |
//! | `text` | the measurements for a terminal |
//! | `page` | the measurements for a browser |

mod counterpart;
mod files;
mod page;
mod processes;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::{Generation, Libraries, Store};
use serde::Serialize;

use crate::args::Stats;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::files as user_files;
use crate::progress::count_text;
use files::Files;
use processes::Memory;

/// How many copies of each program the last measurement of memory starts.
const COPIES: usize = 3;

/// Something of the apps as they are installed, and of the same apps with everything inside.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Compared<T> {
    installed: T,
    r#static: T,
}

impl Compared<f64> {
    fn ratio(self) -> f64 {
        self.installed / self.r#static
    }
}

impl Compared<u64> {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn ratio(self) -> f64 {
        self.installed as f64 / self.r#static as f64
    }
}

impl<T> Compared<Option<T>> {
    /// Both or nothing: what could not be measured on one side says nothing on the other.
    fn both(self) -> Option<Compared<T>> {
        Some(Compared {
            installed: self.installed?,
            r#static: self.r#static?,
        })
    }
}

/// All that is counted and measured, as data.
#[derive(Debug, Serialize)]
struct Statistics {
    profile: String,
    generation: u64,
    /// How often each program was started to measure how long that takes.
    rounds: usize,
    apps: Vec<AppStatistics>,
    libraries: Vec<LibraryStatistics>,
    disk: DiskStatistics,
    memory: Vec<MemoryStatistics>,
    /// By number of apps: how many crates as many apps use.
    crates_by_users: BTreeMap<usize, usize>,
}

#[derive(Debug, Serialize)]
struct AppStatistics {
    name: String,
    version: String,
    linkage: String,
    /// How many crates it is compiled from.
    crates: usize,
    /// How many libraries of crates it loads.
    libraries: usize,
    /// What its programs take, without libraries.
    programs_bytes: Compared<u64>,
    /// What the libraries take that it loads: what it would take beside its programs alone.
    libraries_bytes: u64,
    programs: Vec<ProgramStatistics>,
}

#[derive(Debug, Serialize)]
struct ProgramStatistics {
    name: String,
    /// The median time of `--version`, in milliseconds; nothing if it does not know that.
    start_up: Option<Compared<f64>>,
    /// Memory in bytes when it runs alone; nothing if it prints no help to be stopped at.
    memory: Option<Compared<Memory>>,
}

/// A shared library of crates.
#[derive(Debug, Serialize)]
struct LibraryStatistics {
    name: String,
    bytes: u64,
    apps: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DiskStatistics {
    /// Programs and libraries, each file once.
    all: Compared<u64>,
    /// The same, had every app its libraries for itself.
    each_alone: u64,
}

/// What programs that run at once take together.
#[derive(Debug, Serialize)]
struct MemoryStatistics {
    processes: usize,
    copies: usize,
    sum: Compared<Memory>,
}

/// What was measured of one program.
#[derive(Debug, Clone, Copy)]
struct Measured {
    start_up: Option<Compared<f64>>,
    memory: Option<Compared<Memory>>,
}

/// One program and its counterpart.
struct Pair {
    app: String,
    name: String,
    path: Compared<Utf8PathBuf>,
}

pub(super) fn stats(context: &Context, arguments: &Stats) -> Result<(), CommandError> {
    let (store, profile) = super::open(context)?;
    let html = arguments.html.as_deref();
    let html = html.map(|path| context.absolute(path)).transpose()?;
    // Measuring takes minutes.
    html.iter()
        .try_for_each(|path| user_files::writable(path))?;
    let generation = super::current(&profile)?;
    if generation.apps.is_empty() {
        return Err(CommandError::failed(format!(
            "the profile `{}` has no apps to measure",
            profile.name()
        ))
        .hint("install one: `orlop install ripgrep`"));
    }
    if context.global.dry_run {
        let programs = generation.apps.iter().flat_map(|app| &app.binaries);
        context.ui.status(format!(
            "Would start {} {}, both ways",
            count_text(programs.count(), "program"),
            count_text(arguments.rounds.into(), "time")
        ));
        return Ok(());
    }
    // What is linked for the occasion belongs to no generation.
    let _no_gc = store.use_store()?;
    let counterparts = counterpart::link(context, &store, &generation)?;
    let pairs = pairs(&store, &generation, &counterparts);
    let statistics = measure(
        context,
        profile.name(),
        &generation,
        &pairs,
        arguments.rounds.into(),
    )?;
    if let Some(path) = &html {
        fs_err::write(path, page::page(&statistics))
            .map_err(|error| CommandError::new(Kind::Failed, error))?;
        context.ui.success(format!("Wrote {path}"));
    }
    if context.global.json {
        return context.ui.data_json(&statistics);
    }
    if html.is_none() {
        text::print(context, &statistics);
    }
    Ok(())
}

/// Every program with its counterpart.
fn pairs(
    store: &Store,
    generation: &Generation,
    counterparts: &BTreeMap<String, Utf8PathBuf>,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for app in &generation.apps {
        let program = |view: &Utf8Path, name: &str| view.join("bin").join(name);
        let view = store.object(&app.view);
        let counterpart = counterparts.get(&app.name).unwrap_or(&view);
        pairs.extend(app.binaries.iter().map(|name| Pair {
            app: app.name.clone(),
            name: name.clone(),
            path: Compared {
                installed: program(&view, name),
                r#static: program(counterpart, name),
            },
        }));
    }
    pairs
}

fn measure(
    context: &Context,
    profile: &str,
    generation: &Generation,
    pairs: &[Pair],
    rounds: usize,
) -> Result<Statistics, CommandError> {
    let failed = |error| CommandError::new(Kind::Failed, error);
    let files = Files::of(pairs).map_err(failed)?;
    let libraries = generation.libraries()?;
    context.ui.status(format!(
        "Starting {} {}, both ways",
        count_text(pairs.len(), "program"),
        count_text(rounds, "time")
    ));
    let start_up = processes::start_up(pairs, rounds).map_err(failed)?;
    context.ui.status("Measuring memory");
    let alone = processes::alone(pairs).map_err(failed)?;
    let stopped: Vec<&Pair> = pairs
        .iter()
        .zip(&alone)
        .filter_map(|(pair, alone)| alone.map(|_| pair))
        .collect();
    let mut memory = Vec::new();
    for copies in [1, COPIES] {
        if let Some(sum) = processes::together(&stopped, copies).map_err(failed)? {
            memory.push(MemoryStatistics {
                processes: stopped.len() * copies,
                copies,
                sum,
            });
        }
    }
    let measured = start_up.into_iter().zip(alone);
    let measured: Vec<_> = measured
        .map(|(start_up, memory)| Measured { start_up, memory })
        .collect();
    Ok(Statistics {
        profile: profile.to_owned(),
        generation: generation.number,
        rounds,
        apps: apps(generation, &libraries, (pairs, &measured), &files),
        libraries: files.libraries(),
        disk: files.disk(),
        memory,
        crates_by_users: crates_by_users(&libraries),
    })
}

/// With each pair comes what was measured of it: start-up and memory.
fn apps(
    generation: &Generation,
    libraries: &Libraries,
    (pairs, measured): (&[Pair], &[Measured]),
    files: &Files,
) -> Vec<AppStatistics> {
    let of_app = |name: &str| {
        let pairs = pairs.iter().zip(measured);
        let own = pairs.filter(|(pair, _)| pair.app == name);
        own.map(|(pair, measured)| ProgramStatistics {
            name: pair.name.clone(),
            start_up: measured.start_up,
            memory: measured.memory,
        })
        .collect()
    };
    generation
        .apps
        .iter()
        .map(|app| AppStatistics {
            name: app.name.clone(),
            version: app.version.clone(),
            linkage: app.linkage.clone(),
            crates: libraries.get(&app.name).map_or(0, BTreeSet::len),
            libraries: files.loaded(&app.name).len(),
            programs_bytes: files.programs(&app.name),
            libraries_bytes: files.loaded(&app.name).values().sum(),
            programs: of_app(&app.name),
        })
        .collect()
}

fn crates_by_users(libraries: &Libraries) -> BTreeMap<usize, usize> {
    let mut users = BTreeMap::new();
    for library in libraries.values().flatten() {
        *users.entry(library).or_insert(0) += 1;
    }
    let mut crates = BTreeMap::new();
    for count in users.into_values() {
        *crates.entry(count).or_insert(0) += 1;
    }
    crates
}
