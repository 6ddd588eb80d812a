//! One step on a store, for `nix.sh` to measure: `store-bench HOME STEP [FOLDER | OBJECT…]`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measured program reads what it likes, and stops where something is odd"
)]

use std::collections::BTreeSet;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_store::derivation::Isolation;
use orlop_store::{
    GcOptions, GenerationApp, NewGeneration, Registration, Staged, Store, StorePath,
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let home = Utf8Path::new(&arguments[1]);
    let store = Store::open(home, Timestamp::now()).unwrap();
    let began = Instant::now();
    match arguments[2].as_str() {
        // Every entry of a folder becomes an object.
        "add" => {
            let folder = Utf8Path::new(&arguments[3]);
            let entries = folder.read_dir_utf8().unwrap();
            add(&store, entries.map(|entry| entry.unwrap().into_path()));
        }
        // The folder becomes one object.
        "add-tree" => add(&store, [Utf8PathBuf::from(&arguments[3])]),
        "large" => large(&store),
        "gc" => println!(
            "{}",
            store
                .gc(&GcOptions::default(), &mut |_| {})
                .unwrap()
                .removed
                .len()
        ),
        "verify" => assert_eq!(store.verify().unwrap().findings, []),
        "commit" => commit(&store, &arguments[3..]),
        "rollback" => {
            let profile = store.profile("default").unwrap();
            let _lock = profile.lock(&mut |_| {}).unwrap();
            let parent = profile.current().unwrap().unwrap().parent.unwrap();
            profile
                .restore(&profile.generation(parent).unwrap())
                .unwrap();
        }
        other => panic!("there is no step `{other}`"),
    }
    println!("inside: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}

/// A hundred thousand small objects, each referring to ten of the two hundred before it; the last
/// one is an app, and so is the one in the middle. Prints those two.
fn large(store: &Store) {
    const OBJECTS: usize = 100_000;
    let mut paths: Vec<StorePath> = Vec::new();
    for batch in 0..OBJECTS / 500 {
        let mut new = Vec::new();
        for number in batch * 500..(batch + 1) * 500 {
            let name = format!("object-{number}");
            let path = StorePath::new(orlop_store::Digest::of("large", &name), &name);
            let staged = store.stage().unwrap();
            std::fs::write(staged.folder().join("file"), &name).unwrap();
            let below = number.min(200);
            let references = (0..10.min(below)).map(|step| number - 1 - step * below / 10);
            let references = references.map(|number| paths[number].clone()).collect();
            paths.push(path.clone());
            new.push((staged, path, registration(references)));
        }
        store.add_all(new).unwrap();
    }
    let apps = [("top", OBJECTS - 1), ("middle", OBJECTS / 2)];
    let profile = store.profile("default").unwrap();
    let _lock = profile.lock(&mut |_| {}).unwrap();
    let apps = apps.map(|(name, number)| app(name, &paths[number], Vec::new()));
    profile.commit(generation(apps.into())).unwrap();
    println!("{} {}", paths[OBJECTS - 1], paths[OBJECTS / 3]);
}

fn registration(references: BTreeSet<StorePath>) -> Registration {
    Registration {
        references,
        derivation: None,
        isolation: Isolation::Full,
    }
}

/// Adds files and folders as a package manager adds sources: hash, and copy only what is new.
fn add(store: &Store, sources: impl IntoIterator<Item = Utf8PathBuf>) {
    let mut new: Vec<(Staged, StorePath, Registration)> = Vec::new();
    for source in sources {
        let content = Store::content_of(&source).unwrap();
        let path = StorePath::new(content, source.file_name().unwrap());
        if store.contains(&path).unwrap() {
            continue;
        }
        let staged = store.stage().unwrap();
        copy(&source, staged.folder());
        new.push((staged, path, registration(BTreeSet::new())));
    }
    store.add_all(new).unwrap();
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Makes a generation of what the current one has and of more apps, given as Nix wants them: by the
/// names of their objects.
fn commit(store: &Store, objects: &[String]) {
    let profile = store.profile("default").unwrap();
    let _lock = profile.lock(&mut |_| {}).unwrap();
    let current = profile.current().unwrap();
    let mut apps = current.map(|current| current.apps).unwrap_or_default();
    for object in objects {
        let view: StorePath = object.parse().unwrap();
        assert!(store.contains(&view).unwrap());
        apps.push(app(view.name(), &view, vec![view.name().to_owned()]));
    }
    profile.commit(generation(apps)).unwrap();
}

fn app(name: &str, view: &StorePath, binaries: Vec<String>) -> GenerationApp {
    GenerationApp {
        name: name.to_owned(),
        version: "1".to_owned(),
        linkage: "shared".to_owned(),
        compiler: "1".to_owned(),
        view: view.clone(),
        binaries,
        link_sets: BTreeSet::new(),
        starts: Vec::new(),
        test: None,
        test_needs: [].into(),
        library_tests: Vec::new(),
        caveats: None,
    }
}

fn generation(apps: Vec<GenerationApp>) -> NewGeneration {
    NewGeneration {
        command: "bench".to_owned(),
        apps,
        libraries: [].into(),
        keep: BTreeSet::new(),
        manifest: "# manifest\n".to_owned(),
        lock: "# lock\n".to_owned(),
    }
}
