//! One file per build: what was run, and what it said.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use camino::Utf8Path;
use fs_err::{File, OpenOptions};
use orlop_store::{Job, StorePath};

/// How many lines of a log an error carries.
const LAST_LINES: usize = 40;
/// How far back from its end a log is read for them.
const LAST_BYTES: u64 = 64 * 1024;

/// Starts the log of a build: an earlier attempt's is replaced.
pub(crate) fn start(log: &Utf8Path, name: &str, path: &StorePath) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        fs_err::create_dir_all(folder)?;
    }
    writeln!(File::create(log)?, "# {name}\n# {path}")
}

/// Writes down the command of a job, so that a reader can repeat it.
pub(crate) fn command(log: &Utf8Path, job: &Job) -> io::Result<()> {
    let mut text = format!("# in {}\n", job.folder);
    for (name, value) in &job.environment {
        text.extend([name.as_str(), "=", &quoted(value), " \\\n"]);
    }
    text.push_str(&quoted(job.program.as_str()));
    for argument in &job.args {
        text.push(' ');
        text.push_str(&quoted(&argument.to_string_lossy()));
    }
    text.push('\n');
    append(log, text.as_bytes())
}

/// Adds to a log.
pub(crate) fn append(log: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(log)?
        .write_all(bytes)
}

/// Returns the last lines of a log, safe to print.
pub(crate) fn last_lines(log: &Utf8Path) -> io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    Ok(lines[first..].iter().map(|line| printable(line)).collect())
}

/// Takes out whatever could command a terminal.
fn printable(line: &str) -> String {
    line.chars()
        .filter(|&letter| letter == '\t' || !letter.is_control())
        .collect()
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use orlop_store::Digest;

    use super::*;

    #[test]
    fn an_error_carries_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = Utf8PathBuf::try_from(folder.path().join("new/x.log")).unwrap();
        let path = StorePath::new(Digest::of("test", "x"), "x");
        append_many(&log, &path);
        let lines = last_lines(&log).unwrap();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines.last().unwrap(), "[31mred\tline 4999");
        start(&log, "x 1.0.0", &path).unwrap();
        assert_eq!(
            last_lines(&log).unwrap(),
            ["# x 1.0.0".to_owned(), format!("# {path}")]
        );
    }

    fn append_many(log: &Utf8Path, path: &StorePath) {
        start(log, "x 1.0.0", path).unwrap();
        for line in 0..5000 {
            append(log, format!("\u{1b}[31mred\tline {line}\n").as_bytes()).unwrap();
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("-C"), "-C");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
