//! Real apps from the real registry. Ignored by default: `cargo test -- --ignored network`.

use std::process::{Command, Stdio};

use std::fmt::Write as _;

use crate::support::{Env, Run};

fn with_input(env: &Env, program: &str, arguments: &[&str], input: &str) -> Run {
    use std::io::Write as _;
    let path = env
        .home()
        .join("profiles/default/current/bin")
        .join(program);
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

pub(crate) fn online(env: &Env, line: &str) -> Run {
    env.command()
        .env_remove("ORLOP_INDEX")
        .envs(std::env::var_os("SSL_CERT_FILE").map(|file| ("SSL_CERT_FILE", file)))
        .args(line.split_whitespace())
        .output()
        .unwrap()
        .into()
}

#[test]
#[ignore = "needs the network and minutes of compilation"]
fn network_hexyl_ripgrep_and_fd_share_crates() {
    let env = Env::new();
    drop(online(&env, "install hexyl").success());
    drop(online(&env, "install ripgrep").success());
    let plan = online(&env, "install fd-find --dry-run --json")
        .success()
        .json();
    let reused = plan["present"].as_u64().unwrap();
    assert!(reused > 5, "{reused} reused");
    drop(online(&env, "install fd-find").success());
    with_input(&env, "hexyl", &["--plain"], "A")
        .success()
        .prints("41");
    assert_eq!(
        with_input(&env, "rg", &["-c", "hi"], "hi\n")
            .success()
            .stdout,
        "1\n"
    );
    with_input(&env, "fd", &["--version"], "")
        .success()
        .prints("fd");
    online(&env, "prove").success().prints("PROVED");
    let again = online(&env, "install ripgrep --json").success().json();
    assert_eq!(again["outcome"], "unchanged");
}

/// The first ten of these apps are those of the corpus that compile fastest.
#[test]
#[ignore = "needs the network and minutes of compilation"]
fn network_imported_recipes_are_sound_and_build() {
    let env = Env::new();
    let apps = [
        "hexyl", "zoxide", "sd", "pastel", "ripgrep", "tokei", "fd-find", "procs", "just", "xh",
    ];
    for app in apps {
        drop(online(&env, &format!("recipe import {app}")).success());
        drop(online(&env, &format!("recipe lint --online {app}.toml")).success());
        drop(online(&env, &format!("recipe fmt --check {app}.toml")).success());
    }
    drop(online(&env, "install ./hexyl.toml ./zoxide.toml").success());
    with_input(&env, "hexyl", &["--plain"], "A")
        .success()
        .prints("41");
    with_input(&env, "zoxide", &["init", "bash"], "")
        .success()
        .prints("__zoxide");
}

/// A library recipe for the zlib that a release of libz-sys carries.
fn zlib_recipe(name: &str, carrier: (&str, &str), flags: &str) -> String {
    let (version, checksum) = carrier;
    format!(
        "schema = 1\n[library]\nname = \"{name}\"\nversion = \"1.0.0\"\n\
         source = {{ crate = \"libz-sys\", version = \"={version}\", checksum = \"{checksum}\", \
         folder = \"src/zlib\" }}\nscript = '''\nmkdir -p \"$out/lib\"\n\
         cc -O2 -fPIC -D_LARGEFILE64_SOURCE=1 -DHAVE_HIDDEN -DHAVE_UNISTD_H -DHAVE_STDARG_H \
         -shared -Wl,-soname,libz.so.1 {flags} *.c -o \"$out/lib/libz.so.1\"\n\
         ln -s libz.so.1 \"$out/lib/libz.so\"\n'''\n"
    )
}

/// What both crates are.
const ZLIB: &str = "use std::ffi::{CStr, c_char, c_int, c_ulong};\nunsafe extern \"C\" {\n\
    fn zlibVersion() -> *const c_char;\n\
    fn compress(to: *mut u8, length: *mut c_ulong, from: *const u8, size: c_ulong) -> c_int;\n\
    fn uncompress(to: *mut u8, length: *mut c_ulong, from: *const u8, size: c_ulong) -> c_int;\n}\n\
    pub fn version() -> &'static str { unsafe { CStr::from_ptr(zlibVersion()) }.to_str().unwrap() }\n\
    pub fn pack(from: &[u8]) -> Vec<u8> { let mut to = vec![0; 1000]; let mut length = 1000;\n\
    assert_eq!(unsafe { compress(to.as_mut_ptr(), &mut length, from.as_ptr(), from.len() as _) }, 0);\n\
    to.truncate(length as usize); to }\n\
    pub fn unpack(from: &[u8]) -> Vec<u8> { let mut to = vec![0; 1000]; let mut length = 1000;\n\
    assert_eq!(unsafe { uncompress(to.as_mut_ptr(), &mut length, from.as_ptr(), from.len() as _) }, 0);\n\
    to.truncate(length as usize); to }\n";

/// Writes crates and apps for both libraries.
fn zlib_packages(write: &dyn Fn(&str, &str)) {
    let package = |folder: &str, dependencies: &[&str], file: &str, text: &str| {
        let mut manifest = format!(
            "[package]\nname = \"{folder}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\n"
        );
        for name in dependencies {
            writeln!(
                manifest,
                "{name} = {{ version = \"1\", path = \"../{name}\" }}"
            )
            .unwrap();
        }
        write(&format!("{folder}/Cargo.toml"), &manifest);
        write(&format!("{folder}/src/{file}"), text);
    };
    for name in ["zold", "znew"] {
        let crate_name = format!("{name}-sys");
        package(&crate_name, &[], "lib.rs", ZLIB);
        write(
            &format!("{crate_name}/build.rs"),
            "fn main() { println!(\"cargo:rustc-link-lib=dylib=z\"); }",
        );
        let text = format!("fn main() {{ println!(\"{{}}\", {name}_sys::version()); }}");
        package(&format!("only-{name}"), &[&crate_name], "main.rs", &text);
    }
    let text = "fn main() { let text = \"zlib \".repeat(40).into_bytes();\n\
         println!(\"{} {} {} {}\", zold_sys::version(), znew_sys::version(),\n\
         znew_sys::unpack(&zold_sys::pack(&text)) == text,\n\
         zold_sys::unpack(&znew_sys::pack(&text)) == text); }";
    package("both-zlibs", &["zold-sys", "znew-sys"], "main.rs", text);
}

/// zlib 1.2.11, which has a version script, and zlib 1.3.2, which is linked without one.
#[test]
#[ignore = "needs the network"]
fn network_two_zlibs_in_one_process() {
    let env = Env::new();
    let mut recipes = Vec::new();
    let old = "9702761c3935f8cc2f101793272e202c72b99da8f4224a19ddcf1279a6450bbf";
    let new = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";
    let write = |path: &str, text: &str| {
        let path = env.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (name, carrier, flags) in [
        ("zold", ("1.1.8", old), "-Wl,--version-script=zlib.map"),
        ("znew", ("1.1.31", new), ""),
    ] {
        recipes.push(env.write(&format!("{name}.toml"), &zlib_recipe(name, carrier, flags)));
        recipes.push(env.write(
            &format!("{name}-sys.toml"),
            &format!("schema = 1\n[crate]\nname = \"{name}-sys\"\nnative = [\"{name}\"]\n"),
        ));
    }
    zlib_packages(&write);
    for app in ["only-zold", "only-znew", "both-zlibs"] {
        recipes.push(env.write(
            &format!("{app}.toml"),
            &format!("schema = 1\n[app]\nname = \"{app}\"\nsource = {{ path = \"{app}\" }}\n"),
        ));
    }
    let words: Vec<_> = recipes.iter().map(|path| path.to_str().unwrap()).collect();
    online(&env, &format!("install {}", words.join(" "))).success();
    let says = |program: &str| env.program(program).success().stdout;
    assert_eq!(says("only-zold"), "1.2.11\n");
    assert_eq!(says("only-znew"), "1.3.2\n");
    assert_eq!(says("both-zlibs"), "1.2.11 1.3.2 true true\n");
    let proofs = online(&env, "prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), 3);
}
