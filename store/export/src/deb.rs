//! A Debian package: an `ar` archive of a version, of what is said of the package, and of its files
//! (`deb(5)`, `deb-control(5)`).

use std::fmt::Write as _;
use std::io::Write;

use camino::Utf8Path;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use orlop_loader::elf::Machine;
use tar::{Builder, Header};
use walkdir::WalkDir;

use crate::error::ExportError;
use crate::layout::{App, Laid};
use crate::pack;

/// The format, in messages.
const FORMAT: &str = "a Debian package";
/// The unit of `Installed-Size`.
const KIB: u64 = 1024;

/// Writes an app that is laid out for [`Place::Debian`](crate::Place::Debian) as a package.
pub fn write(
    app: &App<'_>,
    laid: &Laid,
    maintainer: &str,
    mut out: impl Write,
) -> Result<(), ExportError> {
    let sums = sums(&laid.root)?;
    let control = control(app, laid, maintainer, sums.kib)?;
    let mut data = Vec::new();
    pack::tar_gz(&laid.root, "", &mut data)?;
    let about = about([("control", &control), ("md5sums", &sums.md5)])?;
    out.write_all(b"!<arch>\n")?;
    member("debian-binary", b"2.0\n", &mut out)?;
    member("control.tar.gz", &about, &mut out)?;
    member("data.tar.gz", &data, &mut out)?;
    out.flush()?;
    Ok(())
}

/// Returns the usual name of the file of a package.
pub fn file_name(app: &App<'_>, laid: &Laid) -> Result<String, ExportError> {
    let architecture = architecture(laid.machine);
    Ok(format!(
        "{}_{}_{architecture}.deb",
        name(app)?,
        version(app)
    ))
}

/// Writes one member of an `ar` archive. What else here writes archives begins them with an index,
/// but what says the version has to be first in a package.
fn member(name: &str, content: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    // Name, time, user, group, mode, size.
    let size = content.len();
    writeln!(
        out,
        "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`",
        0, 0, 0, "100644"
    )?;
    out.write_all(content)?;
    if size % 2 == 1 {
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// What is said of the package, as an archive.
fn about(files: [(&str, &String); 2]) -> Result<Vec<u8>, ExportError> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, text) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn control(app: &App<'_>, laid: &Laid, maintainer: &str, kib: u64) -> Result<String, ExportError> {
    let mut fields = vec![
        ("Package", name(app)?),
        ("Version", version(app)),
        ("Architecture", architecture(laid.machine).to_owned()),
        ("Maintainer", self::maintainer(maintainer)?),
        ("Installed-Size", kib.to_string()),
    ];
    fields.extend(
        laid.glibc
            .map(|glibc| ("Depends", format!("libc6 (>= {glibc})"))),
    );
    fields.extend([
        ("Section", "utils".to_owned()),
        ("Priority", "optional".to_owned()),
    ]);
    let summary = app.summary.unwrap_or(app.name);
    fields.push((
        "Description",
        line("a summary", summary.trim_end_matches('.'))?,
    ));
    let mut text = String::new();
    for (name, value) in fields {
        writeln!(text, "{name}: {value}").expect("a string takes everything");
    }
    text.push_str(" Made by `orlop export`. The shared libraries that it needs come with it.\n");
    Ok(text)
}

/// Returns who looks after a package, as Debian writes that: `Name <address>`.
pub fn maintainer(text: &str) -> Result<String, ExportError> {
    const WHAT: &str = "a maintainer";
    let text = line(WHAT, text)?;
    let parts = text
        .strip_suffix('>')
        .and_then(|text| text.split_once(" <"));
    let is_one = parts.is_some_and(|(name, address)| {
        let odd = |c: char| c.is_whitespace() || "<>,".contains(c);
        let ends = address.split_once('@');
        !name.trim().is_empty()
            && !name.contains(['<', '>'])
            && !address.contains(odd)
            && ends.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
    });
    if is_one {
        return Ok(text);
    }
    Err(ExportError::Text {
        format: FORMAT,
        what: WHAT,
        text,
        reason: "it is written `Name <name@example.org>`",
    })
}

/// Returns a text that is one line of its own.
fn line(what: &'static str, text: &str) -> Result<String, ExportError> {
    let text = text.trim();
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.contains(char::is_control) {
        "it is more than one line"
    } else {
        return Ok(text.to_owned());
    };
    Err(ExportError::Text {
        format: FORMAT,
        what,
        text: text.to_owned(),
        reason,
    })
}

/// Returns an app's name as Debian writes names of packages: in small letters, without underscores.
fn name(app: &App<'_>) -> Result<String, ExportError> {
    let name = app.name.to_ascii_lowercase().replace('_', "-");
    let reason = if name.len() < 2 {
        "it must have two letters at least"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it must begin with a letter or a digit"
    } else {
        return Ok(name);
    };
    Err(ExportError::Text {
        format: FORMAT,
        what: "the name",
        text: app.name.to_owned(),
        reason,
    })
}

/// Returns an app's version as Debian writes and orders versions: a pre-release comes before what
/// it leads to, and a hyphen would begin a revision of the package.
fn version(app: &App<'_>) -> String {
    app.version.replacen('-', "~", 1).replace('-', ".")
}

fn architecture(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => "amd64",
        Machine::Aarch64 => "arm64",
    }
}

/// The digests of a package's files, and the room that they take.
struct Sums {
    md5: String,
    kib: u64,
}

fn sums(root: &Utf8Path) -> Result<Sums, ExportError> {
    let mut sums = Sums {
        md5: String::new(),
        kib: 0,
    };
    for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() {
            // As `dpkg-gencontrol` counts them.
            sums.kib += 1;
            continue;
        }
        let content = fs_err::read(entry.path())?;
        sums.kib += (content.len() as u64).div_ceil(KIB);
        let inside = entry
            .path()
            .strip_prefix(root)
            .expect("it was found in there");
        let digest = pack::hex(&Md5::digest(&content));
        writeln!(sums.md5, "{digest}  {}", inside.display()).expect("a string takes everything");
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app<'a>(name: &'a str, version: &'a str) -> App<'a> {
        App {
            name,
            version,
            view: Utf8Path::new("/view"),
            programs: &[],
            summary: None,
            license: None,
        }
    }

    #[test]
    fn names_and_versions_are_debians() {
        assert_eq!(name(&app("Tool_Kit", "1.0.0")).unwrap(), "tool-kit");
        assert!(name(&app("x", "1.0.0")).is_err());
        assert!(name(&app("_x", "1.0.0")).is_err());
        assert_eq!(version(&app("kit", "1.0.0-rc-1.2+b")), "1.0.0~rc.1.2+b");
    }

    #[test]
    fn fields_are_lines() {
        let error = line("a maintainer", "A\nDepends: all").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a Debian package cannot have a maintainer `A\nDepends: all`: it is more than one line"
        );
        assert_eq!(line("a summary", " x ").unwrap(), "x");
    }

    #[test]
    fn a_member_of_an_archive_is_padded() {
        let mut out = Vec::new();
        member("odd", b"abc", &mut out).unwrap();
        let header = "odd             0           0     0     100644  3         `\n";
        assert_eq!(String::from_utf8(out).unwrap(), format!("{header}abc\n"));
    }
}
