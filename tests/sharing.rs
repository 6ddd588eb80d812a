//! Crates that several apps use: compiled once, linked into shared libraries, proved.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;

use crate::support::{Env, Package};

/// Publishes `one` and `two`, which share `counter` (a static, generics, a thread-local) over
/// `base`.
fn publish_pair(env: &Env) {
    env.registry
        .publish(
            Package::new("base", "1.0.0").lib(
                "use std::sync::atomic::{AtomicUsize, Ordering};\n\
                 static COUNT: AtomicUsize = AtomicUsize::new(0);\n\
                 #[inline(never)]\npub fn next() -> usize { COUNT.fetch_add(1, Ordering::SeqCst) }",
            ),
        )
        .publish(
            Package::new("counter", "1.0.0").needs("base", "1").lib(
                "use std::cell::Cell;\n\
                 thread_local!(static LAST: Cell<usize> = const { Cell::new(0) });\n\
                 #[inline(never)]\npub fn step() -> usize { let n = base::next(); \
                 LAST.set(n); n }\n\
                 #[inline(never)]\npub fn last() -> usize { LAST.get() }\n\
                 pub fn twice<T: Clone>(value: &T) -> Vec<T> { vec![value.clone(), value.clone()] }\n\
                 #[inline(never)]\npub fn fail(text: &str) -> ! { panic!(\"failed: {text}\") }",
            ),
        );
    for name in ["one", "two"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .needs("counter", "1")
                .needs("base", "1")
                .main(
                    "fn main() {\n    std::panic::set_hook(Box::new(|_| {}));\n    \
                 counter::step(); base::next(); counter::step();\n    \
                 let caught = std::panic::catch_unwind(|| counter::fail(\"x\")).unwrap_err();\n    \
                 println!(\"{} {} {:?} {:?} {:?}\", env!(\"CARGO_PKG_NAME\"), counter::last(), \
                 counter::twice(&7), caught.downcast_ref::<String>(), \
                 std::thread::spawn(counter::last).join().unwrap());\n}",
                ),
        );
    }
}

const ONE: &str = "one 2 [7, 7] Some(\"failed: x\") 0\n";
const TWO: &str = "two 2 [7, 7] Some(\"failed: x\") 0\n";

#[test]
fn a_second_app_compiles_only_what_is_new() {
    let env = Env::new();
    publish_pair(&env);
    let first = env.run("install one --json").success().json();
    assert_eq!(first["build"], 6, "three sources, three crates");
    let second = env.run("install two --json").success().json();
    assert_eq!(second["build"], 2, "its own source and its own program");
    assert_eq!(env.objects("-counter-1.0.0").len(), 1);
}

#[test]
fn common_crates_are_in_shared_libraries_and_outputs_equal_static_ones() {
    let env = Env::new();
    publish_pair(&env);
    env.run("install one two --linkage static").success();
    assert_eq!(env.program("one").success().stdout, ONE);
    assert_eq!(env.program("two").success().stdout, TWO);
    assert!(own_libraries(&env, "one").is_empty());
    for linkage in ["shared", "crate"] {
        env.orlop(["install", "one", "two", "--linkage", linkage])
            .success();
        assert_eq!(env.program("one").success().stdout, ONE);
        assert_eq!(env.program("two").success().stdout, TWO);
        let (one, two) = (own_libraries(&env, "one"), own_libraries(&env, "two"));
        assert!(!one.is_empty() && one == two, "{linkage}: {one:?} {two:?}");
        let proofs = env.run("prove --json").success().json();
        assert_eq!(proofs.as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_view_loads_only_its_own_closure_and_glibc() {
    let env = Env::new();
    publish_pair(&env);
    env.run("install one two").success();
    let proofs = env.run("prove one --json").success().json();
    let home = std::fs::canonicalize(env.home()).unwrap();
    for object in proofs[0]["proof"]["objects"].as_array().unwrap() {
        let path = object["path"].as_str().unwrap();
        let real = std::fs::canonicalize(path).unwrap();
        let name = real.file_name().unwrap().to_str().unwrap();
        let glibc = [
            "libc.so.6",
            "libm.so.6",
            "ld-linux-x86-64.so.2",
            "libpthread.so.0",
            "libdl.so.2",
        ];
        assert!(
            real.starts_with(&home) || glibc.contains(&name),
            "{path} is foreign"
        );
    }
}

#[test]
fn an_app_alone_is_static_and_a_static_one_stays_out_of_sharing() {
    let env = Env::new();
    publish_pair(&env);
    env.run("install one").success();
    assert!(own_libraries(&env, "one").is_empty());
    env.run("install two --linkage static").success();
    assert!(own_libraries(&env, "one").is_empty());
    assert!(own_libraries(&env, "two").is_empty());
}

#[test]
fn identical_files_share_an_inode() {
    let env = Env::new();
    publish_pair(&env);
    env.run("install one").success();
    let store = env.home().join("store");
    let linked = env.objects("-linked");
    assert_eq!(linked.len(), 1);
    let original = std::fs::metadata(store.join(&linked[0]).join("bin/one")).unwrap();
    let view = env.home().join("profiles/default/current/bin/one");
    assert_eq!(std::fs::metadata(view).unwrap().ino(), original.ino());
}

/// The libraries in an app's view that Orlop linked.
fn own_libraries(env: &Env, app: &str) -> BTreeSet<String> {
    let folder = env
        .home()
        .join("profiles/default/current/views")
        .join(app)
        .join("lib");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            // The C runtime comes from elsewhere.
            !entry.file_name().to_str().unwrap().starts_with("libgcc_s")
        })
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}
