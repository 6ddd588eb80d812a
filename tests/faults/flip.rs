//! Flips single bits in files of every class: each is found, or changes nothing that anybody
//! could see.

use std::panic::{AssertUnwindSafe, catch_unwind};

use camino::{Utf8Path, Utf8PathBuf};

use crate::invariant::State;
use crate::operation::{self, Folder};
use crate::{Counts, Size};

pub(crate) fn flip(size: Size) -> Counts {
    let template = Folder::new();
    let home = template.path().join("home");
    operation::prepare(&home);
    let expected = State::of(&operation::open(&home).unwrap());
    let classes = classes(&home);
    let (mut found, mut harmless, mut again) = (0, 0, 0);
    let mut random = Random(0x5eed);
    for number in 0..size.flips {
        let class = &classes[usize::try_from(number).unwrap() % classes.len()];
        let file = &class[random.below(class.len())];
        let folder = Folder::copy(&home);
        let damaged = folder.path().join("home");
        let place = damage(&damaged.join(file), &mut random);
        match looked_at(&damaged, &expected) {
            Seen::Found => found += 1,
            Seen::Nothing => harmless += 1,
            Seen::MadeAgain => again += 1,
            Seen::Lost(what) => panic!("bit {place} of {file} was flipped: {what}"),
        }
    }
    vec![
        (size.flips, "bits flipped"),
        (found, "found"),
        (again, "mended by making the database again"),
        (harmless, "without effect"),
    ]
}

enum Seen {
    Found,
    Nothing,
    MadeAgain,
    Lost(String),
}

fn looked_at(home: &Utf8Path, expected: &State) -> Seen {
    let seen = catch_unwind(AssertUnwindSafe(|| {
        let Ok(store) = operation::open(home) else {
            return Seen::Found;
        };
        match store.verify() {
            Ok(result) if result.findings.is_empty() => {}
            _ => return Seen::Found,
        }
        let state = State::of(&store);
        if state == *expected {
            return Seen::Nothing;
        }
        // The database says less after it was made again: `verify` must still be content, and all
        // that users see is there.
        if state.is_like(expected) {
            return Seen::MadeAgain;
        }
        Seen::Lost(format!("{state:#?}"))
    }));
    seen.unwrap_or_else(|_| Seen::Lost("panic".to_owned()))
}

/// Files by class: of objects, the database, records, manifests, locks, digests, links.
fn classes(home: &Utf8Path) -> Vec<Vec<Utf8PathBuf>> {
    let all = walkdir::WalkDir::new(home)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap);
    let files: Vec<_> = all
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let path = Utf8PathBuf::from_path_buf(entry.path().to_owned()).unwrap();
            path.strip_prefix(home).unwrap().to_owned()
        })
        .collect();
    let class = |belongs: &dyn Fn(&Utf8Path) -> bool| {
        let class: Vec<_> = files.iter().filter(|path| belongs(path)).cloned().collect();
        assert!(!class.is_empty());
        class
    };
    let named = |name: &'static str| move |path: &Utf8Path| path.file_name() == Some(name);
    let is_link = |path: &Utf8Path| home.join(path).is_symlink();
    vec![
        class(&|path| path.starts_with("store") && !is_link(path)),
        class(&|path| path.starts_with("store") && is_link(path)),
        class(&|path| path.starts_with("db.sqlite")),
        class(&named("record.toml")),
        class(&named("manifest.toml")),
        class(&named("lock.toml")),
        class(&named("libraries.toml")),
        class(&named("digest")),
        class(&|path| path.starts_with("profiles") && is_link(path)),
    ]
}

/// Flips a bit of a file, or of where a link leads; returns which.
fn damage(path: &Utf8Path, random: &mut Random) -> usize {
    let folder = path.parent().unwrap();
    let is_link = path.is_symlink();
    let mut bytes = if is_link {
        let target = std::fs::read_link(path).unwrap();
        target.into_os_string().into_string().unwrap().into_bytes()
    } else {
        std::fs::read(path).unwrap()
    };
    let bit = random.below(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    let mode = std::fs::symlink_metadata(path).unwrap().permissions();
    operation::open_up(folder);
    std::fs::remove_file(path).unwrap();
    if is_link {
        // A link cannot hold a zero or, with our means, what is not text.
        let text = String::from_utf8_lossy(&bytes).replace('\0', "?");
        std::os::unix::fs::symlink(text, path).unwrap();
    } else {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, mode).unwrap();
    }
    bit
}

/// A row of numbers that looks random and is the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}
