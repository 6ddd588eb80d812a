//! A web server on loopback that serves a folder, and misbehaves on request.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How the server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// Archives end half way, every time.
    Cut,
    /// Archives end half way the first time.
    CutOnce,
    /// Every answer is a page that asks to log in.
    Portal,
    /// Every answer is 503.
    Unavailable,
}

/// Serves until it is dropped.
pub(crate) struct Server {
    address: String,
    state: Arc<State>,
}

struct State {
    folder: PathBuf,
    fault: Mutex<Fault>,
    requests: AtomicUsize,
    stopped: AtomicBool,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            folder: folder.to_owned(),
            fault: Mutex::new(Fault::None),
            requests: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
    }
}

impl State {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let path = request
            .split(' ')
            .nth(1)
            .unwrap_or("/")
            .trim_start_matches('/')
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let archive = Path::new(&path)
            .extension()
            .is_some_and(|ending| ending == "crate");
        let fault = {
            let mut fault = self.fault.lock().unwrap();
            let now = *fault;
            if archive && now == Fault::CutOnce {
                *fault = Fault::None;
            }
            now
        };
        let (status, kind, body) = match fault {
            Fault::Portal => (200, "text/html", b"<html>Please log in</html>".to_vec()),
            Fault::Unavailable => (503, "text/plain", b"later".to_vec()),
            _ => match std::fs::read(self.folder.join(&path)) {
                Ok(body) => (200, "application/octet-stream", body),
                Err(_) => (404, "text/plain", b"none".to_vec()),
            },
        };
        let cut = archive && matches!(fault, Fault::Cut | Fault::CutOnce);
        let end = if cut { body.len() / 2 } else { body.len() };
        write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body[..end])?;
        stream.flush()
    }
}
