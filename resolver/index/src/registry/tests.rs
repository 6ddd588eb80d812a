//! Registries on loopback servers and in folders.

use std::time::Duration;

use super::*;
use crate::progress::Silent;
use crate::testing::{Entry, Reply, Request, Server, archive, folder, name, sha256, time};

const SNAPSHOT: &str = "2026-01-01T00:00:00Z";

/// One run of the program: when it is, and what it may do.
#[derive(Clone)]
struct Run<'a> {
    home: &'a Utf8Path,
    source: Source,
    now: &'a str,
    offline: bool,
    stall: Duration,
}

impl<'a> Run<'a> {
    fn new(home: &'a Utf8Path, server: &Server) -> Self {
        Self {
            home,
            source: Source::Sparse(format!("{}index/", server.address)),
            now: SNAPSHOT,
            offline: false,
            stall: Duration::from_secs(5),
        }
    }

    fn open(&self) -> Registry<'a> {
        Registry::open(RegistryOptions {
            home: self.home,
            source: self.source.clone(),
            archives: Source::CratesIo,
            offline: self.offline,
            now: time(self.now),
            snapshot: time(SNAPSHOT),
            known: vec![name("demolition"), name("other")],
            patience: Patience {
                stall: self.stall,
                pause: Duration::from_millis(1),
                longest_pause: Duration::from_millis(20),
                ..Patience::default()
            },
            progress: &Silent,
        })
        .unwrap()
    }

    fn versions(&self, package: &str) -> Result<Vec<String>, String> {
        let found = self
            .open()
            .releases(&name(package))
            .map_err(|error| chain(&error))?;
        Ok(found
            .iter()
            .map(|release| release.version.to_string())
            .collect())
    }
}

/// Returns an error with all its causes, without the server's port.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    let text = texts.join(": ");
    match text.split_once("127.0.0.1:") {
        Some((before, after)) => {
            format!(
                "{before}HOST{}",
                after.trim_start_matches(|c: char| c.is_ascii_digit())
            )
        }
        None => text,
    }
}

fn line(package: &str, version: &str, rest: &str) -> String {
    let checksum = sha256(&crate_file(package, version));
    format!(
        "{{\"name\":\"{package}\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{checksum}\",\
         \"features\":{{}},\"yanked\":false{rest}}}\n"
    )
}

fn crate_file(package: &str, version: &str) -> Vec<u8> {
    let manifest = format!("[package]\nname = '{package}'\nversion = '{version}'\n");
    let folder = format!("{package}-{version}");
    archive(&[
        Entry::File(&format!("{folder}/Cargo.toml"), &manifest),
        Entry::File(&format!("{folder}/src/lib.rs"), ""),
    ])
}

/// A registry with `demo` in two versions, one of them later than the snapshot.
fn demo(request: &Request, _before: usize) -> Reply {
    let entry = [
        line("demo", "1.0.0", ",\"pubtime\":\"2025-06-01T00:00:00Z\""),
        line("demo", "1.1.0", ",\"pubtime\":\"2026-02-01T00:00:00Z\""),
    ];
    match request.path.as_str() {
        "/index/de/mo/demo"
            if request.headers.get("if-none-match") == Some(&"\"a\"".to_owned()) =>
        {
            Reply::status("304 Not Modified")
        }
        "/index/de/mo/demo" => Reply::new("200 OK", &["ETag: \"a\""], entry.concat()),
        "/index/config.json" => Reply::ok(format!(
            "{{\"dl\":\"http://{}/dl\"}}",
            request.headers["host"]
        )),
        "/dl/demo/1.0.0/download" => Reply::ok(crate_file("demo", "1.0.0")),
        _ => Reply::status("404 Not Found"),
    }
}

/// Compares what was found with the versions of [`demo`], that after the snapshot included.
#[track_caller]
fn assert_both(found: &Result<Vec<String>, String>) {
    let both = ["1.0.0".to_owned(), "1.1.0".to_owned()];
    assert_eq!(found.as_deref(), Ok(&both[..]));
}

#[test]
fn a_fixed_snapshot_is_asked_for_only_once() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let run = Run::new(&home, &server);
    assert_both(&run.versions("demo"));
    assert_eq!(run.versions("none"), Ok(vec![]));
    assert_eq!(server.paths(), ["/index/de/mo/demo", "/index/no/ne/none"]);
    let later = Run {
        now: "2026-05-05T00:00:00Z",
        ..run
    };
    assert_both(&later.versions("demo"));
    assert_eq!(later.versions("none"), Ok(vec![]));
    assert_eq!(server.paths(), [""; 0]);
}

#[test]
fn what_is_older_than_the_snapshot_is_asked_for_again_and_need_not_come_again() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let early = Run {
        now: "2025-12-24T00:00:00Z",
        ..Run::new(&home, &server)
    };
    assert_both(&early.versions("demo"));
    assert_both(&early.versions("demo"));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].headers.get("if-none-match"), None);
    assert_eq!(requests[1].headers["if-none-match"], "\"a\"");
    // The second answer, `not modified`, counts as fetching it anew.
    let late = Run {
        now: "2026-02-02T00:00:00Z",
        ..early.clone()
    };
    assert_both(&late.versions("demo"));
    assert_eq!(server.paths().len(), 1);
    assert_both(&late.versions("demo"));
    assert_eq!(server.paths().len(), 0);
}

#[test]
fn a_server_without_tags_is_asked_by_date() {
    let (_keep, home) = folder();
    let date = "Mon, 01 Dec 2025 00:00:00 GMT";
    let server = Server::start(move |request, _| {
        if request
            .headers
            .get("if-modified-since")
            .is_some_and(|asked| asked == date)
        {
            return Reply::status("304 Not Modified");
        }
        Reply::new(
            "200 OK",
            &[&format!("Last-Modified: {date}")],
            line("demo", "1.0.0", ""),
        )
    });
    let run = Run {
        now: "2025-12-24T00:00:00Z",
        ..Run::new(&home, &server)
    };
    assert_eq!(run.versions("demo"), Ok(vec!["1.0.0".to_owned()]));
    assert_eq!(run.versions("demo"), Ok(vec!["1.0.0".to_owned()]));
    assert_eq!(server.requests()[1].headers["if-modified-since"], date);
}

#[test]
fn one_process_asks_once() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let registry = Run {
        now: "2025-12-24T00:00:00Z",
        ..Run::new(&home, &server)
    }
    .open();
    for _ in 0..3 {
        assert_eq!(registry.releases(&name("demo")).unwrap().len(), 2);
    }
    assert_eq!(server.paths().len(), 1);
}

#[test]
fn a_broken_cache_file_is_fetched_anew() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let run = Run::new(&home, &server);
    assert_both(&run.versions("demo"));
    let Origin::Network { cache, .. } = run.open().origin else {
        panic!("it is on the network")
    };
    let path = cache.folder().join("de/mo/demo");
    fs_err::write(&path, &fs_err::read(&path).unwrap()[..90]).unwrap();
    assert_both(&run.versions("demo"));
    assert_eq!(server.paths().len(), 2);
}

#[test]
fn offline_nothing_is_asked() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let offline = Run {
        offline: true,
        ..Run::new(&home, &server)
    };
    insta::assert_snapshot!(offline.versions("demo").unwrap_err(), @"read the index entry of `demo`: it is not on this machine and `--offline` forbids to fetch it");
    let early = Run {
        now: "2025-12-24T00:00:00Z",
        offline: false,
        ..offline.clone()
    };
    assert_both(&early.versions("demo"));
    // However old: it is what there is.
    assert_both(&offline.versions("demo"));
    // And its age is told.
    let registry = offline.open();
    let (_, known) = registry.dated(|| registry.releases(&name("demo")).unwrap());
    assert_eq!(known, time(early.now));
    let ((), known) = registry.dated(|| ());
    assert_eq!(known, time(SNAPSHOT));
    let missing = offline
        .open()
        .package(&name("demo"), &"1.0.0".parse().unwrap())
        .unwrap_err();
    insta::assert_snapshot!(chain(&missing), @"read the manifest of `demo 1.0.0`: `demo 1.0.0` is not on this machine and `--offline` forbids to fetch it");
    assert_eq!(server.paths().len(), 1);
}

#[test]
fn a_registry_may_name_itself() {
    let (_keep, home) = folder();
    let server = Server::start(|request, _| {
        let need = |name: &str, registry: &str| {
            format!("{{\"name\":\"{name}\",\"req\":\"1\",\"registry\":\"{registry}\"}}")
        };
        let own = format!("sparse+http://{}/index/", request.headers["host"]);
        let needs = [
            need("a", &own),
            need("b", own.trim_end_matches('/')),
            need("c", "sparse+https://other.test/index/"),
        ];
        let needs = format!("\"deps\":[{}]", needs.join(","));
        Reply::ok(line("demo", "1.0.0", "").replace("\"deps\":[]", &needs))
    });
    let registry = Run::new(&home, &server).open();
    let releases = registry.releases(&name("demo")).unwrap();
    let dependencies = releases[0].dependencies.iter();
    let others = dependencies.map(|one| one.registry.is_some());
    assert_eq!(others.collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let troubles = [
        Reply::status("500 Internal Server Error"),
        Reply::new("503 Service Unavailable", &["Retry-After: 3600"], ""),
        Reply::new("429 Too Many Requests", &["Retry-After: 0"], ""),
        Reply {
            bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"na".to_vec(),
            ..Reply::ok("")
        },
        Reply {
            bytes: vec![],
            ..Reply::ok("")
        },
    ];
    for trouble in troubles {
        let (_keep, home) = folder();
        let reply = trouble.clone();
        let server = Server::start(move |request, before| match before {
            0..=2 => reply.clone(),
            _ => demo(request, before),
        });
        assert_both(&Run::new(&home, &server).versions("demo"));
        assert_eq!(server.paths().len(), 4);
    }
}

#[test]
fn after_four_tries_it_is_an_error_and_nothing_is_remembered() {
    let (_keep, home) = folder();
    let server = Server::start(|_, _| Reply::status("500 Internal Server Error"));
    let run = Run::new(&home, &server);
    insta::assert_snapshot!(run.versions("demo").unwrap_err(), @"read the index entry of `demo`: `http://HOST/index/de/mo/demo` answers with status 500, tried 4 times");
    assert_eq!(server.paths().len(), 4);
    let offline = Run {
        offline: true,
        ..run
    };
    assert!(offline.versions("demo").is_err());
}

#[test]
fn a_refusal_is_final() {
    let (_keep, home) = folder();
    let server = Server::start(|_, _| Reply::status("403 Forbidden"));
    insta::assert_snapshot!(Run::new(&home, &server).versions("demo").unwrap_err(), @"read the index entry of `demo`: `http://HOST/index/de/mo/demo` answers with status 403");
    assert_eq!(server.paths().len(), 1);
}

#[test]
fn a_package_that_is_gone_has_no_releases() {
    for status in [
        "404 Not Found",
        "410 Gone",
        "451 Unavailable For Legal Reasons",
    ] {
        let (_keep, home) = folder();
        let server = Server::start(move |_, _| Reply::status(status));
        assert_eq!(Run::new(&home, &server).versions("demo"), Ok(vec![]));
        assert_eq!(server.paths().len(), 1);
    }
}

#[test]
fn a_web_page_is_not_an_entry_whatever_it_calls_itself() {
    for headers in [&["Content-Type: text/html; charset=utf-8"][..], &[]] {
        let (_keep, home) = folder();
        let server =
            Server::start(move |_, _| Reply::new("200 OK", headers, "<html>Pay for Wi-Fi</html>"));
        let error = Run::new(&home, &server).versions("demo").unwrap_err();
        let expected = if headers.is_empty() {
            "read the index entry of `demo`: `http://HOST/index/de/mo/demo` is not an index entry: \
             it starts with `<html>Pay for Wi-Fi</htm` instead of `{`: something between this \
             machine and the registry answers for it"
        } else {
            "read the index entry of `demo`: `http://HOST/index/de/mo/demo` answers with a web \
             page: something between this machine and the registry answers for it"
        };
        assert_eq!(error, expected);
        let offline = Run {
            offline: true,
            ..Run::new(&home, &server)
        };
        assert!(offline.versions("demo").is_err(), "the page was not kept");
    }
}

#[test]
fn silence_and_slowness_have_an_end() {
    let silent = Reply {
        bytes: vec![],
        hangs: true,
    };
    let half = Reply {
        hangs: true,
        bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into(),
    };
    for reply in [silent, half] {
        let (_keep, home) = folder();
        let server = Server::start(move |_, _| reply.clone());
        let run = Run {
            stall: Duration::from_millis(50),
            ..Run::new(&home, &server)
        };
        let error = run.versions("demo").unwrap_err();
        assert!(
            error.contains("tried 4 times") && error.contains("timed out"),
            "{error}"
        );
    }
}

#[test]
fn a_redirection_is_followed_only_with_the_same_safety() {
    let (_keep, home) = folder();
    let server = Server::start(|request, before| match request.path.as_str() {
        "/index/de/mo/demo" => Reply::new("302 Found", &["Location: /moved/demo"], ""),
        "/moved/demo" => Reply::ok(line("demo", "1.0.0", "")),
        "/index/lo/op/loop" => Reply::new("302 Found", &["Location: /index/lo/op/loop"], ""),
        "/index/fi/le/file" => Reply::new("302 Found", &["Location: file:///etc/passwd"], ""),
        "/index/us/er/user" => {
            let host = &request.headers["host"];
            Reply::new(
                "302 Found",
                &[&format!("Location: http://u:p@{host}/moved/demo")],
                "",
            )
        }
        _ => demo(request, before),
    });
    let run = Run::new(&home, &server);
    assert_eq!(run.versions("demo"), Ok(vec!["1.0.0".to_owned()]));
    for bad in ["loop", "file", "user"] {
        assert!(run.versions(bad).is_err(), "{bad}");
    }
    assert_eq!(
        server
            .paths()
            .iter()
            .filter(|path| *path == "/moved/demo")
            .count(),
        1
    );
}

fn demo_archive() -> (String, Vec<u8>) {
    let file = crate_file("demo", "1.0.0");
    (sha256(&file), file)
}

#[test]
fn an_archive_is_downloaded_once_and_checked_in_every_process() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let run = Run::new(&home, &server);
    let (checksum, file) = demo_archive();
    let wanted = Archive {
        name: "demo",
        version: "1.0.0",
        checksum: &checksum,
    };
    assert_eq!(run.open().cached(&wanted).unwrap(), None);
    let path = run.open().download(&wanted).unwrap();
    assert_eq!(
        path,
        home.join(format!("downloads/demo-1.0.0-{}.crate", &checksum[..16]))
    );
    assert_eq!(fs_err::read(&path).unwrap(), file);
    let offline = Run {
        offline: true,
        ..run.clone()
    };
    assert_eq!(offline.open().download(&wanted).unwrap(), path);
    assert_eq!(
        server.paths(),
        ["/index/config.json", "/dl/demo/1.0.0/download"]
    );
    fs_err::write(&path, b"damaged").unwrap();
    assert_eq!(run.open().download(&wanted).unwrap(), path);
    assert_eq!(fs_err::read(&path).unwrap(), file);
    assert_eq!(server.paths(), ["/dl/demo/1.0.0/download"]);
}

#[test]
fn what_is_not_what_was_promised_does_not_stay() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let registry = Run::new(&home, &server).open();
    let promised = "0".repeat(64);
    let wanted = Archive {
        name: "demo",
        version: "1.0.0",
        checksum: &promised,
    };
    let error = registry.download(&wanted).unwrap_err();
    let actual = demo_archive().0;
    assert_eq!(
        error.to_string(),
        format!("`demo 1.0.0` has the SHA-256 {actual}, but {promised} was promised")
    );
    assert_eq!(fs_err::read_dir(home.join("downloads")).unwrap().count(), 0);
    assert_eq!(server.paths().len(), 2, "another try would bring the same");
}

#[test]
fn a_download_that_breaks_off_starts_again_and_fails_in_the_end() {
    let (_keep, home) = folder();
    let (checksum, file) = demo_archive();
    let wanted = Archive {
        name: "demo",
        version: "1.0.0",
        checksum: &checksum,
    };
    let cut = Reply::ok(&file);
    let cut = Reply {
        bytes: cut.bytes[..cut.bytes.len() - 9].to_vec(),
        ..cut
    };
    let server = Server::start(
        move |request, before| match (request.path.as_str(), before) {
            ("/dl/demo/1.0.0/download", 0..=4) => cut.clone(),
            _ => demo(request, before),
        },
    );
    let run = Run::new(&home, &server);
    let error = chain(&run.open().download(&wanted).unwrap_err());
    assert!(
        error.starts_with("download `demo 1.0.0`: the answer of"),
        "{error}"
    );
    assert!(error.contains("broke off, tried 4 times"), "{error}");
    assert_eq!(fs_err::read_dir(home.join("downloads")).unwrap().count(), 0);
    let path = run.open().download(&wanted).unwrap();
    assert_eq!(fs_err::read(path).unwrap(), file);
}

#[test]
fn an_archive_can_come_from_anywhere() {
    let (_keep, home) = folder();
    let server = Server::start(|_, _| Reply::ok("tar"));
    let registry = Run::new(&home, &server).open();
    let checksum = sha256(b"tar");
    let wanted = Archive {
        name: "native",
        version: "2",
        checksum: &checksum,
    };
    let path = registry
        .download_from(&wanted, &format!("{}native.tar.gz", server.address))
        .unwrap();
    assert_eq!(fs_err::read(path).unwrap(), b"tar");
    let other = Archive {
        version: "3",
        ..wanted
    };
    for bad in ["file:///etc/passwd", "ext::sh", "https://u:p@h.test/"] {
        let error = registry.download_from(&other, bad).unwrap_err();
        assert!(matches!(error, DownloadError::Address { .. }), "{error}");
    }
}

#[test]
fn a_manifest_is_read_once_per_machine() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let run = Run::new(&home, &server);
    let version: Version = "1.0.0".parse().unwrap();
    let wanted = [(name("demo"), version.clone())];
    run.open().expect(&wanted).unwrap();
    let package = run.open().package(&name("demo"), &version).unwrap();
    assert_eq!(package.library.as_ref().unwrap().path, "src/lib.rs");
    server.requests();
    fs_err::remove_dir_all(home.join("downloads")).unwrap();
    let again = run.open();
    again.expect(&wanted).unwrap();
    assert_eq!(again.package(&name("demo"), &version).unwrap(), package);
    assert_eq!(server.paths().len(), 0);
    // A file that is broken, or about something else, is not believed.
    let facts = home.join("index/packages");
    let path = fs_err::read_dir(&facts)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for bad in ["", "{\"format\":0}", "null"] {
        fs_err::write(&path, bad).unwrap();
        assert_eq!(
            run.open().package(&name("demo"), &version).unwrap(),
            package
        );
        assert!(fs_err::read(&path).unwrap().len() > 20);
    }
}

/// A byte that changed on the disk could be a letter of a path or of a feature.
#[test]
fn a_manifest_with_a_flipped_bit_is_read_anew() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let run = Run::new(&home, &server);
    let version: Version = "1.0.0".parse().unwrap();
    let read = || run.open().package(&name("demo"), &version).unwrap();
    let package = read();
    let facts = home.join("index/packages");
    let entry = fs_err::read_dir(&facts).unwrap().next().unwrap().unwrap();
    let whole = fs_err::read(entry.path()).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs_err::write(entry.path(), &flipped).unwrap();
        assert_eq!(read(), package, "flipped at {at}");
        assert_eq!(fs_err::read(entry.path()).unwrap(), whole);
    }
}

#[test]
fn what_a_clock_that_was_wrong_fetched_is_not_new_for_ever() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let wrong = Run {
        now: "2038-01-01T00:00:00Z",
        ..Run::new(&home, &server)
    };
    assert_both(&wrong.versions("demo"));
    let right = Run::new(&home, &server);
    assert_both(&right.versions("demo"));
    assert_eq!(server.paths().len(), 2, "it is asked for again");
    assert_both(&right.versions("demo"));
    assert_eq!(server.paths().len(), 0, "and then known");
}

#[test]
fn no_message_shows_a_password_not_even_one_about_an_address_that_is_none() {
    let (_keep, home) = folder();
    let server =
        Server::start(|_, _| Reply::ok("{\"dl\":\"https://user:secret@h.test:99999/{crate}\"}"));
    let wanted = Archive {
        name: "demo",
        version: "1.0.0",
        checksum: &demo_archive().0,
    };
    let run = Run::new(&home, &server);
    let mut errors = vec![chain(&run.open().download(&wanted).unwrap_err())];
    for bad in [
        "https://user:secret@h.test:99999/",
        "https://user:secret@/x",
        "user:secret@h.test/x",
    ] {
        errors.push(chain(&index_address(bad).unwrap_err()));
        errors.push(chain(&run.open().download_from(&wanted, bad).unwrap_err()));
    }
    let key = index_address("https://h.test/x?key=secret#secret");
    errors.push(chain(&key.unwrap_err()));
    let text = errors.join("\n");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("h.test:99999"), "{text}");
}

#[test]
fn a_release_that_does_not_exist() {
    let (_keep, home) = folder();
    let server = Server::start(demo);
    let registry = Run::new(&home, &server).open();
    let missing = [(name("demo"), "1.2.0".parse().unwrap())];
    insta::assert_snapshot!(chain(&registry.expect(&missing).unwrap_err()), @"read the manifest of `demo 1.2.0`: the registry has no version 1.2.0 of it");
}

/// Writes an index folder with a chain of packages `p0` → `p1` → …, and a package nobody needs.
fn write_index(folder: &Utf8Path, length: usize) {
    fs_err::create_dir_all(folder.join("2")).unwrap();
    for number in 0..length {
        let dependency = format!(
            "{{\"name\":\"p{}\",\"req\":\"^1\",\"features\":[],\"optional\":false,\
             \"default_features\":true,\"target\":null,\"kind\":\"normal\"}}",
            number + 1
        );
        let package = format!("p{number}");
        let entry = line(&package, "1.0.0", "").replace("[]", &format!("[{dependency}]"));
        fs_err::write(folder.join("2").join(&package), entry).unwrap();
        fs_err::write(
            folder.join(format!("{package}.crate")),
            crate_file(&package, "1.0.0"),
        )
        .unwrap();
    }
    fs_err::write(folder.join("config.json"), "{\"dl\":\"{crate}.crate\"}").unwrap();
}

#[test]
fn a_folder_is_a_registry() {
    let (_keep, home) = folder();
    let (_keep_too, index) = folder();
    let server = Server::start(demo);
    write_index(&index, 3);
    let run = Run {
        source: Source::Directory(index.clone()),
        offline: true,
        ..Run::new(&home, &server)
    };
    assert_eq!(run.versions("p0"), Ok(vec!["1.0.0".to_owned()]));
    assert_eq!(run.versions("p9"), Ok(vec![]));
    let package = run
        .open()
        .package(&name("p1"), &"1.0.0".parse().unwrap())
        .unwrap();
    assert_eq!(package.name, name("p1"));
    fs_err::write(index.join("2/p0"), "<html>").unwrap();
    let error = run.versions("p0").unwrap_err();
    assert!(error.contains("/2/p0` is not an index entry"), "{error}");
    let options = |source| RegistryOptions {
        home: &home,
        source,
        archives: Source::CratesIo,
        offline: false,
        now: time(SNAPSHOT),
        snapshot: time(SNAPSHOT),
        known: vec![],
        patience: Patience::default(),
        progress: &Silent,
    };
    let no_index = Registry::open(options(Source::Directory(home.join("index/none")))).map(drop);
    assert!(matches!(no_index, Err(OpenError::NoFolder { .. })));
    fs_err::create_dir_all(home.join("index/none")).unwrap();
    let no_index = Registry::open(options(Source::Directory(home.join("index/none")))).map(drop);
    assert!(matches!(no_index, Err(OpenError::NotARegistry { .. })));
}

#[test]
fn prefetching_walks_the_whole_way() {
    let (_keep, home) = folder();
    let (_keep_too, index) = folder();
    write_index(&index, 10);
    let for_server = index.clone();
    let server = Server::start(move |request, _| {
        match fs_err::read(for_server.join(request.path.trim_start_matches("/index/"))) {
            Ok(body) => Reply::ok(body),
            Err(_) => Reply::status("404 Not Found"),
        }
    });
    let registry = Run::new(&home, &server).open();
    registry.prefetch(&[
        (name("p2"), "1".parse().unwrap()),
        (name("p5"), "1".parse().unwrap()),
    ]);
    let mut asked = server.paths();
    asked.sort();
    asked.dedup();
    let expected: Vec<_> = [10, 2, 3, 4, 5, 6, 7, 8, 9]
        .map(|number| crate::entry::path(&name(&format!("p{number}"))))
        .map(|path| format!("/index/{path}"))
        .into();
    let mut expected = expected;
    expected.sort();
    assert_eq!(asked, expected);
    for number in 2..10 {
        assert_eq!(
            registry
                .releases(&name(&format!("p{number}")))
                .unwrap()
                .len(),
            1
        );
    }
    assert_eq!(server.paths().len(), 0);
}

#[test]
fn announced_entries_are_read_and_failures_left_to_those_who_ask() {
    let (_keep, home) = folder();
    let server = Server::start(|request, before| match request.path.as_str() {
        "/index/fo/rb/forbidden" => Reply::status("403 Forbidden"),
        _ => demo(request, before),
    });
    let registry = Run::new(&home, &server).open();
    registry
        .expect_releases(&["demo", "forbidden", "none"].map(name))
        .unwrap();
    assert_eq!(server.paths().len(), 3);
    assert_eq!(registry.releases(&name("demo")).unwrap().len(), 2);
    assert_eq!(registry.releases(&name("none")).unwrap().len(), 0);
    assert_eq!(server.paths().len(), 0);
    assert!(registry.releases(&name("forbidden")).is_err());
}

#[test]
fn without_a_network_reading_ahead_gives_up_early() {
    let (_keep, home) = folder();
    let server = Server::start(|_, _| Reply {
        bytes: vec![],
        ..Reply::ok("")
    });
    let registry = Run::new(&home, &server).open();
    let many: Vec<_> = (0..100).map(|number| name(&format!("p{number}"))).collect();
    registry.expect_releases(&many).unwrap();
    assert!(server.paths().len() < 200, "not 4 tries for each of them");
    registry.expect_releases(&many).unwrap();
    assert_eq!(server.paths().len(), 0);
    assert!(registry.releases(&name("p0")).is_err());
}

#[test]
fn similar_names_come_from_the_index_and_from_the_options() {
    let (_keep, home) = folder();
    let server = Server::start(|request, before| match request.path.as_str() {
        "/index/de/mo/demo_litoin" => Reply::ok(line("demo_litoin", "1.0.0", "")),
        // Files of an index have small letters, whatever is asked for.
        "/index/de/nt/denta" => Reply::ok(line("denta", "1.0.0", "")),
        _ => demo(request, before),
    });
    let run = Run::new(&home, &server);
    assert_both(&run.versions("demo"));
    assert_eq!(run.versions("dmo"), Ok(vec![]));
    assert_eq!(run.versions("Denta"), Ok(vec![]));
    let registry = run.open();
    assert_eq!(registry.similar(&name("Dentaa")), []);
    assert_eq!(registry.similar(&name("deno")), [name("demo")]);
    assert_eq!(
        registry.similar(&name("demo-litoin")),
        [name("demo_litoin"), name("demolition")]
    );
    assert_eq!(registry.similar(&name("unheard-of")), []);
}

#[test]
fn an_entry_of_a_folder_is_parsed_once_until_it_changes() {
    let (_keep, home) = folder();
    let (_keep_too, index) = folder();
    let server = Server::start(demo);
    write_index(&index, 2);
    let run = Run {
        source: Source::Directory(index.clone()),
        // The files were written long ago.
        now: "2200-01-01T00:00:00Z",
        ..Run::new(&home, &server)
    };
    assert!(!run.open().is_at_hand(&name("p0")));
    assert_eq!(run.versions("p0"), Ok(vec!["1.0.0".to_owned()]));
    assert!(run.open().is_at_hand(&name("p0")));
    assert_eq!(run.versions("p0"), Ok(vec!["1.0.0".to_owned()]));
    fs_err::write(index.join("2/p0"), line("p0", "1.0.1", "")).unwrap();
    assert!(!run.open().is_at_hand(&name("p0")));
    assert_eq!(run.versions("p0"), Ok(vec!["1.0.1".to_owned()]));
    fs_err::remove_file(index.join("2/p0")).unwrap();
    assert_eq!(run.versions("p0"), Ok(vec![]));
    let just_now = Run {
        now: "1980-01-01T00:00:00Z",
        ..run
    };
    assert_eq!(just_now.versions("p1"), Ok(vec!["1.0.0".to_owned()]));
    assert!(!just_now.open().is_at_hand(&name("p1")));
}

/// Needs the network: `cargo test -p orlop-index -- --ignored`.
#[test]
#[ignore = "needs the network"]
fn crates_io_answers() {
    let (_keep, home) = folder();
    let open = |offline| {
        Registry::open(RegistryOptions {
            home: &home,
            source: Source::CratesIo,
            archives: Source::CratesIo,
            offline,
            now: time("2026-11-01T00:00:00Z"),
            snapshot: time("2026-11-01T00:00:00Z"),
            known: vec![],
            patience: Patience::default(),
            progress: &Silent,
        })
        .unwrap()
    };
    let hexyl: Version = "0.16.0".parse().unwrap();
    for offline in [false, true] {
        let registry = open(offline);
        let serde = registry.releases(&name("serde")).unwrap();
        let release = serde
            .iter()
            .find(|release| release.version == "1.0.200".parse().unwrap());
        assert_eq!(
            release.unwrap().published,
            Some(time("2024-05-01T16:00:47Z"))
        );
        let package = registry.package(&name("hexyl"), &hexyl).unwrap();
        let programs: Vec<_> = package
            .binaries
            .iter()
            .map(|program| &program.name)
            .collect();
        assert_eq!(programs, ["hexyl"]);
    }
    assert_eq!(open(false).similar(&name("serdee")), [name("serde")]);
}
