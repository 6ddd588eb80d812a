//! A home with a compiler in it, and the program under test.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::Registry;

/// A home of its own for one test.
pub(crate) struct Env {
    folder: tempfile::TempDir,
    pub(crate) registry: Registry,
    index: String,
}

/// What a command did.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let said = self.stderr.contains(text) || unbroken(&self.stderr).contains(text);
        assert!(said, "no `{text}` in:\n{self}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in:\n{self}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }
}

/// Undoes how long messages about files are broken into lines, which depends on where the file lies.
fn unbroken(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        let (between, line) = match line.trim_start().strip_prefix("│ ") {
            Some(rest) => (' ', rest),
            None => ('\n', line),
        };
        whole.push(between);
        whole.push_str(line);
    }
    whole
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {}\nstdout:\n{}\nstderr:\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        remove(self.folder.path());
    }
}

impl Env {
    /// Makes a home with the compiler and the C tools already imported, and an empty registry.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let registry = Registry::new();
        let index = registry.folder().to_str().unwrap().to_owned();
        copy_home(template(), &folder.path().join("home"));
        Self {
            folder,
            registry,
            index,
        }
    }

    /// Takes the index from elsewhere than the registry's folder.
    pub(crate) fn set_index(&mut self, index: &str) {
        index.clone_into(&mut self.index);
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A place for files of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `orlop`.
    #[must_use = "assert something about it"]
    pub(crate) fn orlop<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.command().args(arguments).output().unwrap().into()
    }

    /// Runs `orlop` with arguments separated by spaces.
    #[must_use = "assert something about it"]
    pub(crate) fn run(&self, line: &str) -> Run {
        self.orlop(line.split_whitespace())
    }

    pub(crate) fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_orlop"))
    }

    /// Runs `orlop` where a folder cannot be written to, not even by root; nothing on machines that
    /// let nobody mount anything.
    pub(crate) fn run_beside_read_only(&self, folder: &Path, line: &str) -> Option<Run> {
        let shut = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && \"$@\"";
        let unshare = |words: &[&str]| {
            let mut command = self.command_of("unshare");
            // Who is root already keeps all that it may do.
            let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
            command.args(if is_root { &["-m"][..] } else { &["-r", "-m"] });
            command.args(["sh", "-c", shut]).arg(folder).args(words);
            command.output().ok()
        };
        if !unshare(&["true"]).is_some_and(|output| output.status.success()) {
            return None;
        }
        let mut words = vec![env!("CARGO_BIN_EXE_orlop")];
        words.extend(line.split_whitespace());
        unshare(&words).map(Run::from)
    }

    fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("CARGO_HOME", self.folder.path().join("cargo"))
            .env("ORLOP_HOME", self.home())
            .env("ORLOP_INDEX", &self.index)
            .current_dir(self.folder.path());
        command
    }

    /// Runs an installed program by name, as a shell with the profile in its `PATH` would.
    #[must_use = "assert something about it"]
    pub(crate) fn program(&self, name: &str) -> Run {
        self.program_in("current", name)
    }

    /// Runs a program of a generation.
    #[must_use = "assert something about it"]
    pub(crate) fn program_in(&self, generation: &str, name: &str) -> Run {
        let path = self
            .home()
            .join("profiles/default")
            .join(generation)
            .join("bin")
            .join(name);
        Command::new(path).env_clear().output().unwrap().into()
    }

    /// The programs of a generation.
    pub(crate) fn programs(&self, generation: &str) -> Vec<String> {
        names(
            &self
                .home()
                .join("profiles/default")
                .join(generation)
                .join("bin"),
        )
    }

    /// The objects of the store whose name ends like this.
    pub(crate) fn objects(&self, ending: &str) -> Vec<String> {
        names(&self.home().join("store"))
            .into_iter()
            .filter(|name| name.ends_with(ending))
            .collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The name of a template, before the number of the process that made it.
const TEMPLATE: &str = "template-";

/// A home with the compiler and the C tools of this machine, made once per run of the tests. It stays
/// when they end, and the next run removes it.
fn template() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            for name in names(scratch()) {
                let number = name.strip_prefix(TEMPLATE);
                if number.is_some_and(|number| !Path::new("/proc").join(number).exists()) {
                    remove(&scratch().join(name));
                }
            }
            let folder = scratch().join(format!("{TEMPLATE}{}", std::process::id()));
            let registry = Registry::new();
            registry.publish(super::Package::new("seed", "1.0.0").main("fn main() {}"));
            let run: Run = Command::new(env!("CARGO_BIN_EXE_orlop"))
                .args(["--home", folder.to_str().unwrap()])
                .args(["--index", registry.folder().to_str().unwrap()])
                .args(["install", "seed", "--dry-run"])
                .output()
                .unwrap()
                .into();
            run.success();
            folder
        })
        .as_path()
}

/// Removes a folder with homes in it, as far as that can be. Folders of objects are closed to their
/// owner as well, unless that is root.
fn remove(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_dir() {
            let open = std::fs::Permissions::from_mode(0o755);
            drop(std::fs::set_permissions(entry.path(), open));
        }
    }
    drop(std::fs::remove_dir_all(folder));
}

/// Copies a home; the files of store objects never change, so they are hard-linked.
fn copy_home(from: &Path, to: &Path) {
    let mut folders = Vec::new();
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let inside = entry.path().strip_prefix(from).unwrap();
        let target = to.join(inside);
        let kind = entry.file_type();
        if kind.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            folders.push((target, entry.metadata().unwrap()));
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), &target).unwrap();
        } else if inside.starts_with("store") {
            std::fs::hard_link(entry.path(), &target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
    // A folder after what is in it.
    for (folder, metadata) in folders.into_iter().rev() {
        std::fs::set_permissions(&folder, metadata.permissions()).unwrap();
        let open = std::fs::File::open(&folder).unwrap();
        open.set_modified(metadata.modified().unwrap()).unwrap();
    }
    assert_eq!(
        std::fs::metadata(to).unwrap().uid(),
        std::fs::metadata(from).unwrap().uid()
    );
}
