//! What makes sharing crates between programs hard, each from source: static programs and those
//! with shared libraries must print the same, and be proved.

use crate::support::{Env, Package};

/// A build script that compiles files into an archive and has it linked.
pub(crate) fn archive(compiler: &str, file: &str, name: &str, more: &str) -> String {
    format!(
        "use std::process::Command;\n\
         fn run(command: &mut Command) {{ assert!(command.status().unwrap().success()); }}\n\
         fn main() {{\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         run(Command::new(\"{compiler}\").args([\"-c\", \"-O2\", \"-fPIC\", \"{file}\", \"-o\"])\
         .arg(format!(\"{{out}}/{name}.o\")));\n    \
         run(Command::new(\"ar\").arg(\"rcs\").arg(format!(\"{{out}}/lib{name}.a\"))\
         .arg(format!(\"{{out}}/{name}.o\")));\n    \
         println!(\"cargo:rustc-link-search=native={{out}}\");\n    \
         println!(\"cargo:rustc-link-lib=static={name}\");\n{more}}}\n"
    )
}

/// Installs programs in a linkage and compares what they print, their proof included.
#[track_caller]
fn check(env: &Env, linkage: &str, programs: &[(&str, &str)], apps: &str) {
    env.run(&format!("install {apps} --linkage {linkage}"))
        .success();
    for (program, says) in programs {
        let run = env.program(program).success();
        assert_eq!(run.stdout, *says, "`{program}` linked {linkage}");
    }
    let proofs = env.run("prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), programs.len());
}

#[track_caller]
fn check_all(env: &Env, programs: &[(&str, &str)], apps: &str) {
    for linkage in ["static", "shared", "crate"] {
        check(env, linkage, programs, apps);
    }
}

/// How many libraries of ours an app loads.
fn libraries(env: &Env, app: &str) -> usize {
    let proofs = env.run(&format!("prove {app} --json")).success().json();
    let objects = proofs[0]["proof"]["objects"].as_array().unwrap();
    let ours = |object: &&serde_json::Value| {
        let path = object["path"].as_str().unwrap();
        std::path::Path::new(path).extension() == Some("so".as_ref())
    };
    objects.iter().filter(ours).count()
}

const COUNTING: &str = r#"
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
struct Counting;
static COUNT: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
#[global_allocator]
static GLOBAL: Counting = Counting;
fn main() {
    let before = COUNT.load(Relaxed);
    let words = words::words();
    println!("{words:?} {}", COUNT.load(Relaxed) - before >= 3);
}
"#;

#[test]
fn an_allocator_of_ones_own_serves_the_libraries_too() {
    let env = Env::new();
    env.registry
        .publish(Package::new("words", "1.0.0").lib(
            "#[inline(never)] pub fn words() -> Vec<String> \
             { [\"a\", \"b\"].iter().map(|word| word.repeat(3)).collect() }",
        ))
        .publish(
            Package::new("counting", "1.0.0")
                .needs("words", "1")
                .main(COUNTING),
        )
        .publish(
            Package::new("plain", "1.0.0")
                .needs("words", "1")
                .main("fn main() { println!(\"{:?}\", words::words()); }"),
        );
    let says = [
        ("counting", "[\"aaa\", \"bbb\"] true\n"),
        ("plain", "[\"aaa\", \"bbb\"]\n"),
    ];
    check_all(&env, &says, "counting plain");
    assert!(libraries(&env, "counting") >= 2);
}

/// An allocator that takes the place of the C library's, as jemalloc does without a prefix.
const MALLOC: &str = r"
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
static _Alignas(16) char heap[1 << 26];
static size_t used;
int orlop_calls;
void *malloc(size_t size) {
  __atomic_fetch_add(&orlop_calls, 1, __ATOMIC_RELAXED);
  size_t at = __atomic_fetch_add(&used, ((size + 15) & ~(size_t)15) + 16, __ATOMIC_RELAXED);
  *(size_t *)(heap + at) = size;
  return heap + at + 16;
}
void free(void *pointer) { (void)pointer; }
void *calloc(size_t count, size_t size) { return malloc(count * size); }
void *realloc(void *old, size_t size) {
  void *fresh = malloc(size);
  if (old) { size_t had = *(size_t *)((char *)old - 16); memcpy(fresh, old, had < size ? had : size); }
  return fresh;
}
int posix_memalign(void **out, size_t align, size_t size) { (void)align; *out = malloc(size); return 0; }
void *aligned_alloc(size_t align, size_t size) { (void)align; return malloc(size); }
void *memalign(size_t align, size_t size) { (void)align; return malloc(size); }
size_t malloc_usable_size(void *pointer) { return *(size_t *)((char *)pointer - 16); }
";

#[test]
fn a_c_allocator_in_place_of_the_system_s_serves_all() {
    let env = Env::new();
    env.registry
        .publish(Package::new("words", "1.0.0").lib(
            "#[inline(never)] pub fn words() -> Vec<String> \
             { [\"a\", \"b\"].iter().map(|word| word.repeat(3)).collect() }",
        ))
        .publish(
            Package::new("arena-sys", "1.0.0")
                .file("malloc.c", MALLOC)
                .file("build.rs", &archive("cc", "malloc.c", "arena", ""))
                .lib(
                    "unsafe extern \"C\" { static orlop_calls: i32; }\n\
                     pub fn calls() -> i32 { unsafe { (&raw const orlop_calls).read_volatile() } }",
                ),
        )
        .publish(
            Package::new("arena", "1.0.0")
                .needs("words", "1")
                .needs("arena-sys", "1")
                .main(
                    "fn main() { let before = arena_sys::calls(); let words = words::words();\n\
                     println!(\"{words:?} {}\", arena_sys::calls() - before >= 3); }",
                ),
        );
    for name in ["plain", "simple"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .needs("words", "1")
                .main("fn main() { println!(\"{:?}\", words::words()); }"),
        );
    }
    let says = [
        ("arena", "[\"aaa\", \"bbb\"] true\n"),
        ("plain", "[\"aaa\", \"bbb\"]\n"),
        ("simple", "[\"aaa\", \"bbb\"]\n"),
    ];
    check_all(&env, &says, "arena plain simple");
    assert!(libraries(&env, "plain") >= 2);
}

/// A C library whose inner functions and data are hidden, as those of *ring*, aws-lc and libgit2.
const HIDDEN: &str = r#"
__attribute__((visibility("hidden"))) int hidden_state = 5;
__attribute__((visibility("hidden"))) int hidden_add(int value) { return hidden_state += value; }
static _Thread_local int calls;
int seen_add(int value) { ++calls; return hidden_add(value) * 10 + calls; }
"#;

#[test]
fn hidden_c_symbols_are_found_across_a_border() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("crypt-sys", "1.0.0")
                .file("hidden.c", HIDDEN)
                .file("build.rs", &archive("cc", "hidden.c", "crypt", ""))
                .lib(
                    "unsafe extern \"C\" { pub fn seen_add(value: i32) -> i32; \
                     pub fn hidden_add(value: i32) -> i32; pub static mut hidden_state: i32; }",
                ),
        )
        .publish(Package::new("crypt", "1.0.0").needs("crypt-sys", "1").lib(
            "#[inline(never)] pub fn add(value: i32) -> (i32, i32, i32) { unsafe { \
             let hidden = crypt_sys::hidden_add(value); let seen = crypt_sys::seen_add(value); \
             (hidden, seen, (&raw const crypt_sys::hidden_state).read()) } }",
        ));
    for name in ["open", "close"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .needs("crypt", "1")
                .needs("crypt-sys", "1")
                .main(
                    "fn main() { println!(\"{:?} {:?} {}\", crypt::add(1), crypt::add(2), \
                     unsafe { crypt_sys::hidden_add(0) }); }",
                ),
        );
    }
    let says = [
        ("open", "(6, 71, 7) (9, 112, 11) 11\n"),
        ("close", "(6, 71, 7) (9, 112, 11) 11\n"),
    ];
    check_all(&env, &says, "open close");
}

/// An inline function with a static of its own: C++ wants one of it in a process, whoever has it.
const SHARED_HEADER: &str = "inline int &counter() { static int count = 0; return count; }\n\
     template <class T> struct Holder { static T value; };\n\
     template <class T> T Holder<T>::value = 40;\n";

#[test]
fn cpp_archives_keep_one_copy_of_what_they_have_in_common() {
    check_cpp(SHARED_HEADER);
}

/// A program may have some of it itself, beside what its crates have.
#[test]
fn cpp_of_a_program_is_one_with_that_of_its_crates() {
    let count = |function: &str| {
        format!(
            "{SHARED_HEADER}extern \"C\" int {function}() {{ ++counter();\n\
             return counter() + ++Holder<int>::value * 100; }}\n"
        )
    };
    let declared = |function: &str| format!("unsafe extern \"C\" {{ fn {function}() -> i32; }}\n");
    let more = "    println!(\"cargo:rustc-link-lib=stdc++\");\n";
    let env = Env::new();
    env.registry.publish(
        Package::new("left", "1.0.0")
            .file("code.cc", &count("left_count"))
            .file("build.rs", &archive("c++", "code.cc", "left_count", more))
            .lib(&format!(
                "{}#[inline(never)] pub fn count() -> i32 {{ unsafe {{ left_count() }} }}",
                declared("left_count")
            )),
    );
    let main = |body: &str| format!("{}fn main() {{ {body} }}", declared("own_count"));
    env.registry
        .publish(
            Package::new("first", "1.0.0")
                .needs("left", "1")
                .file("code.cc", &count("own_count"))
                .file("build.rs", &archive("c++", "code.cc", "own_count", more))
                .main(&main(
                    "println!(\"{} {} {}\", left::count(), unsafe { own_count() }, left::count());",
                )),
        )
        .publish(
            Package::new("second", "1.0.0")
                .needs("left", "1")
                .main("fn main() { println!(\"{}\", left::count()); }"),
        );
    let says = [("first", "4101 4202 4303\n"), ("second", "4101\n")];
    check_all(&env, &says, "first second");
    // The border was drawn before the program came.
    let third = Package::new("third", "1.0.0").needs("left", "1");
    env.registry
        .publish(third.main("fn main() { println!(\"{}\", left::count()); }"));
    drop(env.run("remove first second").success());
    let other = [("second", "4101\n"), ("third", "4101\n")];
    check(&env, "shared", &other, "second third");
    assert_eq!(libraries(&env, "third"), 1);
    drop(env.run("install first").success());
    let first = env.program("first").success();
    assert_eq!(first.stdout, "4101 4202 4303\n");
}

/// As code is compiled with `-fvisibility=hidden`: one of it in an image, and a program that Cargo
/// links is one image.
#[test]
fn cpp_archives_keep_one_copy_of_what_they_hide() {
    check_cpp(&format!(
        "#pragma GCC visibility push(hidden)\n{SHARED_HEADER}#pragma GCC visibility pop\n"
    ));
}

#[track_caller]
fn check_cpp(header: &str) {
    let env = Env::new();
    for (name, function) in [("left", "left_count"), ("right", "right_count")] {
        let text = format!(
            "{header}#include <string>\n#include <stdexcept>\n\
             extern \"C\" int {function}() {{ std::string text(\"x\");\n\
             try {{ if (text.size() == 1) throw std::runtime_error(\"one\"); }}\n\
             catch (const std::exception &) {{ ++counter(); }}\n\
             return counter() + ++Holder<int>::value * 100; }}\n"
        );
        let more = "    println!(\"cargo:rustc-link-lib=stdc++\");\n";
        env.registry.publish(
            Package::new(name, "1.0.0")
                .file("code.cc", &text)
                .file("build.rs", &archive("c++", "code.cc", function, more))
                .lib(&format!(
                    "unsafe extern \"C\" {{ fn {function}() -> i32; }}\n\
                     #[inline(never)] pub fn count() -> i32 {{ unsafe {{ {function}() }} }}"
                )),
        );
    }
    let both =
        "fn main() { println!(\"{} {} {}\", left::count(), right::count(), left::count()); }";
    let one = "fn main() { println!(\"{} {}\", left::count(), left::count()); }";
    for (name, text, libraries) in [
        ("first", both, &["left", "right"][..]),
        ("second", both, &["left", "right"]),
        ("third", one, &["left"]),
    ] {
        let package = libraries
            .iter()
            .fold(Package::new(name, "1.0.0"), |package, library| {
                package.needs(library, "1")
            });
        env.registry.publish(package.main(text));
    }
    let says = [
        ("first", "4101 4202 4303\n"),
        ("second", "4101 4202 4303\n"),
        ("third", "4101 4202\n"),
    ];
    check_all(&env, &says, "first second third");
}

/// C code that does more where somebody defines a function: nobody has to.
#[test]
fn weak_references_find_what_the_program_has() {
    let env = Env::new();
    for (name, text) in [
        (
            "asks",
            "extern int hook(int) __attribute__((weak));\n\
             int asks_value(int value) { return hook ? hook(value) : -1; }\n",
        ),
        (
            "hooks",
            "int hook(int value) { return value + 1; }\n\
             int hooks_value(int value) { return hook(value) * 10; }\n",
        ),
    ] {
        let function = format!("{name}_value");
        env.registry.publish(
            Package::new(name, "1.0.0")
                .file("code.c", text)
                .file("build.rs", &archive("cc", "code.c", name, ""))
                .lib(&format!(
                    "unsafe extern \"C\" {{ fn {function}(value: i32) -> i32; }}\n\
                     #[inline(never)] pub fn value(value: i32) -> i32 {{ unsafe {{ \
                     {function}(value) }} }}"
                )),
        );
    }
    let both = "fn main() { println!(\"{} {}\", asks::value(1), hooks::value(1)); }";
    let one = "fn main() { println!(\"{}\", asks::value(1)); }";
    for (name, text, needs) in [
        ("first", both, &["asks", "hooks"][..]),
        ("second", both, &["asks", "hooks"]),
        ("third", one, &["asks"]),
    ] {
        let package = needs
            .iter()
            .fold(Package::new(name, "1.0.0"), |package, library| {
                package.needs(library, "1")
            });
        env.registry.publish(package.main(text));
    }
    let says = [("first", "2 20\n"), ("second", "2 20\n"), ("third", "-1\n")];
    check_all(&env, &says, "first second third");
}

#[test]
fn several_programs_two_versions_and_link_arguments() {
    let env = Env::new();
    for version in ["1.0.0", "2.0.0"] {
        env.registry
            .publish(Package::new("tally", version).lib(&format!(
                "use std::sync::atomic::{{AtomicUsize, Ordering::Relaxed}};\n\
             use std::cell::Cell;\n\
             static COUNT: AtomicUsize = AtomicUsize::new(0);\n\
             thread_local!(static LAST: Cell<usize> = const {{ Cell::new(0) }});\n\
             #[inline(never)] pub fn next() -> String {{ LAST.set(LAST.get() + 1); \
             format!(\"{version} {{}} {{}}\", COUNT.fetch_add(1, Relaxed), LAST.get()) }}"
            )));
    }
    let program = |name: &str| {
        format!(
            "use std::cell::Cell;\n\
             thread_local!(static OWN: Cell<usize> = const {{ Cell::new(7) }});\n\
             unsafe extern \"C\" {{ static orlop_answer: u8; }}\n\
             fn main() {{ OWN.set(OWN.get() + 1);\n\
             println!(\"{name} {{}}, {{}}, {{}}, {{}} {{}} {{}}\", old::next(), tally::next(), \
             old::next(), std::thread::spawn(old::next).join().unwrap(), OWN.get(), \
             unsafe {{ &raw const orlop_answer as usize }} == 42); }}"
        )
    };
    for app in ["many", "more"] {
        let (one, two) = (format!("{app}-one"), format!("{app}-two"));
        env.registry.publish(
            Package::new(app, "1.0.0")
                .needs_renamed("old", "tally", "1")
                .needs("tally", "2")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo:rustc-link-arg-bins=\
                     -Wl,--defsym=orlop_answer=42\"); }",
                )
                .file(&format!("src/bin/{one}.rs"), &program(&one))
                .file(&format!("src/bin/{two}.rs"), &program(&two)),
        );
    }
    let names = ["many-one", "many-two", "more-one", "more-two"];
    let says =
        names.map(|name| format!("{name} 1.0.0 0 1, 2.0.0 0 1, 1.0.0 1 2, 1.0.0 2 1 8 true\n"));
    let says: Vec<_> = names
        .iter()
        .copied()
        .zip(says.iter().map(String::as_str))
        .collect();
    check_all(&env, &says, "many more");
}
