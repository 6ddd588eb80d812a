//! Tests of profiles as their users see them.

use camino::Utf8Path;

use super::*;
use crate::path::StorePath;
use crate::store::Store;
use crate::testing::{self, Home, commit, new_generation, path};

/// Adds a view with a program and a man page of the given name.
fn view(store: &Store, name: &str, program: &str) -> StorePath {
    let object = path(name);
    let files = [
        (format!("bin/{program}*"), format!("I am {name}")),
        (format!("share/man/man1/{program}.1"), "page".to_owned()),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    testing::add(store, &object, &[], &files).unwrap();
    object
}

/// A folder as text: names, and where links lead.
fn describe(folder: &Utf8Path) -> String {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(folder)
        .min_depth(1)
        .sort_by_file_name()
    {
        let entry = entry.unwrap();
        let path = Utf8Path::from_path(entry.path()).unwrap();
        text += path.strip_prefix(folder).unwrap().as_str();
        if entry.path_is_symlink() {
            text += " -> ";
            text += disk::read_link(path).unwrap().unwrap().as_str();
        }
        text += "\n";
    }
    text
}

fn says(profile: &Profile, program: &str) -> Option<String> {
    fs_err::read_to_string(profile.folder().join("current/bin").join(program)).ok()
}

#[test]
fn layout_of_a_generation() {
    let home = Home::new();
    let store = home.open();
    let (ripgrep, hexyl) = (
        view(&store, "ripgrep", "rg"),
        view(&store, "hexyl", "hexyl"),
    );
    let apps: [(&str, &StorePath, &[&str]); 2] = [
        ("ripgrep", &ripgrep, &["rg"]),
        ("hexyl", &hexyl, &["hexyl"]),
    ];
    let generation = commit(&store, "default", &apps).unwrap();
    let profile = store.profile("default").unwrap();
    insta::assert_snapshot!(describe(profile.folder()), @"
    1
    1/bin
    1/bin/hexyl -> ../../../../store/pwfgmk49f21y2id2n6wapsridyg4dcbd-hexyl/bin/hexyl
    1/bin/rg -> ../../../../store/kj7ccycfm99zvvzg2crk0d42l22qbr4s-ripgrep/bin/rg
    1/digest
    1/lock.toml
    1/manifest.toml
    1/record.toml
    1/share
    1/share/man
    1/share/man/man1
    1/share/man/man1/hexyl.1 -> ../../../../../../store/pwfgmk49f21y2id2n6wapsridyg4dcbd-hexyl/share/man/man1/hexyl.1
    1/share/man/man1/rg.1 -> ../../../../../../store/kj7ccycfm99zvvzg2crk0d42l22qbr4s-ripgrep/share/man/man1/rg.1
    1/views
    1/views/hexyl -> ../../../../store/pwfgmk49f21y2id2n6wapsridyg4dcbd-hexyl
    1/views/ripgrep -> ../../../../store/kj7ccycfm99zvvzg2crk0d42l22qbr4s-ripgrep
    current -> 1
    orlop.lock
    orlop.toml
    ");
    let record = fs_err::read_to_string(generation.folder().join("record.toml")).unwrap();
    insta::assert_snapshot!(record, @r#"
    created = "2026-11-20T12:00:00Z"
    command = "orlop install"
    keep = []

    [[apps]]
    name = "ripgrep"
    version = "1.0.0"
    linkage = "shared"
    compiler = "1.95.0"
    view = "kj7ccycfm99zvvzg2crk0d42l22qbr4s-ripgrep"
    binaries = ["rg"]
    link_sets = []

    [[apps]]
    name = "hexyl"
    version = "1.0.0"
    linkage = "shared"
    compiler = "1.95.0"
    view = "pwfgmk49f21y2id2n6wapsridyg4dcbd-hexyl"
    binaries = ["hexyl"]
    link_sets = []
    "#);
    assert_eq!(generation.manifest().unwrap(), "# manifest\n");
    assert_eq!(generation.lock().unwrap(), "# lock\n");
    assert_eq!(says(&profile, "rg").unwrap(), "I am ripgrep");
    let page = profile.folder().join("current/share/man/man1/rg.1");
    assert_eq!(fs_err::read_to_string(page).unwrap(), "page");
    assert_eq!(profile.current().unwrap(), Some(generation));
}

#[test]
fn generations_and_the_way_back() {
    let home = Home::new();
    let store = home.open();
    let profile = store.profile("default").unwrap();
    assert_eq!(profile.current().unwrap(), None);
    assert_eq!(profile.generations().unwrap(), []);
    let (old, new) = (view(&store, "old", "app"), view(&store, "new", "app"));
    let first = commit(&store, "default", &[("app", &old, &["app"])]).unwrap();
    let second = commit(&store, "default", &[("app", &new, &["app"])]).unwrap();
    assert_eq!((first.number, first.parent), (1, None));
    assert_eq!((second.number, second.parent), (2, Some(1)));
    assert_eq!(says(&profile, "app").unwrap(), "I am new");
    let before = describe(first.folder());

    let first = profile.generation(second.parent.unwrap()).unwrap();
    profile.restore(&first).unwrap();
    assert_eq!(profile.current().unwrap().unwrap(), first);
    assert_eq!(says(&profile, "app").unwrap(), "I am old");
    // From here history branches: the number goes on, the parent is where we were.
    let third = commit(&store, "default", &[]).unwrap();
    assert_eq!((third.number, third.parent), (3, Some(1)));
    assert_eq!(says(&profile, "app"), None);
    assert_eq!(
        profile.generations().unwrap(),
        [first.clone(), second, third]
    );
    assert_eq!(describe(first.folder()), before);
    assert_eq!(store.profiles().unwrap(), ["default"]);

    let error = profile.generation(7).unwrap_err();
    assert!(
        matches!(error, StoreError::NoGeneration { number: 7, .. }),
        "{error}"
    );
    let error = profile.remove(3).unwrap_err();
    assert!(
        matches!(error, StoreError::CurrentGeneration { number: 3, .. }),
        "{error}"
    );
    profile.remove(2).unwrap();
    assert!(profile.generation(2).is_err());
    assert_eq!(
        store
            .gc(&crate::GcOptions::default(), &mut |_| {})
            .unwrap()
            .removed,
        BTreeSet::from([new])
    );
    assert_eq!(commit(&store, "default", &[]).unwrap().number, 4);
}

#[test]
fn conflicts_name_both_apps() {
    let home = Home::new();
    let store = home.open();
    let (one, other) = (view(&store, "one", "tool"), view(&store, "other", "tool"));
    let program: [(&str, &StorePath, &[&str]); 2] =
        [("one", &one, &["tool"]), ("other", &other, &["tool"])];
    let page: [(&str, &StorePath, &[&str]); 2] = [("one", &one, &["tool"]), ("other", &other, &[])];
    let twice: [(&str, &StorePath, &[&str]); 2] = [("one", &one, &[]), ("one", &other, &[])];
    let messages: Vec<_> = [program, page, twice]
        .iter()
        .map(|apps| commit(&store, "default", apps).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(messages.join("\n"), @"
    `one` and `other` both bring `bin/tool`
    `one` and `other` both bring `share/man/man1/tool.1`
    `one` and `one` both bring `views/one`
    ");
    let profile = store.profile("default").unwrap();
    assert_eq!(describe(profile.folder()), "");
}

#[test]
fn what_is_not_there_cannot_be_committed() {
    let home = Home::new();
    let store = home.open();
    let there = view(&store, "there", "app");
    let absent = path("absent");
    let profile = store.profile("default").unwrap();
    let error = commit(&store, "default", &[("app", &absent, &[])]).unwrap_err();
    assert!(matches!(error, StoreError::Absent { .. }), "{error}");
    let error = commit(&store, "default", &[("app", &there, &["other"])]).unwrap_err();
    assert!(matches!(error, StoreError::AbsentProgram { .. }), "{error}");
    for (app, program) in [("../app", "app"), ("app", "../../app"), ("app", "")] {
        let error = commit(&store, "default", &[(app, &there, &[program])]).unwrap_err();
        assert!(matches!(error, StoreError::Name { .. }), "{error}");
    }
    let keep = BTreeSet::from([absent]);
    let error = profile
        .commit(NewGeneration {
            keep,
            ..new_generation(&[])
        })
        .unwrap_err();
    assert!(matches!(error, StoreError::Absent { .. }), "{error}");
    assert_eq!(profile.current().unwrap(), None);
    assert_eq!(describe(profile.folder()), "");
}

#[test]
fn names_of_profiles_stay_inside() {
    let home = Home::new();
    let store = home.open();
    for name in ["", ".", "..", "../x", "a/b", "a\n", "-x"] {
        let error = store.profile(name).unwrap_err();
        assert!(
            matches!(error, StoreError::Name { .. }),
            "{name:?}: {error}"
        );
    }
}

#[test]
fn a_writer_that_died_leaves_no_trace() {
    let home = Home::new();
    let store = home.open();
    let app = view(&store, "app", "app");
    let first = commit(&store, "default", &[("app", &app, &["app"])]).unwrap();
    let profile = store.profile("default").unwrap();
    let before = describe(profile.folder());
    // Killed while building generation 2, and while switching to it.
    testing::write_files(
        &profile.folder().join("2.tmp-1"),
        &[("bin/app", ""), ("record.toml", "")],
    );
    disk::link(&profile.folder().join(".1-0"), "2".into()).unwrap();
    assert_eq!(profile.current().unwrap(), Some(first.clone()));
    assert_eq!(profile.generations().unwrap(), [first]);
    drop(profile.lock(&mut |_| {}).unwrap());
    assert_eq!(describe(profile.folder()), before);
    // Killed between building generation 2 and switching to it: it is complete, and not current.
    profile.commit(new_generation(&[])).unwrap();
    disk::replace_link(&profile.folder().join("current"), "1".into()).unwrap();
    assert_eq!(profile.current().unwrap().unwrap().number, 1);
    assert_eq!(profile.commit(new_generation(&[])).unwrap().number, 3);
}

#[test]
fn damage_is_told_where_it_matters() {
    let home = Home::new();
    let store = home.open();
    let first = commit(&store, "default", &[]).unwrap();
    let second = commit(&store, "default", &[]).unwrap();
    let profile = store.profile("default").unwrap();
    fs_err::write(second.folder().join("record.toml"), "nonsense").unwrap();
    assert_eq!(profile.generations().unwrap(), std::slice::from_ref(&first));
    assert!(matches!(
        profile.current().unwrap_err(),
        StoreError::Record { .. }
    ));
    profile.restore(&profile.generation(1).unwrap()).unwrap();
    assert_eq!(profile.current().unwrap(), Some(first));

    let current = profile.folder().join("current");
    disk::replace_link(&current, "elsewhere".into()).unwrap();
    assert!(matches!(
        profile.current().unwrap_err(),
        StoreError::BrokenLink { .. }
    ));
    disk::replace_link(&current, "9".into()).unwrap();
    assert!(matches!(
        profile.current().unwrap_err(),
        StoreError::NoGeneration { .. }
    ));
    // A new generation mends it.
    assert_eq!(commit(&store, "default", &[]).unwrap().parent, Some(9));
    fs_err::remove_file(&current).unwrap();
    testing::write_files(&current, &[("mine", "")]);
    let error = commit(&store, "default", &[]).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(current.join("mine").exists());
}

#[test]
fn what_cannot_be_read_may_go() {
    let home = Home::new();
    let store = home.open();
    for _ in 0..4 {
        commit(&store, "default", &[]).unwrap();
    }
    let profile = store.profile("default").unwrap();
    for number in [2, 4] {
        fs_err::write(profile.folder().join(format!("{number}/record.toml")), "x").unwrap();
    }
    let keep = |newest, since| Keep { newest, since };
    // Of what is older nothing is known, and the current one always stays.
    assert_eq!(
        profile
            .expired(keep(None, Some(jiff::Timestamp::MAX)))
            .unwrap(),
        [1, 3]
    );
    assert_eq!(profile.expired(keep(Some(2), None)).unwrap(), [2]);
    profile.restore(&profile.generation(3).unwrap()).unwrap();
    assert_eq!(profile.expired(keep(Some(1), None)).unwrap(), [1, 2, 4]);
    profile.remove(4).unwrap();
    assert!(profile.remove(4).is_err());
    assert_eq!(profile.numbers().unwrap(), [1, 2, 3].into());
}

#[test]
fn one_writer_at_a_time() {
    let home = Home::new();
    let store = home.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    commit(&store, "default", &[]).unwrap();
                }
            });
        }
    });
    let profile = store.profile("default").unwrap();
    let generations = profile.generations().unwrap();
    assert_eq!(generations.len(), 20);
    for pair in generations.windows(2) {
        assert_eq!(pair[1].parent, Some(pair[0].number));
    }
    assert_eq!(profile.current().unwrap().as_ref(), generations.last());
}

#[test]
fn what_apps_are_compiled_from_is_kept_apart() {
    let home = Home::new();
    let store = home.open();
    let object = view(&store, "app", "app");
    let used = [("app".to_owned(), [path("one"), path("two")].into())];
    let new = || NewGeneration {
        libraries: used.clone().into(),
        ..new_generation(&[("app", &object, &["app"])])
    };
    let profile = store.profile("default").unwrap();
    let generation = profile.commit(new()).unwrap();
    assert_eq!(generation.libraries().unwrap(), used.clone().into());
    disk::replace_link(&generation.folder().join("bin/app"), "elsewhere".into()).unwrap();
    assert!(profile.mend(1).unwrap());
    assert_eq!(store.verify().unwrap().findings, []);
    let read = |file: &str| fs_err::read_to_string(generation.folder().join(file)).unwrap();
    assert!(!read("record.toml").contains("-two"));
    assert!(read("libraries.toml").contains("-two"));
    // As generations were once.
    let list = format!("libraries = [\"{}\", \"{}\"]\n", path("one"), path("two"));
    let earlier = read("record.toml").replace("binaries", &format!("{list}binaries"));
    fs_err::write(generation.folder().join("record.toml"), earlier).unwrap();
    fs_err::remove_file(generation.folder().join("libraries.toml")).unwrap();
    assert_eq!(profile.generation(1).unwrap(), generation);
    assert_eq!(generation.libraries().unwrap(), used.into());
}

/// People keep these files among their own, and link to them.
#[test]
fn links_to_manifest_and_lock_file_stay() {
    let home = Home::new();
    let store = home.open();
    let profile = store.profile("default").unwrap();
    let (own, folder) = (home.path().join("logs/own"), profile.folder());
    fs_err::create_dir_all(&own).unwrap();
    fs_err::create_dir_all(folder).unwrap();
    for name in ["orlop.toml", "orlop.lock"] {
        fs_err::write(own.join(name), "# mine").unwrap();
        disk::link(&folder.join(name), &own.join(name)).unwrap();
    }
    profile.commit(new_generation(&[])).unwrap();
    let read = |name: &str| fs_err::read_to_string(own.join(name)).unwrap();
    assert_eq!(
        [read("orlop.toml"), read("orlop.lock")],
        ["# manifest\n", "# lock\n"]
    );
    assert!(profile.manifest_path().is_symlink() && profile.lock_path().is_symlink());
    assert_eq!(disk::names(&own).unwrap().len(), 2);
}
