//! What a job has said: the end of its log, for an error that tells of it.

use std::io::{self, Read as _, Seek as _, SeekFrom};

use camino::Utf8Path;
use fs_err::File;

/// How far back from its end a log is read for its last lines.
const LAST_BYTES: u64 = 64 * 1024;

/// Returns the last lines of a log, no more than so many, of what stands in it behind a place. The
/// log may be what is broken; what it tells of is still worth telling.
pub fn last_lines(log: &Utf8Path, behind: u64, most: usize) -> Vec<String> {
    let lines = read(log, behind, most);
    lines.unwrap_or_else(|error| vec![format!("(the log cannot be read: {error})")])
}

fn read(log: &Utf8Path, behind: u64, most: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(
        length.saturating_sub(LAST_BYTES).max(behind),
    ))?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(most);
    Ok(lines[first..].iter().map(|line| printable(line)).collect())
}

/// Takes out of a line whatever could command a terminal.
pub fn printable(line: &str) -> String {
    line.chars()
        .filter(|&letter| letter == '\t' || !letter.is_control())
        .collect()
}

/// Whether a job has failed for want of room on the disk, by what it said.
pub fn lacks_room(said: &str) -> bool {
    let words = ["No space left on device", "Disk quota exceeded"];
    words.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn the_end_is_read_and_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let log = Utf8PathBuf::try_from(folder.path().join("log")).unwrap();
        let lines = (0..5000).map(|line| format!("\u{1b}[31mred\tline {line}\n"));
        fs_err::write(&log, lines.collect::<String>()).unwrap();
        let said = last_lines(&log, 0, 2);
        assert_eq!(said, ["[31mred\tline 4998", "[31mred\tline 4999"]);
        let length = fs_err::metadata(&log).unwrap().len();
        assert_eq!(last_lines(&log, length - 10, 2), ["line 4999"]);
        assert_eq!(last_lines(&log, length, 2), [] as [&str; 0]);
        fs_err::remove_file(&log).unwrap();
        let said = last_lines(&log, 0, 2).join("\n");
        assert!(said.starts_with("(the log cannot be read: "), "{said}");
    }
}
