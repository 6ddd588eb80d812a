//! `export`: an installed app as a file for people without Orlop.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_build::log::quoted;
use orlop_export::{App, ExportError, Laid, Machine, Place, deb, lay_out, oci, pack};
use serde::Serialize;

use crate::build_args::{Export, ExportFormat};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::files;

/// Who looks after a Debian package if nobody is named: the field must be there.
const NOBODY: &str = "nobody <nobody@localhost>";

/// What was written, as data.
#[derive(Serialize)]
struct Report<'a> {
    app: &'a str,
    version: &'a str,
    format: ExportFormat,
    file: &'a Utf8Path,
    /// The programs, in the archive, the package or the image.
    programs: &'a [Utf8PathBuf],
    /// The oldest glibc that they run with.
    glibc: Option<String>,
    /// The files of this machine's glibc that come along.
    from_machine: Vec<String>,
    /// How many references were proved, in each program.
    references: Vec<u64>,
}

pub(super) fn export(context: &Context, arguments: &Export) -> Result<(), CommandError> {
    let format = arguments.format;
    if arguments.maintainer.is_some() && format != ExportFormat::Deb {
        return Err(CommandError::usage(
            "`--maintainer` is for Debian packages: `--format deb`",
        ));
    }
    let maintainer = arguments.maintainer.as_deref().unwrap_or(NOBODY);
    deb::maintainer(maintainer)?;
    let (store, profile) = super::open(context)?;
    let _in_use = store.use_store()?;
    let generation = super::current(&profile)?;
    let installed = super::installed(&generation, &arguments.app)?;
    // Before there is work that could be lost.
    let named = arguments.out.as_deref();
    let named = named.map(|out| Output::new(context, arguments, out));
    let named = named.transpose()?;
    if named.is_none() {
        files::fillable(&context.absolute(Utf8Path::new("."))?)?;
    }
    let recipe = super::query::recipe(context, &generation, installed);
    let recipe = recipe.as_ref();
    let view = store.object(&installed.view);
    let app = App {
        name: &installed.name,
        version: &installed.version,
        view: &view,
        programs: &installed.binaries,
        summary: recipe.and_then(|recipe| recipe.summary.as_deref()),
        license: recipe.and_then(|recipe| recipe.license.as_deref()),
    };
    let scratch = store.scratch()?;
    let root = scratch.folder().join("root");
    fs_err::create_dir(&root).map_err(ExportError::from)?;
    let laid = lay_out(&app, place(format), &root)?;
    let output = match named {
        Some(output) => output,
        None => Output::new(context, arguments, file_name(&app, &laid, format)?.as_ref())?,
    };
    if !context.global.dry_run {
        output.write(&app, &laid, maintainer)?;
    }
    report(context, &app, &laid, format, &output.out)?;
    for started in generation.started(installed) {
        context.ui.warning(format!(
            "`{}` starts programs of `{}`, which is not in it: export that, too",
            installed.name, started.name
        ));
    }
    Ok(())
}

fn place(format: ExportFormat) -> Place {
    match format {
        ExportFormat::Tar => Place::Anywhere,
        ExportFormat::Deb => Place::Debian,
        ExportFormat::Oci => Place::Image,
    }
}

/// Returns the name of an app's release on its machine: of the folder in an archive, for example.
fn release(app: &App<'_>, laid: &Laid) -> String {
    let machine = match laid.machine {
        Machine::X86_64 => "x86_64",
        Machine::Aarch64 => "aarch64",
    };
    format!("{}-{}-{machine}-linux", app.name, app.version)
}

fn file_name(app: &App<'_>, laid: &Laid, format: ExportFormat) -> Result<String, CommandError> {
    Ok(match format {
        ExportFormat::Deb => deb::file_name(app, laid)?,
        ExportFormat::Tar | ExportFormat::Oci => {
            format!("{}.{}", release(app, laid), ending(format))
        }
    })
}

/// What the name of a file ends with.
fn ending(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Tar => "tar.gz",
        ExportFormat::Deb => "deb",
        ExportFormat::Oci => "oci.tar",
    }
}

/// What becomes of the files.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Tar,
    TarGz,
    Deb,
    ImageTar,
    ImageFolder,
}

impl Shape {
    fn of(format: ExportFormat, out: &Utf8Path) -> Result<Self, CommandError> {
        let ends = |endings: &[&str]| endings.iter().any(|ending| out.as_str().ends_with(ending));
        match format {
            ExportFormat::Deb => Ok(Self::Deb),
            ExportFormat::Oci if ends(&[".tar"]) => Ok(Self::ImageTar),
            ExportFormat::Oci => Ok(Self::ImageFolder),
            ExportFormat::Tar if ends(&[".tar"]) => Ok(Self::Tar),
            ExportFormat::Tar if ends(&[".tar.gz", ".tgz"]) => Ok(Self::TarGz),
            ExportFormat::Tar => Err(CommandError::usage(format!(
                "`{out}` does not say how it is packed: it ends with neither `.tar` nor `.tar.gz`"
            ))),
        }
    }
}

/// Where an export goes.
struct Output {
    out: Utf8PathBuf,
    shape: Shape,
}

impl Output {
    /// An output, if it can be written there.
    fn new(context: &Context, arguments: &Export, out: &Utf8Path) -> Result<Self, CommandError> {
        let out = context.absolute(out)?;
        let format = arguments.format;
        // An image is the one that can be a folder.
        if format != ExportFormat::Oci && files::is_folder(&out) {
            let file = out.join(format!("{}.{}", arguments.app, ending(format)));
            let error = CommandError::usage(format!("`{out}` is a folder, not the name of a file"));
            return Err(error.hint(format!("name one in it: `--out {}`", quoted(file.as_str()))));
        }
        let shape = Shape::of(format, &out)?;
        // Without a slash at the end.
        let out: Utf8PathBuf = out.components().collect();
        if matches!(shape, Shape::ImageFolder) {
            refuse_present(&out)?;
        }
        files::replaceable(&out)?;
        Ok(Self { out, shape })
    }

    fn write(&self, app: &App<'_>, laid: &Laid, maintainer: &str) -> Result<(), CommandError> {
        let scratch = laid.root.with_file_name("image");
        if matches!(self.shape, Shape::ImageTar) {
            fs_err::create_dir(&scratch).map_err(ExportError::from)?;
            oci::write(app, laid, &scratch)?;
        }
        let release = release(app, laid);
        match self.shape {
            Shape::Tar => self.file(|file| pack::tar(&laid.root, &release, file)),
            Shape::TarGz => self.file(|file| pack::tar_gz(&laid.root, &release, file)),
            Shape::Deb => self.file(|file| deb::write(app, laid, maintainer, file)),
            Shape::ImageTar => self.file(|file| pack::tar(&scratch, "", file)),
            Shape::ImageFolder => self.folder(|folder| oci::write(app, laid, folder)),
        }
    }

    /// Writes a file in one step, in the place of an earlier one.
    fn file(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ExportError>,
    ) -> Result<(), CommandError> {
        let io = |error| self.failed(&error);
        let file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(above(&self.out))
            .map_err(io)?;
        let mut buffered = BufWriter::new(&file);
        write(&mut buffered)?;
        buffered.flush().map_err(io)?;
        drop(buffered);
        file.as_file().sync_all().map_err(io)?;
        file.persist(&self.out).map_err(|error| io(error.error))?;
        Ok(())
    }

    /// Writes a folder in one step, where none is.
    fn folder(
        &self,
        write: impl FnOnce(&Utf8Path) -> Result<(), ExportError>,
    ) -> Result<(), CommandError> {
        refuse_present(&self.out)?;
        let io = |error| self.failed(&error);
        let made = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(above(&self.out))
            .map_err(io)?;
        let folder = Utf8Path::from_path(made.path()).expect("it lies below a path of UTF-8");
        write(folder)?;
        fs_err::rename(made.path(), &self.out).map_err(io)?;
        // What it named is elsewhere now.
        let _moved = made.keep();
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> CommandError {
        let error = io::Error::new(error.kind(), format!("write `{}`: {error}", self.out));
        CommandError::new(Kind::Failed, error)
    }
}

/// The folder that something lies in.
fn above(path: &Utf8Path) -> &Utf8Path {
    path.parent().unwrap_or(Utf8Path::new("/"))
}

/// What is there in the place of a folder may be anything, so it stays.
fn refuse_present(out: &Utf8Path) -> Result<(), CommandError> {
    if !out.exists() {
        return Ok(());
    }
    let error = CommandError::failed(format!("`{out}` is there already"));
    Err(error.hint("write it elsewhere: `--out DIR`"))
}

fn report(
    context: &Context,
    app: &App<'_>,
    laid: &Laid,
    format: ExportFormat,
    out: &Utf8Path,
) -> Result<(), CommandError> {
    let glibc = laid.glibc.map(|glibc| glibc.to_string());
    let files = laid.from_machine.iter();
    let from_machine: Vec<_> = files.map(|path| format!("/{path}")).collect();
    if context.global.json {
        let references = laid.proofs.iter().map(|proof| proof.references);
        return context.ui.data_json(&Report {
            app: app.name,
            version: app.version,
            format,
            file: out,
            programs: &laid.programs,
            glibc,
            from_machine,
            references: references.collect(),
        });
    }
    let done = if context.global.dry_run {
        "Would export"
    } else {
        "Exported"
    };
    context
        .ui
        .success(format!("{done} {} {}", app.name, app.version));
    if !from_machine.is_empty() {
        context.ui.status(format!(
            "With it come files of this machine: {}",
            from_machine.join(" ")
        ));
    } else if let Some(glibc) = glibc {
        context
            .ui
            .status(format!("It runs where glibc is {glibc} or newer"));
    }
    context.ui.data(out);
    Ok(())
}
