//! The parts of what a native build makes: [`keep`] leaves one of them.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use orlop_store::derivation::{Output, Outputs};
use walkdir::WalkDir;

use crate::error::BuildError;
use crate::workplace::Workplace;

/// Removes from what was made all that is another part than the one that stays.
pub(crate) fn keep(outputs: &Outputs, place: &Workplace<'_>) -> Result<(), BuildError> {
    if *outputs == Outputs::default() {
        return Ok(());
    }
    let parts = [
        (Output::Man, set(&outputs.man, place)?),
        (Output::Doc, set(&outputs.doc, place)?),
    ];
    let part = |path: &Utf8Path| {
        let found = parts.iter().find(|(_, set)| {
            // A folder stands for all that is in it.
            path.ancestors()
                .any(|part| !part.as_str().is_empty() && set.is_match(part))
        });
        found.map_or(Output::Dev, |(output, _)| *output)
    };
    let top = place.staged();
    let files = place.io(files(top))?;
    let mut emptied = BTreeSet::new();
    let mut left = 0;
    for file in files {
        let path = file.strip_prefix(top).unwrap_or(&file);
        if part(path) == outputs.kept {
            left += 1;
            continue;
        }
        place.io(fs_err::remove_file(&file))?;
        let folders = file.ancestors().skip(1);
        let folders = folders.take_while(|folder| *folder != top);
        emptied.extend(folders.map(Utf8Path::to_owned));
    }
    // The deepest first.
    for folder in emptied.iter().rev() {
        if place.io(folder.read_dir_utf8())?.next().is_none() {
            place.io(fs_err::remove_dir(folder))?;
        }
    }
    if left == 0 {
        return Err(place.failed(match outputs.kept {
            Output::Dev => "it made nothing but documentation",
            Output::Doc => "it made no documentation",
            Output::Man => "it made no man pages",
        }));
    }
    Ok(())
}

fn set(globs: &[String], place: &Workplace<'_>) -> Result<GlobSet, BuildError> {
    let read = || {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
        }
        set.build()
    };
    place.io(read().map_err(|error: globset::Error| std::io::Error::other(error)))
}

/// Returns all files and links below a folder.
fn files(top: &Utf8Path) -> std::io::Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(top) {
        let entry = entry?;
        if !entry.file_type().is_dir() {
            let path = Utf8PathBuf::try_from(entry.into_path());
            found.push(path.map_err(camino::FromPathBufError::into_io_error)?);
        }
    }
    Ok(found)
}
