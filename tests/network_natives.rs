//! Real apps that share C libraries which Orlop builds. Ignored by default, as in [`network`].
//!
//! [`network`]: crate::network

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::natives::loaded;
use crate::network::online;
use crate::support::Env;

/// Runs a program in a folder and returns what it prints.
#[track_caller]
fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a repository with one file that has changed.
fn repository(env: &Env) -> std::path::PathBuf {
    let folder = env.path("repository");
    std::fs::create_dir(&folder).unwrap();
    let write = |text: &str| std::fs::write(folder.join("a.rs"), text).unwrap();
    write("fn one() {}\n");
    for words in [
        "init -q",
        "add .",
        "-c user.name=a -c user.email=a@example.org commit -qm first",
        "config delta.minus-style red",
    ] {
        run("git", &words.split(' ').collect::<Vec<_>>(), &folder);
    }
    write("fn one() {}\nfn two() {}\n");
    folder
}

/// Returns the objects of the store whose names end like this.
#[track_caller]
fn one_object(env: &Env, ending: &str) {
    assert_eq!(env.objects(ending).len(), 1, "{ending}");
}

#[test]
#[ignore = "needs the network and many minutes of compilation"]
fn network_bat_and_delta_share_native_libraries() {
    let env = Env::new();
    online(
        &env,
        "install bat git-delta --native zlib,libgit2,oniguruma",
    )
    .success();
    for library in ["libz-", "libgit2-", "libonig-"] {
        let of_bat = loaded(&env, "bat", library);
        assert_eq!(of_bat.len(), 1, "{library}");
        assert_eq!(of_bat, loaded(&env, "git-delta", library));
    }
    for ending in ["-zlib-1.3.2", "-libgit2-1.9.7", "-oniguruma-6.9.10"] {
        one_object(&env, ending);
    }
    online(&env, "prove bat").success().prints("PROVED");
    online(&env, "prove git-delta").success().prints("PROVED");
    let proofs = online(&env, "prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), 2);

    let repository = repository(&env);
    let program = |name: &str| env.home().join("profiles/default/current/bin").join(name);
    // What has changed, it asks libgit2; what is a keyword, oniguruma.
    let shown = run(
        program("bat"),
        &["--diff", "--color=always", "--paging=never", "a.rs"],
        &repository,
    );
    assert!(shown.contains('+') && shown.contains("\u{1b}["), "{shown}");
    let diff = run("git", &["diff"], &repository);
    std::fs::write(repository.join("diff"), diff).unwrap();
    let delta = format!("{} < diff", program("delta").display());
    let shown = run("sh", &["-c", &delta], &repository);
    assert!(
        shown.contains("two") && shown.contains("\u{1b}["),
        "{shown}"
    );
}

/// A library recipe for the libgit2 that a release of libgit2-sys carries, for local use alone.
fn libgit2(name: &str, version: &str, checksum: &str, parser: &str) -> String {
    let (_, of_library) = version.split_once('+').unwrap();
    format!(
        r##"schema = 1
[library]
name = "{name}"
version = "{of_library}"
source = {{ crate = "libgit2-sys", version = "={version}", checksum = "{checksum}", folder = "libgit2" }}
native = ["zlib"]
script = '''
mkdir -p "$out/lib/pkgconfig" "$out/include"
for feature in THREADS HTTPPARSER_BUILTIN IO_POLL USE_STAT_MTIM ARCH_64 SHA1_COLLISIONDETECT \
  SHA256_BUILTIN REGEX_REGCOMP; do
  echo "#define GIT_$feature 1"
done > src/util/git2_features.h
cc -O2 -w -fPIC -fvisibility=hidden -shared -Wl,-soname,libgit2.so.1 -o "$out/lib/libgit2.so.1" \
  -Iinclude -Isrc/libgit2 -Isrc/util -Ideps/{parser} -Ideps/xdiff \
  -DSHA1DC_NO_STANDARD_INCLUDES=1 '-DSHA1DC_CUSTOM_INCLUDE_SHA1_C="common.h"' \
  '-DSHA1DC_CUSTOM_INCLUDE_UBC_CHECK_C="common.h"' \
  src/libgit2/*.c src/libgit2/streams/*.c src/libgit2/transports/*.c \
  src/util/*.c src/util/unix/*.c src/util/allocators/failalloc.c src/util/allocators/stdalloc.c \
  src/util/hash/collisiondetect.c src/util/hash/builtin.c src/util/hash/sha1dc/*.c \
  src/util/hash/rfc6234/*.c deps/{parser}/*.c deps/xdiff/*.c -lz
ln -s libgit2.so.1 "$out/lib/libgit2.so"
cp -r include/git2 include/git2.h "$out/include/"
printf 'Name: libgit2\nDescription: git\nVersion: {of_library}\nLibs: -L%s -lgit2\nRequires.private: zlib\n' \
  '${{pcfiledir}}/..' > "$out/lib/pkgconfig/libgit2.pc"
'''
"##
    )
}

const OVERRIDE: &str = "schema = 1\n[crate]\nname = \"libgit2-sys\"\n\
    [crate.instead.libgit2-old]\nversions = \"0.16\"\nenvironment = { LIBGIT2_NO_VENDOR = \"1\" }\n\
    [crate.instead.libgit2-new]\nversions = \"0.18\"\nenvironment = { LIBGIT2_NO_VENDOR = \"1\" }\n";

/// Writes something to a repository, reads it back, and says with which libgit2.
const APP: &str = "fn main() {\n    \
    let folder = std::env::args().nth(1).unwrap();\n    \
    let repository = git2::Repository::init(&folder).unwrap();\n    \
    let blob = repository.blob(&\"text \".repeat(100).into_bytes()).unwrap();\n    \
    let read = repository.find_blob(blob).unwrap();\n    \
    println!(\"{:?} {}\", git2::Version::get().libgit2_version(), read.size());\n}\n";

/// libgit2 1.7.2 and 1.9.7, each for an app.
#[test]
#[ignore = "needs the network"]
fn network_two_libgit2_serve_two_apps() {
    let env = Env::new();
    let old = "ee4126d8b4ee5c9d9ea891dd875cfdc1e9d0950437179104b183d7d8a74d24e8";
    let new = "7f7c568b25d7489bc3fb2988ed69ab111d2944d2f5fec3d5c987fe545ea97b50";
    let mut recipes = vec![
        env.write("libgit2-sys.toml", OVERRIDE),
        env.write(
            "libgit2-old.toml",
            &libgit2("libgit2-old", "0.16.2+1.7.2", old, "http-parser"),
        ),
        env.write(
            "libgit2-new.toml",
            &libgit2("libgit2-new", "0.18.8+1.9.7", new, "llhttp"),
        ),
    ];
    for (app, version) in [("git-old", "0.18"), ("git-new", "0.20")] {
        let manifest = format!(
            "[package]\nname = \"{app}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\n\
             git2 = {{ version = \"{version}\", default-features = false }}\n"
        );
        std::fs::create_dir_all(env.path(app).join("src")).unwrap();
        env.write(&format!("{app}/Cargo.toml"), &manifest);
        env.write(&format!("{app}/src/main.rs"), APP);
        recipes.push(env.write(
            &format!("{app}.toml"),
            &format!("schema = 1\n[app]\nname = \"{app}\"\nsource = {{ path = \"{app}\" }}\n"),
        ));
    }
    let words: Vec<_> = recipes.iter().map(|path| path.to_str().unwrap()).collect();
    let native = "--native libgit2-old,libgit2-new,zlib";
    online(&env, &format!("install {} {native}", words.join(" "))).success();
    let says = |app: &str| {
        let program = env.home().join("profiles/default/current/bin").join(app);
        let folder = env.path("made");
        std::fs::create_dir_all(&folder).unwrap();
        run(program, &[app], &folder)
    };
    assert_eq!(says("git-old"), "(1, 7, 2) 500\n");
    assert_eq!(says("git-new"), "(1, 9, 7) 500\n");
    let of = |app: &str, library: &str| loaded(&env, app, library);
    assert_ne!(of("git-old", "libgit2-"), of("git-new", "libgit2-"));
    assert_eq!(of("git-old", "libz-"), of("git-new", "libz-"));
    let proofs = online(&env, "prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), 2);
}

/// Libraries that come with Orlop: the recipe, the name for pkg-config, and a function that says the
/// version.
const SHIPPED: [(&str, &str, &str); 7] = [
    ("bzip2", "bzip2", "BZ2_bzlibVersion"),
    ("lz4", "liblz4", "LZ4_versionString"),
    ("oniguruma", "oniguruma", "onig_version"),
    ("sqlite", "sqlite3", "sqlite3_libversion"),
    ("xz", "liblzma", "lzma_version_string"),
    ("zlib", "zlib", "zlibVersion"),
    ("zstd", "libzstd", "ZSTD_versionString"),
];

/// Links against all that pkg-config is asked for.
const LINK: &str = "fn main() {\n    let out = std::process::Command::new(\"pkg-config\")\
    .arg(\"--libs\").args(PACKAGES).output().unwrap();\n    \
    assert!(out.status.success(), \"{}\", String::from_utf8_lossy(&out.stderr));\n    \
    for word in String::from_utf8(out.stdout).unwrap().split_whitespace() {\n        \
    if let Some(folder) = word.strip_prefix(\"-L\") {\n            \
    println!(\"cargo:rustc-link-search=native={folder}\");\n        \
    } else if let Some(name) = word.strip_prefix(\"-l\") {\n            \
    println!(\"cargo:rustc-link-lib=dylib={name}\");\n        }\n    }\n}\n";

#[test]
#[ignore = "needs the network"]
fn network_shipped_libraries_are_what_they_say() {
    let env = Env::new();
    let names: Vec<_> = SHIPPED.iter().map(|(recipe, ..)| *recipe).collect();
    let packages: Vec<_> = SHIPPED.iter().map(|(_, package, _)| *package).collect();
    let mut text = "use std::ffi::{CStr, c_char, c_int, c_void};\nunsafe extern \"C\" {\n    \
         fn pcre2_config_8(what: u32, to: *mut c_void) -> c_int;\n"
        .to_owned();
    let mut main = String::new();
    for (_, _, function) in SHIPPED {
        writeln!(text, "    fn {function}() -> *const c_char;").unwrap();
        writeln!(
            main,
            "    println!(\"{{}}\", unsafe {{ CStr::from_ptr({function}()) }}.to_str().unwrap());"
        )
        .unwrap();
    }
    // 11 is PCRE2_CONFIG_VERSION.
    text += "}\npub fn say() {\n    let mut to = [0_u8; 64];\n    \
        let length = unsafe { pcre2_config_8(11, to.as_mut_ptr().cast()) };\n    \
        println!(\"{}\", std::str::from_utf8(&to[..length as usize - 1]).unwrap());\n";
    text += &(main + "}\n");
    let script = format!(
        "const PACKAGES: &[&str] = &{:?};\n{LINK}",
        [&packages[..], &["libpcre2-8"]].concat()
    );
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n{rest}")
    };
    for folder in ["answers-sys/src", "answers/src"] {
        std::fs::create_dir_all(env.path(folder)).unwrap();
    }
    env.write("answers-sys/Cargo.toml", &manifest("answers-sys", ""));
    env.write("answers-sys/build.rs", &script);
    env.write("answers-sys/src/lib.rs", &text);
    let needs = "[dependencies]\nanswers-sys = { version = \"1\", path = \"../answers-sys\" }\n";
    env.write("answers/Cargo.toml", &manifest("answers", needs));
    env.write("answers/src/main.rs", "fn main() { answers_sys::say(); }\n");
    let app = "schema = 1\n[app]\nname = \"answers\"\nsource = { path = \"answers\" }\n";
    let natives = [&names[..], &["pcre2"]].concat();
    let change = format!("schema = 1\n[crate]\nname = \"answers-sys\"\nnative = {natives:?}\n");
    let recipes = [
        env.write("answers.toml", app),
        env.write("answers-sys.toml", &change),
    ];
    let words: Vec<_> = recipes.iter().map(|path| path.to_str().unwrap()).collect();
    online(&env, &format!("install {}", words.join(" "))).success();
    let shipped = orlop_recipes::RecipeSet::shipped();
    let said = env.program("answers").success().stdout;
    let said: Vec<_> = said.lines().collect();
    for (line, name) in said.iter().zip(["pcre2"].iter().chain(&names)) {
        let version = &shipped.library(&name.parse().unwrap()).unwrap().version;
        assert!(line.starts_with(version.as_str()), "{name}: {line}");
    }
    assert_eq!(said.len(), natives.len());
    online(&env, "prove answers").success().prints("PROVED");
}

/// The crate is told a path, not where pkg-config looks.
#[test]
#[ignore = "needs the network"]
fn network_a_native_library_is_the_allocator() {
    let env = Env::new();
    std::fs::create_dir_all(env.path("allocating/src")).unwrap();
    env.write(
        "allocating/Cargo.toml",
        "[package]\nname = \"allocating\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
         [dependencies]\ntikv-jemallocator = \"0.7\"\n",
    );
    env.write(
        "allocating/src/main.rs",
        "#[global_allocator]\n\
         static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;\n\
         fn main() { println!(\"{}\", vec![1_u8; 1 << 20].iter().map(|byte| *byte as u32).sum::<u32>()); }\n",
    );
    let recipe = env.write(
        "allocating.toml",
        "schema = 1\n[app]\nname = \"allocating\"\nsource = { path = \"allocating\" }\n",
    );
    let line = format!("install {} --native jemalloc", recipe.display());
    online(&env, &line).success();
    assert_eq!(env.program("allocating").success().stdout, "1048576\n");
    assert_eq!(loaded(&env, "allocating", "libjemalloc-").len(), 1);
    online(&env, "prove allocating").success().prints("PROVED");
}

/// One crate that can be built against a shipped library in place of what it carries.
struct Switch {
    /// The crate, in its newest version.
    package: &'static str,
    /// Its features, which would have it compile its own.
    features: &'static [&'static str],
    /// The library's recipe.
    library: &'static str,
    /// How the file begins that is loaded.
    file: &'static str,
    /// What declares a function that says the library's version, where the crate does not.
    declares: &'static str,
    /// What asks for the version, as text of C.
    asks: &'static str,
}

const SWITCHES: &[Switch] = &[
    Switch {
        package: "bzip2-sys",
        features: &[],
        library: "bzip2",
        file: "libbz2-",
        declares: "use bzip2_sys as _;\nunsafe extern \"C\" { fn BZ2_bzlibVersion() -> *const c_char; }",
        asks: "BZ2_bzlibVersion()",
    },
    Switch {
        package: "lzma-sys",
        features: &[],
        library: "xz",
        file: "liblzma-",
        declares: "",
        asks: "lzma_sys::lzma_version_string()",
    },
    Switch {
        package: "liblzma-sys",
        features: &[],
        library: "xz",
        file: "liblzma-",
        declares: "",
        asks: "liblzma_sys::lzma_version_string()",
    },
    Switch {
        package: "zstd-sys",
        features: &[],
        library: "zstd",
        file: "libzstd-",
        declares: "",
        asks: "zstd_sys::ZSTD_versionString()",
    },
    Switch {
        package: "libsqlite3-sys",
        features: &["bundled"],
        library: "sqlite",
        file: "libsqlite3-",
        declares: "",
        asks: "libsqlite3_sys::sqlite3_libversion()",
    },
    Switch {
        package: "pcre2-sys",
        features: &[],
        library: "pcre2",
        file: "libpcre2-8-",
        declares: "static mut TEXT: [c_char; 64] = [0; 64];",
        asks: "{\n        let to = (&raw mut TEXT).cast::<c_char>();\n        \
               pcre2_sys::pcre2_config_8(pcre2_sys::PCRE2_CONFIG_VERSION, to.cast());\n        to\n    }",
    },
    Switch {
        package: "libssh2-sys",
        features: &[],
        library: "libssh2",
        file: "libssh2-",
        declares: "use libssh2_sys as _;\n\
                   unsafe extern \"C\" { fn libssh2_version(least: i32) -> *const c_char; }",
        asks: "libssh2_version(0)",
    },
    Switch {
        package: "openssl-sys",
        features: &["vendored"],
        library: "openssl",
        file: "libcrypto-",
        declares: "",
        asks: "openssl_sys::OpenSSL_version(0)",
    },
];

/// Writes an app that says which version of the library its crate is built against.
fn switched(env: &Env, switch: &Switch) -> std::path::PathBuf {
    let app = format!("with-{}", switch.package);
    std::fs::create_dir_all(env.path(&app).join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{app}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\n\
         {} = {{ version = \"*\", features = {:?} }}\n",
        switch.package, switch.features
    );
    let main = format!(
        "use std::ffi::{{CStr, c_char}};\n{}\nfn main() {{\n    \
         let text: *const c_char = unsafe {{ {} }};\n    \
         println!(\"{{}}\", unsafe {{ CStr::from_ptr(text) }}.to_str().unwrap());\n}}\n",
        switch.declares, switch.asks
    );
    env.write(&format!("{app}/Cargo.toml"), &manifest);
    env.write(&format!("{app}/src/main.rs"), &main);
    env.write(
        &format!("{app}.toml"),
        &format!("schema = 1\n[app]\nname = \"{app}\"\nsource = {{ path = \"{app}\" }}\n"),
    )
}

/// Each switch of a shipped recipe of a crate, on the crate's newest version.
#[test]
#[ignore = "needs the network and minutes of compilation"]
fn network_crates_are_built_against_shipped_libraries() {
    let env = Env::new();
    let recipes: Vec<_> = SWITCHES
        .iter()
        .map(|switch| switched(&env, switch).display().to_string())
        .collect();
    let libraries: std::collections::BTreeSet<_> =
        SWITCHES.iter().map(|switch| switch.library).collect();
    let libraries: Vec<_> = libraries.into_iter().chain(["zlib"]).collect();
    let line = format!(
        "install {} --native {}",
        recipes.join(" "),
        libraries.join(",")
    );
    online(&env, &line).success();
    let shipped = orlop_recipes::RecipeSet::shipped();
    for switch in SWITCHES {
        let app = format!("with-{}", switch.package);
        let library = shipped.library(&switch.library.parse().unwrap()).unwrap();
        let said = env.program(&app).success().stdout;
        assert!(said.contains(&library.version), "{app}: {said}");
        let loads = loaded(&env, &app, switch.file);
        assert_eq!(loads.len(), 1, "{app}: {loads:?}");
        // What the loader itself says.
        let program = env.home().join("profiles/default/current/bin").join(&app);
        let program = program.canonicalize().unwrap();
        let listed = run("ldd", &[program.to_str().unwrap()], &env.path(&app));
        let of_store =
            |line: &&str| line.contains(&loads[0]) && line.contains(env.home().to_str().unwrap());
        assert_eq!(
            listed.lines().filter(of_store).count(),
            1,
            "{app}: {listed}"
        );
        online(&env, &format!("prove {app}"))
            .success()
            .prints("PROVED");
    }
}
