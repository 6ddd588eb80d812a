//! [`Durations`]: how long builds have taken, so that the next ones start in a good order.
//!
//! Nothing but that order depends on it: a file that is missing, damaged or of another machine
//! costs a little speed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8PathBuf;
use orlop_store::derivation::{CrateKind, RustcCall, Source};
use orlop_store::{Derivation, Fetcher, Step, Store, StorePath};
use serde::{Deserialize, Serialize};

use crate::schedule::Times;

/// The file below a home's `logs`.
const FILE: &str = "durations.json";

/// How long builds have taken, by kind and package: `library serde`. Versions take about the same.
#[derive(Debug)]
pub(crate) struct Durations {
    path: Utf8PathBuf,
    known: BTreeMap<String, Milliseconds>,
    noted: Mutex<BTreeMap<String, Milliseconds>>,
}

/// [`Times`], as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Milliseconds {
    early: u32,
    whole: u32,
}

impl Durations {
    /// Reads what earlier builds have noted.
    pub(crate) fn read(store: &Store) -> Self {
        let path = store.home().join("logs").join(FILE);
        let known = fs_err::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            path,
            known,
            noted: Mutex::default(),
        }
    }

    /// Returns how long a step took the last time.
    pub(crate) fn known(&self, derivation: &Derivation) -> Option<Times> {
        let Milliseconds { early, whole } = *self.known.get(&key(derivation)?)?;
        let time = |milliseconds| Duration::from_millis(u64::from(milliseconds));
        Some(Times {
            early: time(early),
            whole: time(whole),
        })
    }

    /// Notes how long a step took.
    pub(crate) fn note(&self, derivation: &Derivation, times: Times) {
        let number = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let times = Milliseconds {
            early: number(times.early),
            whole: number(times.whole),
        };
        if let Some(key) = key(derivation) {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.insert(key, times);
        }
    }

    /// Writes everything down for the next time.
    pub(crate) fn save(self) {
        let noted = self
            .noted
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if noted.is_empty() {
            return;
        }
        let mut all = self.known;
        all.extend(noted);
        let saved = serde_json::to_vec_pretty(&all)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                orlop_store::replace_file(&self.path, &text).map_err(|error| error.to_string())
            });
        if let Err(error) = saved {
            tracing::debug!("build times are not remembered: {error}");
        }
    }
}

/// Names what takes about the same time from version to version. Unpacking is too quick to matter.
fn key(derivation: &Derivation) -> Option<String> {
    match &derivation.step {
        Step::Unpack(_) => None,
        Step::Rustc(call) => {
            let kind = match &call.kind {
                CrateKind::Library if host(call) => "host library",
                CrateKind::Library => "library",
                CrateKind::ProcMacro => "proc macro",
                CrateKind::BuildScript => "build script",
                CrateKind::Program { .. } => "program",
                CrateKind::Plugin => "plugin",
                CrateKind::CLibrary(_) => "C library",
            };
            Some(format!("{kind} {}", call.package.name))
        }
        Step::Script(run) => Some(format!("run {}", run.package.name)),
        Step::Native(_) => Some(format!("native {}", derivation.name)),
    }
}

/// Whether code is not optimized, which takes a third of the time.
fn host(call: &RustcCall) -> bool {
    call.codegen.opt_level == "0"
}

/// Guesses how long a step takes that nobody has taken yet: libraries by the size of their source.
/// `sources` are the archives in the plan. All is rough: what ten apps took, on average.
pub(crate) fn guess(
    derivation: &Derivation,
    sources: &BTreeMap<&StorePath, &Source>,
    fetcher: &dyn Fetcher,
) -> Times {
    // Archives that are not here yet are not looked for.
    const USUAL_SIZE: u64 = 40_000;
    let size = |source: &StorePath| {
        let archive = sources
            .get(source)
            .and_then(|source| fetcher.cached(source));
        let length = archive.and_then(|archive| fs_err::metadata(archive).ok());
        length.map_or(USUAL_SIZE, |metadata| metadata.len())
    };
    // Milliseconds, and compressed bytes that are compiled in one.
    let (early, whole) = match &derivation.step {
        Step::Unpack(_) => (20, 20),
        Step::Script(_) => (50, 50),
        Step::Native(_) => (10_000, 10_000),
        Step::Rustc(call) => match call.kind {
            CrateKind::BuildScript => (120, 120),
            CrateKind::Library => {
                let size = size(&call.source);
                let (early, whole) = if host(call) { (390, 260) } else { (450, 130) };
                (50 + size / early, 50 + size / whole)
            }
            CrateKind::ProcMacro => {
                let whole = 300 + size(&call.source) / 100;
                (whole, whole)
            }
            CrateKind::Program { .. } | CrateKind::Plugin | CrateKind::CLibrary(_) => {
                (5_000, 5_000)
            }
        },
    };
    Times {
        early: Duration::from_millis(early),
        whole: Duration::from_millis(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, call, rustc, source};

    fn seconds(early: u64, whole: u64) -> Times {
        Times {
            early: Duration::from_secs(early),
            whole: Duration::from_secs(whole),
        }
    }

    #[test]
    fn what_took_its_time_is_remembered() {
        let lab = Lab::new();
        let library = rustc(call("serde", CrateKind::Library, &[]));
        let script = rustc(call("serde", CrateKind::BuildScript, &[]));
        let durations = Durations::read(&lab.store);
        assert_eq!(durations.known(&library), None);
        durations.note(&library, seconds(1, 3));
        durations.note(&source("serde"), seconds(1, 3));
        durations.save();
        let durations = Durations::read(&lab.store);
        durations.note(&script, seconds(2, 2));
        durations.save();
        let durations = Durations::read(&lab.store);
        assert_eq!(durations.known(&library), Some(seconds(1, 3)));
        assert_eq!(durations.known(&script), Some(seconds(2, 2)));
        assert_eq!(durations.known(&source("serde")), None);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let lab = Lab::new();
        let library = rustc(call("serde", CrateKind::Library, &[]));
        let file = lab.store.home().join("logs").join(FILE);
        for text in ["", "{", "{\"library serde\": {\"early\": -1}}", "[1]"] {
            fs_err::write(&file, text).unwrap();
            let durations = Durations::read(&lab.store);
            assert_eq!(durations.known(&library), None);
            durations.note(&library, seconds(1, 1));
            durations.save();
            assert!(Durations::read(&lab.store).known(&library).is_some());
        }
    }

    #[test]
    fn a_guess_is_by_size() {
        let lab = Lab::new();
        let guess = |derivation: &Derivation, archive: usize| {
            let Step::Unpack(source) = source("made-up").step else {
                panic!()
            };
            fs_err::write(lab.fetcher.archive(&source), vec![0; archive]).unwrap();
            let path = super::tests::source("made-up").path();
            super::guess(derivation, &[(&path, &source)].into(), &lab.fetcher)
        };
        let library = rustc(call("made-up", CrateKind::Library, &[]));
        assert!(guess(&library, 10_000).whole < guess(&library, 1_000_000).whole);
        assert!(guess(&library, 10_000).early < guess(&library, 10_000).whole);
        // Its archive is not in the plan.
        let other = rustc(call("other", CrateKind::Library, &[]));
        assert_eq!(guess(&other, 10_000), guess(&other, 1_000_000));
    }
}
