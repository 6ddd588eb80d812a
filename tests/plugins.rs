//! Plugins: what an installed app loads while it runs, through plain Rust types.

use std::os::unix::fs::MetadataExt as _;

use crate::compilers::other_compiler;
use crate::support::{Env, Package};

/// What host and plugin have in common: a trait, and a static that there must be one of.
const API: &str = "
use std::sync::atomic::AtomicUsize;
pub static CALLS: AtomicUsize = AtomicUsize::new(0);
pub trait Greeter { fn greet(&self, names: Vec<String>) -> Vec<String>; }
pub fn count() -> usize { words::count(&CALLS) }
";

const HOST: &str = r#"
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(1, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}
#[global_allocator]
static GLOBAL: Counting = Counting;

unsafe extern "C" {
    fn dlopen(file: *const c_char, mode: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *const c_char;
}

fn main() {
    let Some(file) = std::env::args().nth(1) else {
        println!("no plugin");
        return;
    };
    let file = CString::new(file).unwrap();
    let library = unsafe { dlopen(file.as_ptr(), 2) };
    assert!(!library.is_null(), "{:?}", unsafe { CStr::from_ptr(dlerror()) });
    let symbol = unsafe { dlsym(library, c"greeter".as_ptr()) };
    let greeter: fn() -> Box<dyn api::Greeter> = unsafe { std::mem::transmute(symbol) };
    let turn = || {
        let before = LIVE.load(Relaxed);
        let one = greeter();
        let names: Vec<String> = ["Ada", "Grace"].map(String::from).to_vec();
        let answers = one.greet(names);
        // What the plugin allocates, our own allocator counts; and we may free it.
        let counted = LIVE.load(Relaxed) - before >= 4;
        println!("{answers:?} {} {counted}", api::count());
    };
    turn();
    let before = LIVE.load(Relaxed);
    turn();
    println!("{}", LIVE.load(Relaxed) == before);
}
"#;

const PLUGIN: &str = r#"
use std::sync::atomic::Ordering::Relaxed;
struct Loud(String);
impl api::Greeter for Loud {
    fn greet(&self, names: Vec<String>) -> Vec<String> {
        api::CALLS.fetch_add(1, Relaxed);
        let caught = std::panic::catch_unwind(|| panic!("caught in the plugin"));
        assert!(caught.is_err());
        names.into_iter().map(|name| format!("{}, {name}{}", self.0, extra::mark())).collect()
    }
}
#[unsafe(no_mangle)]
pub fn greeter() -> Box<dyn api::Greeter> { Box::new(Loud("Hello".repeat(1))) }
"#;

/// Publishes a host and its plugin, and writes their recipes.
fn publish(env: &Env) -> (String, String) {
    env.registry
        .publish(Package::new("words", "1.0.0").lib(
            "pub fn count(calls: &std::sync::atomic::AtomicUsize) -> usize \
             { calls.load(std::sync::atomic::Ordering::Relaxed) }",
        ))
        .publish(
            Package::new("api", "1.0.0")
                .needs("words", "1")
                .feature("wide", &[])
                .feature("wider", &[])
                .lib(API),
        )
        .publish(Package::new("extra", "1.0.0").lib("pub fn mark() -> char { '!' }"))
        .publish(
            Package::new("host", "1.0.0")
                .needs_with("api", "1", &["wide"])
                .main(HOST),
        )
        .publish(
            Package::new("loud", "1.0.0")
                .needs("api", "1")
                .needs("extra", "1")
                .lib(PLUGIN),
        );
    let host = env.write(
        "host.toml",
        "schema = 1\n[app]\nname = \"host\"\nplugins = [\"api\"]\n",
    );
    let plugin = env.write(
        "loud.toml",
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"host\"\n",
    );
    let text = |path: std::path::PathBuf| path.into_os_string().into_string().unwrap();
    (text(host), text(plugin))
}

#[test]
fn a_plugin_and_its_host_speak_plain_rust() {
    let env = Env::new();
    let (host, plugin) = publish(&env);
    env.orlop(["install", &host]).success();
    let programs = env.programs("current");
    assert_eq!(env.program("host").success().stdout, "no plugin\n");
    let generation = std::fs::read_link(env.home().join("profiles/default/current")).unwrap();

    // A version of the API that is newer than the host's: the plugin takes the host's all the same.
    env.registry.publish(
        Package::new("api", "1.1.0")
            .needs("words", "1")
            .lib("compile_error!(\"not what the host has\");"),
    );
    let file = env.path("libloud.so");
    let built = env
        .orlop(
            ["build", "--plugin", &plugin, "--json", "--out"]
                .map(std::ffi::OsStr::new)
                .iter()
                .chain([&file.as_os_str()]),
        )
        .success()
        .json();
    assert!(built["references"][0].as_u64().unwrap() >= 10, "{built}");
    assert_eq!(built["file"].as_str().unwrap(), file.to_str().unwrap());
    let run = std::process::Command::new(env.home().join("profiles/default/current/bin/host"))
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(
        said,
        "[\"Hello, Ada!\", \"Hello, Grace!\"] 1 true\n\
         [\"Hello, Ada!\", \"Hello, Grace!\"] 2 true\ntrue\n",
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    // What is there is replaced, and nothing is left beside it.
    let before = std::fs::metadata(&file).unwrap();
    let built = env.orlop(["build", "--plugin", &plugin, "--out", "libloud.so"]);
    drop(built.success());
    let after = std::fs::metadata(&file).unwrap();
    assert_ne!(after.ino(), before.ino());
    assert_eq!(after.mode() & 0o777, 0o644);
    // Nothing of the host has changed.
    assert_eq!(env.programs("current"), programs);
    let now = std::fs::read_link(env.home().join("profiles/default/current")).unwrap();
    assert_eq!(now, generation);
    // The next one compiles nothing that is there.
    env.orlop(["build", "--plugin", &plugin, "--dry-run"])
        .success()
        .prints("0 to build");
}

/// Asserts that a plugin is refused, and why.
#[track_caller]
fn refused(env: &Env, recipe: &str, code: i32, reasons: &[&str]) {
    let recipe = env.write("other.toml", recipe);
    let mut run = env
        .orlop(["build", "--plugin", recipe.to_str().unwrap()])
        .fails(code);
    for reason in reasons {
        run = run.says(reason);
    }
}

#[test]
fn what_does_not_fit_the_host_is_refused_with_the_reason() {
    let env = Env::new();
    let (host, plugin) = publish(&env);
    env.orlop(["build", "--plugin", &plugin])
        .fails(1)
        .says("has no apps yet");
    env.orlop(["install", &host]).success();

    let check = |text: &str, code, reasons: &[&str]| refused(&env, text, code, reasons);
    env.registry.publish(
        Package::new("wants-more", "1.0.0")
            .needs_with("api", "1", &["wider"])
            .lib("pub use api::count;"),
    );
    check(
        "schema = 1\n[plugin]\nname = \"wants-more\"\nhost = \"host\"\n",
        4,
        &["`api`: the plugin asks for `wider`, which the app does not have"],
    );
    env.registry
        .publish(Package::new("api", "2.0.0").needs("words", "1").lib(API))
        .publish(
            Package::new("newer", "1.0.0")
                .needs("api", "2")
                .lib("pub use api::count;"),
        );
    check(
        "schema = 1\n[plugin]\nname = \"newer\"\nhost = \"host\"\n",
        4,
        &["`api`: the app has 1.0.0, the plugin asks for 2.0.0"],
    );
    check(
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"absent\"\n",
        1,
        &["`absent` is not installed"],
    );
    check(
        "schema = 1\n[plugin]\nname = \"host\"\nhost = \"host\"\n",
        4,
        &["`host` is no plugin: it has no library"],
    );
    env.run("install api")
        .fails(4)
        .says("has no programs to install");
    env.orlop(["install", &plugin])
        .fails(2)
        .says("orlop build --plugin");
    check(
        "schema = 1\n[app]\nname = \"host\"\n",
        2,
        &["is not the recipe of a plugin"],
    );
    check(
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"host\"\ncompiler = \"9.9.9\"\n",
        4,
        &[
            "cannot be built with the compiler 9.9.9",
            ".toml:5:12]",
            "asked for here",
        ],
    );

    let Some(other) = other_compiler() else {
        eprintln!("skipped: rustup has only one toolchain on this machine");
        return;
    };
    env.orlop(["compiler", "add", &other]).success();
    let compilers = env.run("compiler list --json").success().json();
    let mut compilers = compilers.as_array().unwrap().iter();
    let added = compilers.find(|entry| entry["default"] == false).unwrap();
    let added = added["name"].as_str().unwrap();
    check(
        &format!(
            "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"host\"\ncompiler = \"{added}\"\n"
        ),
        4,
        &[&format!(
            "cannot be built with the compiler {added}: `host` was built with"
        )],
    );
}

#[test]
fn an_app_says_what_it_has_in_common_with_plugins() {
    let env = Env::new();
    let (host, _) = publish(&env);
    let closed = env.write("closed.toml", "schema = 1\n[app]\nname = \"host\"\n");
    env.orlop(["install", closed.to_str().unwrap()]).success();
    let plugin = env.write(
        "loud.toml",
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"host\"\n",
    );
    env.orlop(["build", "--plugin", plugin.to_str().unwrap()])
        .fails(1)
        .says("`host` takes no plugins")
        .says("plugins = [");
    let wrong = env.write(
        "wrong.toml",
        "schema = 1\n[app]\nname = \"host\"\nplugins = [\"extra\"]\n",
    );
    env.orlop(["install", wrong.to_str().unwrap()])
        .fails(4)
        .says("`host` does not use `extra`");
    env.orlop(["install", &host, "--linkage", "static"])
        .fails(2)
        .says("cannot have the linkage `static`");
}

#[test]
fn a_host_that_was_installed_from_other_files_is_installed_first() {
    let env = Env::new();
    let (_, plugin) = publish(&env);
    let write = |name: &str, text: &str| {
        let path = env.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let manifest = |version: &str| {
        format!(
            "[package]\nname = \"host\"\nversion = \"{version}\"\nedition = \"2021\"\n\
             [dependencies]\napi = \"1\"\n"
        )
    };
    write("host/Cargo.toml", &manifest("1.0.0"));
    write("host/src/main.rs", "fn main() {}");
    write(
        "host.toml",
        "schema = 1\n[app]\nname = \"host\"\nplugins = [\"api\"]\nsource = { path = \"host\" }\n",
    );
    env.run("install ./host.toml").success();
    let build = ["build", "--plugin", &plugin, "--out", "libloud.so"];
    env.orlop(build).success();
    for (file, text) in [
        ("host/src/main.rs", "fn main() { main() }".to_owned()),
        ("host/Cargo.toml", manifest("1.1.0")),
    ] {
        write(file, &text);
        env.orlop(build)
            .fails(1)
            .says("`host` was installed from other files than its recipe names now")
            .says("hint: install it from these: `orlop sync`");
        env.run("sync").success();
        env.orlop(build).success();
    }
    env.orlop(["build", "--plugin", &plugin, "--out", "nowhere/libloud.so"])
        .fails(1)
        .says("nowhere/libloud.so`: nothing can be put into")
        .says("No such file or directory");
}
