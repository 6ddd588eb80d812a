//! An OCI image: a folder with an index, and blobs by their digests (OCI image specification 1.1).
//!
//! The image starts from nothing, so its one layer holds the glibc of this machine as well, each
//! file of it named in the label [`FROM_MACHINE`].

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Machine;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::ExportError;
use crate::layout::{App, Laid};
use crate::pack::{self, hex};

/// The label that names the files that are of this machine's glibc.
pub const FROM_MACHINE: &str = "orlop.from-machine";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// When all was made: the time of all files.
const CREATED: &str = "1970-01-01T00:00:01Z";
/// What `podman` and `docker` set for programs without a `PATH` of their own.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes an app that is laid out for [`Place::Image`](crate::Place::Image) as an image into an
/// empty folder.
pub fn write(app: &App<'_>, laid: &Laid, folder: &Utf8Path) -> Result<(), ExportError> {
    let blobs = Blobs(folder.join("blobs/sha256"));
    fs_err::create_dir_all(&blobs.0)?;
    let (layer, unpacked) = blobs.layer(&laid.root)?;
    let labels = labels(app, laid);
    let machine = json!({ "architecture": architecture(laid.machine), "os": "linux" });
    let mut start = json!({ "Env": [PATH], "WorkingDir": "/", "Labels": labels });
    if let Some(program) = entry_point(app, laid) {
        start["Entrypoint"] = json!([program]);
    }
    let config = blobs.json(
        CONFIG,
        &json!({
            "created": CREATED,
            "architecture": machine["architecture"],
            "os": machine["os"],
            "config": start,
            "rootfs": { "type": "layers", "diff_ids": [unpacked] },
            "history": [{ "created": CREATED, "created_by": "orlop export" }],
        }),
    )?;
    let mut manifest = blobs.json(
        MANIFEST,
        &json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": labels,
        }),
    )?;
    manifest["platform"] = machine;
    manifest["annotations"] = json!({
        "org.opencontainers.image.ref.name": tag(app),
        // The name that `podman load` and `docker load` give it.
        "io.containerd.image.name": format!("localhost/{}:{}", repository(app), tag(app)),
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
    fs_err::write(folder.join("index.json"), index.to_string())?;
    fs_err::write(
        folder.join("oci-layout"),
        json!({ "imageLayoutVersion": "1.0.0" }).to_string(),
    )?;
    Ok(())
}

/// Returns the program that the image starts: the only one, or the one by the app's name. Without
/// it, who starts the image names a program.
fn entry_point(app: &App<'_>, laid: &Laid) -> Option<String> {
    let mut programs = laid.programs.iter();
    let program = match laid.programs.as_slice() {
        [only] => Some(only),
        _ => programs.find(|program| program.file_name() == Some(app.name)),
    };
    program.map(|program| format!("/{program}"))
}

fn labels(app: &App<'_>, laid: &Laid) -> Value {
    let files = laid.from_machine.iter();
    let files: Vec<_> = files.map(|path| format!("/{path}")).collect();
    let said = [
        ("org.opencontainers.image.title", Some(app.name.to_owned())),
        (
            "org.opencontainers.image.version",
            Some(app.version.to_owned()),
        ),
        (
            "org.opencontainers.image.description",
            app.summary.map(str::to_owned),
        ),
        (
            "org.opencontainers.image.licenses",
            app.license.map(str::to_owned),
        ),
        (FROM_MACHINE, (!files.is_empty()).then(|| files.join(" "))),
    ];
    let said = said.into_iter();
    let said = said.filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Value::Object(said.collect::<Map<_, _>>())
}

/// Returns the app's name as repositories of images are named: in small letters.
fn repository(app: &App<'_>) -> String {
    app.name.to_ascii_lowercase()
}

/// Returns the app's version as a tag, which has no `+`.
fn tag(app: &App<'_>) -> String {
    app.version.replace('+', "_")
}

fn architecture(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => "amd64",
        Machine::Aarch64 => "arm64",
    }
}

/// The folder of blobs.
struct Blobs(Utf8PathBuf);

impl Blobs {
    /// Adds a record and returns its descriptor.
    fn json(&self, kind: &str, record: &Value) -> Result<Value, ExportError> {
        let text = record.to_string();
        let digest = hex(&Sha256::digest(&text));
        fs_err::write(self.0.join(&digest), &text)?;
        Ok(descriptor(kind, &digest, text.len() as u64))
    }

    /// Adds a folder as a layer; returns its descriptor and the digest of the archive before it was
    /// compressed.
    fn layer(&self, root: &Utf8Path) -> Result<(Value, String), ExportError> {
        let path = self.0.join("layer");
        let file = Hashing::new(fs_err::File::create(&path)?);
        let packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        let mut archive = Hashing::new(packed);
        pack::tar(root, "", &mut archive)?;
        let unpacked = hex(&archive.hasher.finalize());
        let file = archive.inner.finish()?;
        let (digest, size) = (hex(&file.hasher.finalize()), file.size);
        fs_err::rename(path, self.0.join(&digest))?;
        Ok((
            descriptor(LAYER, &digest, size),
            format!("sha256:{unpacked}"),
        ))
    }
}

fn descriptor(kind: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size })
}

/// Counts and hashes what is written.
struct Hashing<W> {
    hasher: Sha256,
    size: u64,
    inner: W,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            hasher: Sha256::new(),
            size: 0,
            inner,
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
