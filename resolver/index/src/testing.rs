//! For tests: names, times, folders, archives, and a small HTTP server on the loopback interface.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use camino::Utf8PathBuf;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use orlop_recipes::PackageName;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::download::hex;

pub(crate) fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn folder() -> (TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// An entry of an archive, its name taken as it is.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    File(&'a str, &'a str),
    Bytes(&'a str, &'a [u8]),
    Folder(&'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Pipe(&'a str),
}

/// Makes an archive, however odd.
pub(crate) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for entry in entries {
        let (name, kind, target, bytes) = match *entry {
            Entry::File(name, text) => (name, tar::EntryType::Regular, "", text.as_bytes()),
            Entry::Bytes(name, bytes) => (name, tar::EntryType::Regular, "", bytes),
            Entry::Folder(name) => (name, tar::EntryType::Directory, "", &[][..]),
            Entry::Link(name, target) => (name, tar::EntryType::Symlink, target, &[][..]),
            Entry::HardLink(name, target) => (name, tar::EntryType::Link, target, &[][..]),
            Entry::Pipe(name) => (name, tar::EntryType::Fifo, "", &[][..]),
        };
        let mut header = tar::Header::new_gnu();
        // Written by hand: the setters refuse what these tests are about.
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// What the server says.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Status line, headers and body, as they go over the wire.
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection is left open without another word.
    pub(crate) hangs: bool,
}

impl Reply {
    pub(crate) fn new(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            bytes.push_str(header);
            bytes.push_str("\r\n");
        }
        bytes.push_str("Connection: close\r\n\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(body);
        Self {
            bytes,
            hangs: false,
        }
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", &[], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::new(status, &[], "")
    }
}

type Handler = dyn Fn(&Request, usize) -> Reply + Send + Sync;

/// What the client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// A server that lives as long as the test process.
pub(crate) struct Server {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server; the handler gets the request and how many there were for its path before.
    pub(crate) fn start(
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let log = requests.clone();
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler) = (log.clone(), handler.clone());
                std::thread::spawn(move || serve(stream, &log, &*handler));
            }
        });
        Self { address, requests }
    }

    /// Returns the requests so far, and forgets them.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// Returns the paths of the requests so far, and forgets them.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.path)
            .collect()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, handler: &Handler) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut headers = BTreeMap::new();
    for line in lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        let (name, value) = line.split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let request = Request {
        path: first.split(' ').nth(1)?.to_owned(),
        headers,
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.iter()
            .filter(|other| other.path == request.path)
            .count()
            - 1
    };
    let reply = handler(&request, before);
    stream.write_all(&reply.bytes).ok()?;
    if reply.hangs {
        std::thread::sleep(std::time::Duration::from_secs(20));
    }
    Some(())
}
