//! A temporary folder in which libraries and programs are built, run and compared.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};

use crate::bind::{self, Bindings};
use crate::elf::Object;
use crate::load::{self, Process};
use crate::{Proof, Refusal, Search, prove};

/// Link options that make a program find its libraries beside itself, as a view's does.
pub(super) const BESIDE: &str = "-Wl,--disable-new-dtags,-rpath,$ORIGIN";

/// The folder.
pub(super) struct Lab {
    folder: tempfile::TempDir,
}

/// Who binds to whom: (file, symbol, version, provider), files by their real paths.
pub(super) type Truth = BTreeSet<(Utf8PathBuf, String, String, Utf8PathBuf)>;

impl Lab {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> Utf8PathBuf {
        self.folder().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// Compiles a shared library; the options may name libraries to link.
    pub(super) fn library(&self, name: &str, source: &str, options: &[&str]) -> Utf8PathBuf {
        self.compile(name, source, &["-shared", "-fPIC"], options)
    }

    /// Compiles a program that finds libraries beside itself.
    pub(super) fn program(&self, name: &str, source: &str, options: &[&str]) -> Utf8PathBuf {
        self.compile(name, source, &[BESIDE], options)
    }

    /// Compiles a C file; one whose name ends in `.o` is not linked.
    pub(super) fn compile(
        &self,
        name: &str,
        source: &str,
        kind: &[&str],
        options: &[&str],
    ) -> Utf8PathBuf {
        self.write(&format!("{name}.c"), source);
        let mut cc = command("cc");
        cc.current_dir(self.folder())
            .args(kind)
            .args(["-O1", "-o", name]);
        cc.arg(format!("{name}.c")).args(options);
        succeed(cc);
        self.path(name)
    }

    /// Runs a program and returns what it prints.
    pub(super) fn run(&self, program: &str) -> String {
        self.run_with(program, &[])
    }

    /// Runs a program with arguments and returns what it prints.
    pub(super) fn run_with(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = command(self.path(program).as_str());
        command.args(arguments);
        String::from_utf8(succeed(command.env_clear()).stdout)
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Runs a program and returns what it prints, however it ends.
    pub(super) fn output(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = command(self.path(program).as_str());
        let output = command.args(arguments).env_clear().output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a program that cannot start and returns what the loader says.
    pub(super) fn fail(&self, program: &str) -> String {
        let output = command(self.path(program).as_str())
            .env_clear()
            .output()
            .unwrap();
        assert!(!output.status.success(), "{program} starts");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Has a program loaded and all its references bound, without running it; returns what the
    /// loader says.
    pub(super) fn bind(&self, program: &str) -> String {
        let output = command(self.path(program).as_str())
            .env_clear()
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .env("LD_WARN", "1")
            .env("LD_BIND_NOW", "1")
            .output()
            .unwrap();
        let says = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&says).into_owned()
    }

    pub(super) fn prove(&self, program: &str) -> Result<Proof, Refusal> {
        prove(&self.path(program), &Search::default())
    }

    /// Asserts that a program that starts binds as this crate says, symbol by symbol.
    #[track_caller]
    pub(super) fn compare(&self, program: &str) {
        let program = self.path(program);
        let truth = truth(&program, &[]);
        compare(&program, &Search::default(), &truth);
    }

    /// Returns the refusal of a program as text, free of this folder's name.
    #[track_caller]
    pub(super) fn refusal(&self, program: &str) -> String {
        let refusal = self
            .prove(program)
            .expect_err("the program is not as it should be");
        refusal
            .to_string()
            .replace(self.folder().canonicalize_utf8().unwrap().as_str(), "…")
    }
}

/// Asks glibc itself what binds where.
pub(super) fn truth(program: &Utf8Path, arguments: &[&str]) -> Truth {
    let log = tempfile::tempdir().unwrap();
    let mut run = command(program.as_str());
    run.args(arguments)
        .env_clear()
        .env("LD_DEBUG", "bindings")
        .env("LD_BIND_NOW", "1");
    run.env("LD_DEBUG_OUTPUT", log.path().join("log"));
    succeed(&mut run);
    let mut truth = Truth::new();
    for file in fs_err::read_dir(log.path()).unwrap() {
        let text = fs_err::read(file.unwrap().path()).unwrap();
        truth.extend(String::from_utf8_lossy(&text).lines().filter_map(binding));
    }
    assert!(!truth.is_empty(), "the loader reports nothing of {program}");
    truth
}

/// Reads a line like ``1: binding file A [0] to B [0]: normal symbol `name' [VERSION]``.
fn binding(line: &str) -> Option<(Utf8PathBuf, String, String, Utf8PathBuf)> {
    let (_, line) = line.split_once("binding file ")?;
    let (from, line) = line.split_once(" [0] to ")?;
    let (to, line) = line.split_once(" [0]: ")?;
    let (_, line) = line.split_once('`')?;
    let (symbol, version) = line.split_once('\'')?;
    let version = version.trim().trim_start_matches('[').trim_end_matches(']');
    // The kernel's own library has no file and is in nobody's scope.
    let real = |path: &str| Utf8Path::new(path).canonicalize_utf8().ok();
    Some((
        real(from)?,
        symbol.to_owned(),
        version.to_owned(),
        real(to)?,
    ))
}

/// Asserts that the simulation agrees with glibc about every reference, glibc's own among them.
#[track_caller]
pub(super) fn compare(program: &Utf8Path, search: &Search, truth: &Truth) {
    let process = load::load(program, search).unwrap();
    let simulated = simulated(&process, &bind::bind(&process));
    let known: BTreeSet<_> = process
        .scope
        .iter()
        .map(|&index| real(&process, index))
        .collect();
    let glibc: BTreeSet<_> = (0..process.objects.len())
        .filter(|&index| process.objects[index].glibc)
        .map(|index| real(&process, index))
        .collect();
    let program = program.canonicalize_utf8().unwrap();
    // glibc also looks up names for itself, without any relocation; those for its own memory in
    // the name of the program.
    let memory = ["malloc", "calloc", "realloc", "free"];
    let own = |from: &Utf8PathBuf, symbol: &str| {
        glibc.contains(from) || (*from == program && memory.contains(&symbol))
    };
    let missed: Vec<_> = truth
        .difference(&simulated)
        .filter(|(from, symbol, ..)| known.contains(from) && !own(from, symbol))
        .collect();
    let invented: Vec<_> = simulated.difference(truth).collect();
    assert!(
        missed.is_empty() && invented.is_empty(),
        "{program}\nonly glibc: {missed:#?}\nonly here: {invented:#?}"
    );
}

fn simulated(process: &Process, bindings: &Bindings) -> Truth {
    let found = bindings
        .all
        .iter()
        .filter_map(|binding| Some((binding, binding.found?)));
    found
        .map(|(binding, found)| {
            let symbol = process.objects[binding.object]
                .object
                .symbol(binding.symbol);
            let version = symbol.version.as_ref().map(|version| version.name.clone());
            (
                real(process, binding.object),
                symbol.name.clone(),
                version.unwrap_or_default(),
                real(process, found.object),
            )
        })
        .collect()
}

fn real(process: &Process, index: usize) -> Utf8PathBuf {
    process.objects[index]
        .object
        .path
        .canonicalize_utf8()
        .unwrap()
}

/// Returns the SONAMEs of the files that a program was seen to load.
pub(super) fn names(truth: &Truth) -> BTreeSet<String> {
    let files = truth.iter().flat_map(|(from, _, _, to)| [from, to]);
    let files: BTreeSet<_> = files.collect();
    files
        .into_iter()
        .map(|file| Object::read(file).unwrap().name().to_owned())
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the truth is what the host's tools and loader do"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

#[track_caller]
fn succeed(mut command: impl std::borrow::BorrowMut<Command>) -> Output {
    let command = command.borrow_mut();
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {error}");
    output
}
