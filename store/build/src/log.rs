//! One file per build: what was run, and what it said. [`known`] lists them.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};
use orlop_store::said::{last_lines, printable};
use orlop_store::{Job, Store, StorePath};

/// How many lines of a log an error carries.
const LAST_LINES: usize = 40;

/// The log of a build that was begun, now or earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// The step, for people: `serde 1.0.228 (build script)`.
    pub name: String,
    /// The object that it was to make.
    pub object: StorePath,
    /// The file.
    pub path: Utf8PathBuf,
    /// When it was last written.
    pub written: SystemTime,
}

/// Returns the logs of all builds of a store, the latest first.
pub fn known(store: &Store) -> io::Result<Vec<KnownLog>> {
    let mut logs = Vec::new();
    for entry in fs_err::read_dir(store.home().join("logs"))? {
        let Ok(path) = Utf8PathBuf::try_from(entry?.path()) else {
            continue;
        };
        let written = fs_err::metadata(&path)?.modified()?;
        let mut head = BufReader::new(File::open(&path)?).lines();
        let mut line = || head.next()?.ok()?.strip_prefix("# ").map(str::to_owned);
        // What is no log of a build is of no interest here.
        if let (Some(name), Some(object)) = (line(), line())
            && let Ok(object) = object.parse()
        {
            logs.push(KnownLog {
                name,
                object,
                path,
                written,
            });
        }
    }
    logs.sort_by(|one, two| (two.written, &one.name).cmp(&(one.written, &two.name)));
    Ok(logs)
}

/// Reads a log, without what could command a terminal.
pub fn read(log: &KnownLog) -> io::Result<Vec<String>> {
    let bytes = fs_err::read(&log.path)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(printable).collect())
}

/// The log of one build.
#[derive(Debug)]
pub(crate) struct Log {
    path: Utf8PathBuf,
    /// Where begins what the last command said, in bytes.
    said: Cell<u64>,
}

impl Log {
    /// Starts the log of a build; an earlier attempt's is replaced.
    pub(crate) fn start(path: Utf8PathBuf, name: &str, object: &StorePath) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        writeln!(File::create(&path)?, "# {name}\n# {object}")?;
        let said = Cell::new(0);
        Ok(Self { path, said })
    }

    /// Returns where it lies.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Writes down the command of a job, so that a reader can repeat it.
    pub(crate) fn command(&self, job: &Job) -> io::Result<()> {
        let mut text = format!("# in {}\n", job.folder);
        for (name, value) in &job.environment {
            text.extend([name.as_str(), "=", &quoted(value), " \\\n"]);
        }
        let args = job.args.iter().map(|argument| argument.to_string_lossy());
        text.push_str(&line(&job.program, args));
        text.push('\n');
        self.append(text.as_bytes())?;
        self.said.set(fs_err::metadata(&self.path)?.len());
        Ok(())
    }

    /// Adds to the log, which somebody may have removed meanwhile.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)?
            .write_all(bytes)
    }

    /// Returns the last lines of what the last command said, safe to print.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        last_lines(&self.path, self.said.get(), LAST_LINES)
    }
}

/// Returns a command as a line for a POSIX shell.
pub fn line(program: &Utf8Path, args: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut line = quoted(program.as_str());
    for argument in args {
        line.extend([" ", &quoted(argument.as_ref())]);
    }
    line
}

/// Quotes a word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::object;

    #[test]
    fn an_error_carries_the_end_of_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().join("new/x.log")).unwrap();
        let log = Log::start(path.clone(), "x 1.0.0", &object("x")).unwrap();
        for line in 0..5000 {
            log.append(format!("\u{1b}[31mred\tline {line}\n").as_bytes())
                .unwrap();
        }
        let lines = log.last_lines();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines.last().unwrap(), "[31mred\tline 4999");

        let log = Log::start(path.clone(), "x 1.0.0", &object("x")).unwrap();
        log.command(&job()).unwrap();
        assert_eq!(log.last_lines(), [] as [&str; 0]);
        log.append(b"broken").unwrap();
        assert_eq!(log.last_lines(), ["broken"]);
        let text = fs_err::read_to_string(&path)
            .unwrap()
            .replace(&object("x").to_string(), "x");
        insta::assert_snapshot!(text, @r#"
        # x 1.0.0
        # x
        # in /source
        EMPTY='' \
        OUT='a b' \
        /rust/bin/rustc --cfg 'feature="std"'
        broken
        "#);
    }

    fn job() -> Job {
        Job {
            name: "x 1.0.0".into(),
            program: "/rust/bin/rustc".into(),
            args: vec!["--cfg".into(), "feature=\"std\"".into()],
            environment: [
                ("OUT".into(), "a b".into()),
                ("EMPTY".into(), String::new()),
            ]
            .into(),
            folder: "/source".into(),
            c_tools: object("c-tools"),
            inputs: [].into(),
            copies: Vec::new(),
            unfinished: [].into(),
            output: None,
            scratch: "/scratch".into(),
            log: "/log".into(),
            capture_stdout: false,
            messages: None,
            attended: false,
            slots: None,
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("-C"), "-C");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
