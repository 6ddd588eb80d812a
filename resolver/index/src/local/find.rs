//! The package of a folder, by a look around: a project is often a workspace, and the app one
//! member of it.

use camino::{Utf8Path, Utf8PathBuf};
use orlop_recipes::{CrateSource, PackageName, Version};

use super::{LocalError, Workshop, git};

/// How deep below the top of a project its members are looked for.
const DEPTH: usize = 3;

/// A tag of a repository that is a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaggedVersion {
    /// The version.
    pub version: Version,
    /// The commit.
    pub rev: String,
}

impl Workshop {
    /// Returns the commit that a repository gives out if nobody names one.
    pub fn head(&self, address: &str) -> Result<String, LocalError> {
        let names = git::names(self, address)?;
        names
            .into_iter()
            .find(|(_, name)| name == "HEAD")
            .map(|(rev, _)| rev)
            .ok_or_else(|| LocalError::Names {
                address: address.to_owned(),
                reason: "it has no commits".to_owned(),
            })
    }

    /// Returns the versions among the tags of a repository, the newest last: `v1.2.3`, `1.2.3`,
    /// `kit-1.2.3`.
    pub fn versions(&self, address: &str) -> Result<Vec<TaggedVersion>, LocalError> {
        let names = git::names(self, address)?;
        let mut versions: Vec<TaggedVersion> = names
            .into_iter()
            .filter_map(|(rev, name)| {
                let tag = name.strip_prefix("refs/tags/")?;
                // An annotated tag is listed as itself, then as what it stands for.
                let version = version(tag.strip_suffix("^{}").unwrap_or(tag))?;
                Some(TaggedVersion { version, rev })
            })
            .collect();
        versions.reverse();
        versions.sort_by(|left, right| left.version.cmp(&right.version));
        versions.dedup_by(|later, first| later.version == first.version);
        Ok(versions)
    }

    /// Returns the folder that a source names; a commit is fetched if it is not here.
    pub fn files(&self, source: &CrateSource) -> Result<Utf8PathBuf, LocalError> {
        self.folder(source).map(|(folder, _)| folder)
    }

    /// Finds the package with programs in what a source names. Returns the source with the folder
    /// of that package, and its name.
    pub fn find_app(&self, source: &CrateSource) -> Result<(CrateSource, PackageName), LocalError> {
        let (folder, _) = self.folder(source)?;
        let folder = super::real(&folder)?;
        let (inside, name) = find(&folder)?;
        if inside.as_str().is_empty() {
            return Ok((source.clone(), name));
        }
        let source = match source {
            CrateSource::Path { path } => CrateSource::Path {
                path: format!("{}/{inside}", path.trim_end_matches('/')),
            },
            CrateSource::Git { git, rev, folder } => CrateSource::Git {
                git: git.clone(),
                rev: rev.clone(),
                folder: Some(match folder {
                    Some(folder) => format!("{folder}/{inside}"),
                    None => inside.into_string(),
                }),
            },
        };
        Ok((source, name))
    }
}

/// Returns the version that a tag stands for.
fn version(tag: &str) -> Option<Version> {
    let start = tag
        .char_indices()
        .find(|(place, c)| {
            c.is_ascii_digit()
                && !tag[..*place].ends_with(|c: char| c.is_ascii_alphanumeric() && c != 'v')
        })?
        .0;
    tag[start..].parse().ok()
}

/// Returns the folder of the package with programs, relative to `top`, and its name.
fn find(top: &Utf8Path) -> Result<(Utf8PathBuf, PackageName), LocalError> {
    if let Some(name) = package(top)? {
        return Ok((Utf8PathBuf::new(), name));
    }
    let mut found = Vec::new();
    walk(top, top, DEPTH, &mut found)?;
    found.sort();
    let folder = top.to_owned();
    match found.as_slice() {
        [] => Err(LocalError::NoApp { folder }),
        [one] => Ok(one.clone()),
        several => Err(LocalError::SeveralApps {
            folder,
            found: several
                .iter()
                .map(|(inside, _)| inside.to_string())
                .collect(),
        }),
    }
}

fn walk(
    top: &Utf8Path,
    folder: &Utf8Path,
    depth: usize,
    found: &mut Vec<(Utf8PathBuf, PackageName)>,
) -> Result<(), LocalError> {
    for entry in super::list(folder)? {
        let path = entry.path();
        let hidden = entry.file_name().starts_with('.') || entry.file_name() == "target";
        if hidden || !entry.file_type()?.is_dir() {
            continue;
        }
        match package(path) {
            Ok(Some(name)) if has_programs(path) => {
                let inside = path.strip_prefix(top).expect("it was found below");
                found.push((inside.to_owned(), name));
            }
            // A broken manifest of a test is no obstacle.
            _ if depth > 1 => walk(top, path, depth - 1, found)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a package has programs that need no line in its manifest, or has such lines.
fn has_programs(folder: &Utf8Path) -> bool {
    let named = || {
        let text = fs_err::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        text.lines().any(|line| line.trim() == "[[bin]]")
    };
    folder.join("src/main.rs").is_file() || folder.join("src/bin").is_dir() || named()
}

/// Returns the name of the package whose manifest lies in a folder, if there is one.
fn package(folder: &Utf8Path) -> Result<Option<PackageName>, LocalError> {
    let path = folder.join("Cargo.toml");
    if !path.is_file() {
        return Ok(None);
    }
    let wrong = |reason: String| LocalError::Manifest {
        path: path.clone(),
        reason,
    };
    let text = String::from_utf8(fs_err::read(&path)?);
    let text = text.map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let manifest: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let Some(package) = manifest.get("package") else {
        return Ok(None);
    };
    let name = package.get("name").and_then(toml::Value::as_str);
    name.unwrap_or_default()
        .parse()
        .map(Some)
        .map_err(|error: orlop_recipes::NameError| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_versions() {
        for (tag, expected) in [
            ("v1.2.3", Some("1.2.3")),
            ("1.2.3", Some("1.2.3")),
            ("kit-v1.2.3", Some("1.2.3")),
            ("kit-1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("x86-nightly", None),
            ("v1.2", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(version(tag), expected, "{tag}");
        }
    }

    #[test]
    fn the_app_of_a_workspace_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(folder.path()).unwrap();
        let write = |name: &str, text: &str| {
            let path = top.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
        assert!(matches!(find(top), Err(LocalError::NoApp { .. })));
        write("crates/lib/Cargo.toml", "[package]\nname = \"lib\"\n");
        write("crates/lib/src/lib.rs", "");
        write("crates/app/Cargo.toml", "[package]\nname = \"app\"\n");
        write("crates/app/src/main.rs", "");
        let (inside, name) = find(top).unwrap();
        assert_eq!((inside.as_str(), name.as_str()), ("crates/app", "app"));
        write(
            "crates/two/Cargo.toml",
            "[package]\nname = \"two\"\n[[bin]]\nname = \"x\"\n",
        );
        let error = find(top).unwrap_err().to_string();
        assert!(
            error.ends_with("have programs: crates/app, crates/two"),
            "{error}"
        );
    }
}
