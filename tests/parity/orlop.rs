//! What Orlop runs: the logs of its builds.

use std::path::Path;

use super::command::{Command, words};

/// The commands of all builds of a home.
pub(crate) fn commands(home: &Path) -> Vec<Command> {
    let mut paths: Vec<_> = std::fs::read_dir(home.join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .flat_map(|path| commands_of(&String::from_utf8_lossy(&std::fs::read(path).unwrap())))
        .collect()
}

/// A command follows the line that names its folder.
fn commands_of(log: &str) -> Vec<Command> {
    let mut starts: Vec<_> = log.match_indices("\n# in ").map(|(at, _)| at + 1).collect();
    // What a process says might look like one more.
    starts.truncate(1);
    starts
        .into_iter()
        .filter_map(|start| log[start..].split_once('\n'))
        .map(|(_folder, command)| Command::of(words(command, '\n')))
        .collect()
}
