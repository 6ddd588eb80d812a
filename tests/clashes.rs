//! Versions, feature sets and compilers of one crate side by side: right results, and a proof. The
//! same without version nodes prints what is wrong, and is refused.

use std::path::Path;
use std::process::Command;

use crate::compilers::other_compiler;
use crate::support::{Env, Package};
use crate::traps::archive;

/// A crate that says who it is, by a name of Rust and by one that every build of it has.
fn tally(version: &str) -> String {
    format!(
        "use std::cell::Cell;\nuse std::sync::atomic::{{AtomicUsize, Ordering::Relaxed}};\n\
         static COUNT: AtomicUsize = AtomicUsize::new(0);\n\
         thread_local!(static LAST: Cell<usize> = const {{ Cell::new(0) }});\n\
         #[cfg(feature = \"plain-name\")] #[unsafe(no_mangle)] #[inline(never)]\n\
         pub extern \"C\" fn tally_width() -> usize {{ width() }}\n\
         #[cfg(not(feature = \"wide\"))] fn width() -> usize {{ 8 }}\n\
         #[cfg(feature = \"wide\")] fn width() -> usize {{ 64 }}\n\
         #[inline(never)] pub fn next() -> String {{ LAST.set(LAST.get() + 1);\n\
         format!(\"{version}/{{}}/{{}}/{{}}\", width(), COUNT.fetch_add(1, Relaxed), LAST.get()) }}\n"
    )
}

const CALL: &str = "unsafe extern \"C\" { fn tally_width() -> usize; }\n";

#[test]
fn versions_features_and_compilers_of_one_crate_in_one_profile() {
    let env = Env::new();
    for version in ["1.0.0", "2.0.0"] {
        env.registry.publish(
            Package::new("tally", version)
                .feature("wide", &[])
                .feature("plain-name", &[])
                .lib(&tally(version)),
        );
    }
    let mut wanted = Vec::new();
    for copy in ["a", "b"] {
        // Two versions in one process.
        let both = Package::new(&format!("both-{copy}"), "1.0.0")
            .needs_renamed("old", "tally", "1")
            .needs("tally", "2")
            .main("fn main() { println!(\"{} {} {}\", old::next(), tally::next(), old::next()); }");
        env.registry.publish(both);
        wanted.push((
            format!("both-{copy}"),
            "1.0.0/8/0/1 2.0.0/8/0/1 1.0.0/8/1/2\n",
        ));
        // Two feature sets of one version, which export the same name.
        for (app, features, says) in [
            ("narrow", &["plain-name"][..], "8 2.0.0/8/0/1\n"),
            ("broad", &["plain-name", "wide"], "64 2.0.0/64/0/1\n"),
        ] {
            let name = format!("{app}-{copy}");
            let package = Package::new(&name, "1.0.0").needs_with("tally", "2", features);
            env.registry.publish(package.main(&format!(
                "{CALL}fn main() {{ println!(\"{{}} {{}}\", unsafe {{ tally_width() }}, \
                 tally::next()); }}"
            )));
            wanted.push((name, says));
        }
        // For the other compiler.
        env.registry.publish(
            Package::new(&format!("other-{copy}"), "1.0.0")
                .needs("tally", "1")
                .main("fn main() { println!(\"{}\", tally::next()); }"),
        );
    }
    let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    env.orlop(["install"].into_iter().chain(names)).success();
    let mut builds = [1, 3];
    if let Some(other) = other_compiler() {
        env.orlop(["compiler", "add", &other]).success();
        let compilers = env.run("compiler list --json").success().json();
        let added = compilers.as_array().unwrap().iter();
        let added = added
            .clone()
            .find(|entry| entry["default"] == false)
            .unwrap();
        let added = added["name"].as_str().unwrap();
        env.orlop(["install", "other-a", "other-b", "--compiler", added])
            .success();
        wanted.extend(["a", "b"].map(|copy| (format!("other-{copy}"), "1.0.0/8/0/1\n")));
        builds[0] += 1;
    } else {
        eprintln!("without a second compiler: rustup has only one toolchain on this machine");
    }
    for (program, says) in &wanted {
        assert_eq!(env.program(program).success().stdout, *says, "`{program}`");
    }
    let proofs = env.run("prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), wanted.len());
    let variants = ["-tally-1.0.0", "-tally-2.0.0"].map(|ending| env.objects(ending).len());
    assert_eq!(
        variants, builds,
        "each version, feature set and compiler is a variant"
    );
}

/// Runs a tool in a folder.
fn run(folder: &Path, line: &str) {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    let status = command.args(words).current_dir(folder).status().unwrap();
    assert!(status.success(), "{line}");
}

/// Two feature sets of a crate, as rustc's own shared libraries.
const FEATURES: &str = "#![no_std]\n\
    #[panic_handler] fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n\
    #[unsafe(no_mangle)] pub extern \"C\" fn tally_width() -> usize \
    { if cfg!(feature = \"wide\") { 64 } else { 8 } }\n";

#[test]
fn feature_sets_without_nodes_are_wrong_and_refused() {
    let env = Env::new();
    let folder = env.path("plain");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("tally.rs", FEATURES);
    let rustc = "rustc --edition 2021 --crate-type cdylib -C panic=abort -O tally.rs";
    run(&folder, &format!("{rustc} -o libnarrow.so"));
    run(
        &folder,
        &format!("{rustc} -o libbroad.so --cfg feature=\"wide\""),
    );
    for name in ["narrow", "broad"] {
        let text =
            format!("long tally_width(void); long use_{name}(void) {{ return tally_width(); }}");
        write("user.c", &text);
        run(
            &folder,
            &format!("cc -shared -fPIC user.c -L. -l{name} -o libuse_{name}.so"),
        );
    }
    write(
        "main.c",
        "#include <stdio.h>\nlong use_narrow(void), use_broad(void);\n\
         int main(void) { printf(\"%ld %ld\", use_narrow(), use_broad()); return 0; }\n",
    );
    let link = "-Wl,--disable-new-dtags,-rpath,$ORIGIN,-rpath-link,.";
    run(
        &folder,
        &format!("cc main.c -L. -luse_narrow -luse_broad -o main {link}"),
    );
    let output = Command::new(folder.join("main")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "8 8");
    env.orlop(["prove".into(), folder.join("main")])
        .fails(3)
        .says("`tally_width`")
        .says("libbroad.so");
}

/// Two versions of a crate with C code of its own: the same names in each, and two apps for each.
#[test]
fn c_code_of_two_versions_of_a_crate_in_one_profile() {
    let env = Env::new();
    let mut wanted = Vec::new();
    for (version, answer) in [("1.0.0", "11"), ("2.0.0", "22")] {
        let major = &version[..1];
        env.registry
            .publish(
                Package::new("number-sys", version)
                    .file(
                        "number.c",
                        &format!("int number(void) {{ return {answer}; }}\n"),
                    )
                    .file("build.rs", &archive("cc", "number.c", "number", ""))
                    .lib("unsafe extern \"C\" { pub fn number() -> i32; }"),
            )
            .publish(
                Package::new("number", version)
                    .needs("number-sys", major)
                    .lib(
                        "#[inline(never)] pub fn get() -> i32 { unsafe { number_sys::number() } }",
                    ),
            );
        for copy in ["a", "b"] {
            let name = format!("app{major}-{copy}");
            env.registry.publish(
                Package::new(&name, "1.0.0")
                    .needs("number", major)
                    .needs("words", "1")
                    .main("fn main() { println!(\"{} {}\", number::get(), words::text()); }"),
            );
            wanted.push((name, format!("{answer} words\n")));
        }
    }
    env.registry.publish(
        Package::new("words", "1.0.0")
            .lib("#[inline(never)] pub fn text() -> String { \"words\".repeat(1) }"),
    );
    for linkage in ["static", "shared", "crate"] {
        let names = wanted.iter().map(|(name, _)| name.as_str());
        let words = ["install", "--linkage", linkage].into_iter();
        env.orlop(words.chain(names)).success();
        for (program, says) in &wanted {
            assert_eq!(
                env.program(program).success().stdout,
                *says,
                "`{program}` {linkage}"
            );
        }
        let proofs = env.run("prove --json").success().json();
        assert_eq!(proofs.as_array().unwrap().len(), wanted.len());
    }
}
