//! Crates that are compiled against metadata come out as those compiled against whole libraries.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::support::{Env, Package};

/// Functions for a library that takes long after its metadata.
fn functions() -> String {
    let function =
        |number| format!("pub fn f{number}(x: u64) -> String {{ format!(\"{{x}}{number}\") }}\n");
    (0..1500).map(function).collect()
}

/// Publishes an app on a chain of libraries of which the first takes long after its metadata.
fn publish(env: &Env) {
    let functions = functions();
    let base = format!(
        "{functions}
         pub static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
         pub fn generic<T: std::fmt::Debug>(t: T) -> String {{ format!(\"{{t:?}}\") }}
         #[inline] pub fn inline(x: u64) -> u64 {{ x.rotate_left(7) }}"
    );
    env.registry
        .publish(Package::new("base", "1.0.0").lib(&base))
        .publish(Package::new("derive", "1.0.0").tables("[lib]\nproc-macro = true").lib(
            "extern crate proc_macro;\n\
             #[proc_macro] pub fn seven(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"7u64\".parse().unwrap() }",
        ))
        .publish(
            Package::new("middle", "1.0.0")
                .needs("base", "1")
                .needs("derive", "1")
                .lib(
                    "pub fn middle() -> String {\n\
                     base::COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);\n\
                     base::generic((base::inline(derive::seven!()), [\"x\"])) }\n\
                     pub fn again<T: Clone>(t: &T) -> T { t.clone() }",
                ),
        )
        .publish(
            Package::new("top", "1.0.0")
                .needs("middle", "1")
                .needs("base", "1")
                .lib("pub fn top() -> String { middle::again(&middle::middle()) + &base::f7(1) }"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("top", "1")
                .main("fn main() { println!(\"{}\", top::top()) }"),
        );
}

/// The files of all objects that were built here, with their contents.
fn files(env: &Env) -> BTreeMap<PathBuf, Vec<u8>> {
    let store = env.home().join("store");
    let built = |path: &Path| {
        let name = path.to_string_lossy().into_owned();
        ["base", "derive", "middle", "top", "app"]
            .iter()
            .any(|package| name.contains(&format!("-{package}-")))
    };
    walkdir::WalkDir::new(&store)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().strip_prefix(&store).unwrap().to_owned(), entry))
        .filter(|(inside, _)| built(inside))
        .map(|(inside, entry)| (inside, std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// When the build of an object began.
fn begun(env: &Env, object: &str) -> SystemTime {
    let logs = env.home().join("logs");
    let log = find(&logs, &format!("-{object}.log"));
    std::fs::metadata(log).unwrap().created().unwrap()
}

/// When an object came to its place in the store.
fn kept(env: &Env, object: &str) -> SystemTime {
    let object = find(&env.home().join("store"), &format!("-{object}"));
    let metadata = std::fs::metadata(object).unwrap();
    let since_epoch = Duration::new(
        metadata.ctime().try_into().unwrap(),
        metadata.ctime_nsec().try_into().unwrap(),
    );
    SystemTime::UNIX_EPOCH + since_epoch
}

fn find(folder: &Path, ending: &str) -> PathBuf {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(ending))
        .unwrap()
}

#[test]
fn a_library_is_the_same_whatever_its_dependents_waited_for() {
    let (one, many) = (Env::new(), Env::new());
    for (env, jobs) in [(&one, 1), (&many, 8)] {
        publish(env);
        env.run(&format!("install app --jobs {jobs}")).success();
        assert_eq!(env.program("app").success().stdout, "(896, [\"x\"])17\n");
    }
    let (first, second) = (files(&one), files(&many));
    assert!(first.len() >= 10, "{:?}", first.keys());
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        second.keys().collect::<Vec<_>>()
    );
    for (path, bytes) in &first {
        assert!(*bytes == second[path], "{} differs", path.display());
    }
    for early in ["middle-1.0.0", "app-1.0.0-app-linkset"] {
        let in_time = begun(&many, early) < kept(&many, "base-1.0.0");
        assert!(in_time, "{early} did not start early");
    }
}

/// rustc takes a native library that is packed into a library out of it again where it links, so
/// that a program has to wait for the whole of it.
#[test]
fn a_program_waits_for_what_native_libraries_are_packed_into() {
    let env = Env::new();
    let text = "unsafe extern \"C\" { fn native() -> i32; }
                pub fn safe() -> i32 { unsafe { native() } }\n";
    env.registry
        .publish(
            Package::new("native", "1.0.0")
                .file("native.c", "int native(void) { return 42; }\n")
                .file(
                    "build.rs",
                    "use std::{env, process::Command};
                     fn run(program: &str, args: &[&str]) {
                         assert!(Command::new(program).args(args).status().unwrap().success());
                     }
                     fn main() {
                         let out = env::var(\"OUT_DIR\").unwrap();
                         let (object, archive) = (format!(\"{out}/n.o\"), format!(\"{out}/libn.a\"));
                         run(\"cc\", &[\"-c\", \"native.c\", \"-o\", &object]);
                         run(\"ar\", &[\"rcD\", &archive, &object]);
                         println!(\"cargo:rustc-link-search=native={out}\");
                         println!(\"cargo:rustc-link-lib=static:+whole-archive=n\");
                     }",
                )
                .lib(&(functions() + text)),
        )
        .publish(
            Package::new("packed", "1.0.0")
                .needs("native", "1")
                .main("fn main() { println!(\"{}\", native::safe()) }"),
        );
    env.run("install packed --jobs 8").success();
    assert_eq!(env.program("packed").success().stdout, "42\n");
    // The clock of a file system ticks every few milliseconds: both may bear one time.
    let early = begun(&env, "packed-1.0.0-packed-linkset") < kept(&env, "native-1.0.0");
    assert!(!early, "the program did not wait");
}
