//! Attacks on the sandbox. Each runs inside it and must fail.
//!
//! The sandbox starts its own program again, so this one is all of it: the test, the sandbox's
//! helper and the attacker (seen inside as the recorder). As root, everything is done a second
//! time as an ordinary user.
#![expect(clippy::unwrap_used, reason = "a failed check ends the test")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is its own test runner"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_build::c_tools;
use orlop_build::sandbox::{self, Sandbox, Unconfined};
use orlop_store::job::SANDBOX_RECORDER;
use orlop_store::{
    Digest, ExitStatus, Finished, Job, JobOutput, JobSlots, RunError, Runner as _, Silent, Store,
    StorePath,
};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::process::{Pid, Resource, getgid, getrlimit, getuid};

const NOBODY: u32 = 65534;
/// In the command line of processes that must not outlive their sandbox.
const LINGER: &str = "linger";

fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let code = match args.first().and_then(|arg| arg.to_str()) {
        Some(sandbox::SANDBOX_ARGUMENT) => i32::from(sandbox::enter(&args[1..])),
        Some("attack") => attack(&texts(&args[1..])),
        Some("start") => start_and_wait(&texts(&args[1..])),
        // Options of the usual test runner mean nothing here.
        Some(filter) if !filter.starts_with('-') => run_tests(filter),
        _ => run_tests(""),
    };
    std::process::exit(code);
}

fn texts(args: &[OsString]) -> Vec<&str> {
    args.iter()
        .map(|arg| arg.to_str().expect("this test passes only text"))
        .collect()
}

type Test = (&'static str, fn(&Machine));

const TESTS: &[Test] = &[
    ("probe", |machine| machine.sandbox().probe().unwrap()),
    ("status", status),
    ("output", output),
    ("no_files_of_the_host", |machine| {
        machine.withstands("files", &[]);
    }),
    ("no_environment_of_the_host", |machine| {
        machine.withstands("environment", &[]);
    }),
    ("no_writing_to_inputs", |machine| {
        machine.withstands("write", &[]);
    }),
    ("no_network", no_network),
    ("no_abstract_sockets", no_abstract_sockets),
    ("no_processes_of_the_host", no_processes),
    ("no_special_files", |machine| {
        machine.withstands("special", &[]);
    }),
    ("no_powers", |machine| {
        machine.withstands("powers", &[]);
    }),
    ("no_inherited_files", no_inherited_files),
    ("job_slots", job_slots),
    ("unfinished_inputs", unfinished_inputs),
    ("messages", messages),
    ("attended", attended),
    ("no_sandbox_inside", |machine| {
        machine.withstands("nest", &[]);
    }),
    ("same_world_everywhere", |machine| {
        machine.withstands("world", &[]);
    }),
    ("no_daemon_survives", no_daemon_survives),
    ("no_job_survives_its_parent", no_job_survives),
    ("failed_set_up_is_not_a_failed_job", failed_set_up),
    ("much_output", much_output),
    ("unconfined", unconfined),
    ("c_tools_build_and_hide", c_tools),
];

/// Runs all tests as the caller and, if that is root, as an ordinary user too.
fn run_tests(filter: &str) -> i32 {
    let machine = Machine::new();
    let mut failed = 0;
    let chosen: Vec<_> = TESTS
        .iter()
        .filter(|(name, _)| name.contains(filter))
        .collect();
    for (name, test) in &chosen {
        let passed = std::panic::catch_unwind(|| test(&machine)).is_ok();
        failed += i32::from(!passed);
        say(&format!(
            "test {name} ... {}",
            if passed { "ok" } else { "FAILED" }
        ));
    }
    let root = getuid().is_root();
    if root {
        let passed = as_nobody(&machine, filter);
        failed += i32::from(!passed);
        say(&format!(
            "test as_ordinary_user ... {}",
            if passed { "ok" } else { "FAILED" }
        ));
    }
    let total = i32::try_from(chosen.len()).unwrap() + i32::from(root);
    say(&format!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out",
        if failed == 0 { "ok" } else { "FAILED" },
        total - failed,
    ));
    failed.signum()
}

fn as_nobody(machine: &Machine, filter: &str) -> bool {
    // The program may lie where only root can read it.
    let copy = machine.folder.join("program");
    fs_err::copy(program(), &copy).unwrap();
    fs_err::set_permissions(&machine.folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    start(&copy)
        .arg(filter)
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .status()
        .unwrap()
        .success()
}

#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn start(program: &Utf8Path) -> Command {
    Command::new(program)
}

fn say(line: &str) {
    println!("{line}");
}

fn program() -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap()).unwrap()
}

/// A store folder with the little this program needs to run inside the sandbox.
struct Machine {
    folder: Utf8PathBuf,
    _guard: tempfile::TempDir,
    c_tools: StorePath,
    input: StorePath,
}

impl Machine {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
        let object = |name: &str| {
            let path = StorePath::new(Digest::of("test", name), name);
            fs_err::create_dir_all(folder.join("store").join(path.to_string())).unwrap();
            path
        };
        let machine = Self {
            c_tools: object("c-tools"),
            input: object("input"),
            folder: folder.clone(),
            _guard: guard,
        };
        object("hidden");
        fs_err::write(machine.object(&machine.input).join("file"), "text").unwrap();
        machine.copy_libraries();
        machine
    }

    /// Copies the libraries that this very process has loaded to where any loader looks for them.
    fn copy_libraries(&self) {
        let maps = fs_err::read_to_string("/proc/self/maps").unwrap();
        let libraries: BTreeSet<&str> = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .filter(|path| path.contains(".so"))
            .collect();
        for folder in ["lib", "lib64"] {
            let folder = self.object(&self.c_tools).join(folder);
            fs_err::create_dir(&folder).unwrap();
            for library in &libraries {
                let name = Utf8Path::new(library).file_name().unwrap();
                fs_err::copy(library, folder.join(name)).unwrap();
            }
        }
    }

    fn store(&self) -> Utf8PathBuf {
        self.folder.join("store")
    }

    fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.store().join(path.to_string())
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::new(&program(), &self.store())
    }

    fn job(&self, name: &str, args: &[&str]) -> Job {
        let new = |ending: &str| {
            let folder = self.folder.join(format!("{name}.{ending}"));
            fs_err::create_dir_all(&folder).unwrap();
            folder
        };
        Job {
            name: name.to_owned(),
            program: SANDBOX_RECORDER.into(),
            args: ["attack", name]
                .iter()
                .chain(args)
                .map(OsString::from)
                .collect(),
            environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            folder: "/orlop/build".into(),
            c_tools: self.c_tools.clone(),
            inputs: BTreeSet::from([self.input.clone()]),
            copies: Vec::new(),
            unfinished: BTreeMap::new(),
            output: Some(JobOutput {
                staged: new("output"),
                path: StorePath::new(Digest::of("test", name), "output"),
            }),
            scratch: new("scratch"),
            log: self.folder.join(format!("{name}.log")),
            capture_stdout: true,
            messages: None,
            attended: false,
            slots: None,
        }
    }

    /// Runs an attack, which checks by itself that it fails.
    fn withstands(&self, attack: &str, args: &[&str]) {
        let job = self.job(attack, args);
        let finished = self.sandbox().run(&job).unwrap();
        let log = fs_err::read_to_string(&job.log).unwrap();
        assert!(
            finished.status.success(),
            "{attack}: {}\n{log}",
            finished.status
        );
        assert_eq!(finished.stdout, b"withstood\n", "{attack}");
    }
}

impl Drop for Machine {
    /// Folders of objects are closed to their owner as well, unless that is root.
    fn drop(&mut self) {
        for entry in walkdir::WalkDir::new(&self.folder) {
            let entry = entry.unwrap();
            if entry.file_type().is_dir() {
                let open = std::fs::Permissions::from_mode(0o755);
                fs_err::set_permissions(entry.path(), open).unwrap();
            }
        }
    }
}

fn status(machine: &Machine) {
    let run = |name| {
        machine
            .sandbox()
            .run(&machine.job(name, &[]))
            .unwrap()
            .status
    };
    assert_eq!(run("exit"), ExitStatus::Code(7));
    assert_eq!(run("abort"), ExitStatus::Signal(6));
}

fn output(machine: &Machine) {
    let mut job = machine.job("output", &[]);
    let finished = machine.sandbox().run(&job).unwrap();
    assert_eq!(
        finished,
        Finished {
            status: ExitStatus::Code(0),
            stdout: b"to stdout\n".into()
        }
    );
    assert_eq!(fs_err::read_to_string(&job.log).unwrap(), "to stderr\n");
    let staged = job.output.as_ref().unwrap().staged.join("made");
    assert_eq!(fs_err::read_to_string(&staged).unwrap(), "text");
    assert_eq!(
        fs_err::metadata(&staged).unwrap().permissions().mode() & 0o777,
        0o644
    );

    job.capture_stdout = false;
    assert_eq!(machine.sandbox().run(&job).unwrap().stdout, b"");
    let log = fs_err::read_to_string(&job.log).unwrap();
    assert_eq!(log, "to stderr\nto stdout\nto stderr\n");
}

fn no_network(machine: &Machine) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::net::TcpStream::connect(&address).expect("it is reachable outside");
    machine.withstands("network", &[&address]);
}

fn no_abstract_sockets(machine: &Machine) {
    let name = format!("orlop-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    UnixStream::connect_addr(&address).expect("it is reachable outside");
    machine.withstands("abstract", &[&name]);
}

fn no_processes(machine: &Machine) {
    machine.withstands("processes", &[&std::process::id().to_string()]);
}

fn no_inherited_files(machine: &Machine) {
    // Without the mark that closes it when a program starts.
    let secret = fs_err::File::create(machine.folder.join("secret")).unwrap();
    let _leak = rustix::io::dup(secret.file()).unwrap();
    machine.withstands("descriptors", &[]);
}

/// The pipe of a jobserver is there, under the same numbers always, and open for this job alone.
fn job_slots(machine: &Machine) {
    let pipe = machine.folder.join("slots");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, pipe.as_str(), FileType::Fifo, mode, 0).unwrap();
    let mut both_ends = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let mut job = machine.job("slots", &[]);
    for (variables, name) in [
        (JobSlots::CARGO, "CARGO_MAKEFLAGS"),
        (JobSlots::MAKE, "MAKEFLAGS"),
    ] {
        both_ends.write_all(b"+").unwrap();
        job.args = ["attack", "slots", name].map(OsString::from).to_vec();
        job.slots = Some(JobSlots {
            pipe: pipe.clone(),
            variables,
        });
        let finished = machine.sandbox().run(&job).unwrap();
        let log = fs_err::read_to_string(&job.log).unwrap();
        assert!(finished.status.success(), "{log}");
        assert_eq!(finished.stdout, b"took one and gave it back\n");
        let mut slot = [0];
        both_ends.read_exact(&mut slot).unwrap();
        assert_eq!(slot, *b"+");
    }
    // What the job did to its files did nothing to those of others.
    let flags = rustix::fs::fcntl_getfl(both_ends.file()).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    machine.withstands("descriptors", &[]);
}

/// Is a make that takes a slot.
fn take_slot(variable: &str) {
    let told = format!("{variable}=-j --jobserver-fds=3,4 --jobserver-auth=3,4");
    assert!(variables().contains(&told));
    let open = |number: i32, write: bool| {
        fs_err::OpenOptions::new()
            .read(!write)
            .write(write)
            .open(format!("/proc/self/fd/{number}"))
            .unwrap()
    };
    for (number, mode) in [(3, 0), (4, 1)] {
        let info = fs_err::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        assert_eq!(flags & 0o3, mode);
        assert_eq!(
            flags & 0o2_000_000,
            0,
            "it is open for programs that are started"
        );
    }
    let (mut read, mut write) = (open(3, false), open(4, true));
    rustix::fs::fcntl_setfl(read.file(), rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut slot = [0];
    read.read_exact(&mut slot).unwrap();
    write.write_all(&slot).unwrap();
    say("took one and gave it back");
}

/// A folder is shown in place of an object that is not there, and cannot be written to.
fn unfinished_inputs(machine: &Machine) {
    let folder = machine.folder.join("metadata");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::write(folder.join("file"), "early").unwrap();
    let path = StorePath::new(Digest::of("test", "unfinished"), "unfinished");
    let place = machine.sandbox().view().object(&path);
    let mut job = machine.job("unfinished", &[place.as_str()]);
    job.unfinished.insert(path, folder);
    let finished = machine.sandbox().run(&job).unwrap();
    let log = fs_err::read_to_string(&job.log).unwrap();
    assert!(finished.status.success(), "{log}");
    assert_eq!(finished.stdout, b"withstood\n");
}

/// Standard error can go elsewhere than to the log.
fn messages(machine: &Machine) {
    let (mut ours, theirs) = std::io::pipe().unwrap();
    let mut job = machine.job("output", &[]);
    job.log = machine.folder.join("messages.log");
    job.messages = Some(Arc::new(theirs.into()));
    machine.sandbox().run(&job).unwrap();
    drop(job.messages.take());
    let mut text = String::new();
    ours.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to stderr\n");
    assert_eq!(fs_err::read_to_string(&job.log).unwrap(), "");
}

/// A job with a person has their terminal, and cannot type for them.
fn attended(machine: &Machine) {
    for attended in [true, false] {
        let job = Job {
            attended,
            capture_stdout: false,
            ..machine.job("terminal", &[if attended { "refused" } else { "none" }])
        };
        let finished = machine.sandbox().run(&job).unwrap();
        assert!(finished.status.success(), "{}", finished.status);
    }
}

fn no_daemon_survives(machine: &Machine) {
    let mark = format!("daemon-{}", std::process::id());
    let finished = machine
        .sandbox()
        .run(&machine.job("daemon", &[&mark]))
        .unwrap();
    assert_eq!(finished.stdout, b"left one behind\n");
    assert!(!lives(&mark));
}

fn no_job_survives(machine: &Machine) {
    let mark = format!("orphan-{}", std::process::id());
    let mut child = start(&program())
        .args(["start", &mark])
        // It leaves its own files behind when it is killed.
        .env("TMPDIR", &machine.folder)
        .spawn()
        .unwrap();
    wait_until("the job runs", || lives(&mark));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the job is dead", || !lives(&mark));
}

/// The parent that [`no_job_survives`] kills.
fn start_and_wait(args: &[&str]) -> i32 {
    let [mark] = args else { return 1 };
    let machine = Machine::new();
    machine
        .sandbox()
        .run(&machine.job(LINGER, &[mark]))
        .unwrap();
    0
}

/// Whether a lingering process with this mark exists, the one that started it aside.
fn lives(mark: &str) -> bool {
    let wanted = format!("{LINGER}\0{mark}\0");
    fs_err::read_dir("/proc").unwrap().any(|entry| {
        let line = fs_err::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).ends_with(&wanted)
    })
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn failed_set_up(machine: &Machine) {
    let step = |job: &Job| match machine.sandbox().run(job) {
        Err(RunError::Sandbox { step, .. }) => step,
        other => panic!("{other:?}"),
    };
    let mut job = machine.job("exit", &[]);
    job.inputs
        .insert(StorePath::new(Digest::of("test", "absent"), "absent"));
    let told = step(&job);
    assert!(
        told.contains("show the object") && told.contains("-absent: No such file"),
        "{told}"
    );
    let mut job = machine.job("exit", &[]);
    job.program = "/usr/bin/absent".into();
    assert_eq!(
        step(&job),
        "start `/usr/bin/absent` in `/orlop/build`: No such file or directory (os error 2)"
    );
    let mut job = machine.job("exit", &[]);
    job.scratch = machine.folder.join("absent");
    assert!(matches!(
        machine.sandbox().run(&job),
        Err(RunError::Io { .. })
    ));
}

/// A job that prints without end is stopped.
fn much_output(machine: &Machine) {
    let answer = machine.sandbox().run(&machine.job("flood", &[]));
    assert!(matches!(answer, Err(RunError::Io { .. })), "{answer:?}");
}

fn unconfined(machine: &Machine) {
    let links = machine.folder.join("links");
    fs_err::create_dir(&links).unwrap();
    let runner = Unconfined::new(&program(), &machine.store(), &links).unwrap();
    let mut job = machine.job("unconfined", &[]);
    let output = job.output.clone().unwrap();
    let place = runner.view().object(&output.path);
    job.args.push(place.as_str().into());
    job.program = runner.view().recorder;
    job.folder = runner.view().scratch(&job.scratch);
    let finished = runner.run(&job).unwrap();
    assert_eq!(
        finished.stdout,
        b"GREETING=hello\n",
        "{:?}",
        fs_err::read_to_string(&job.log)
    );
    assert_eq!(
        fs_err::read_to_string(output.staged.join("made")).unwrap(),
        "text"
    );
    assert!(!place.is_symlink());
}

/// The host's C tools, imported: they build programs, and show nothing else that is installed.
fn c_tools(machine: &Machine) {
    let search = ["/usr/local/bin", "/usr/bin", "/bin"].map(Utf8PathBuf::from);
    let home = machine.folder.join("home");
    let store = Store::open(&home, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let import = |extras: &[&str]| {
        let extras = extras.iter().copied().collect();
        c_tools::import(&search, &extras, &store, &Silent).unwrap()
    };
    let path = import(&[]);
    assert_eq!(import(&[]), path);
    assert_eq!(store.roots().unwrap()["tools/c"], path);
    let tools = c_tools::read(&store, &path).unwrap();
    for file in [&tools.loader, &tools.libgcc] {
        assert!(store.object(&path).join(file).is_file(), "{file}");
    }

    let run = |path: &StorePath, script: &str| {
        let mut job = machine.job(path.name(), &[]);
        job.program = "/usr/bin/sh".into();
        job.args = ["-euc", script].map(OsString::from).to_vec();
        job.environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        job.c_tools = path.clone();
        job.inputs.clear();
        job.output = None;
        let finished = Sandbox::new(&program(), &store.folder()).run(&job).unwrap();
        let log = fs_err::read_to_string(&job.log).unwrap();
        assert!(finished.status.success(), "{log}");
        String::from_utf8(finished.stdout).unwrap()
    };
    assert_eq!(run(&path, BUILD), "5 12\nhidden\n");
    assert_eq!(run(&path, MAKE), "no make\nno perl\n");
    // What a step asks for comes on top, each in an object of its own.
    let extended = import(&["make", "perl"]);
    assert_ne!(extended, path);
    assert!(extended.name().ends_with("-make-perl"), "{extended}");
    assert_eq!(store.roots().unwrap()["tools/c"], path);
    assert_eq!(run(&extended, BUILD), "5 12\nhidden\n");
    assert_eq!(run(&extended, MAKE), "made\nhello\n");
    let extended = import(&["libclang"]);
    if store.object(&extended).join("lib/libclang.so").exists() {
        assert_eq!(run(&extended, PARSE), "0 problems\n");
    } else {
        eprintln!("skipped: this machine has no libclang to parse with");
    }
}

/// Has libclang parse a header of the compiler and one of the C library, as bindgen would.
const PARSE: &str = r#"
cat > parse.c <<END
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
    void *clang = dlopen("/usr/lib/libclang.so", RTLD_NOW);
    if (!clang) { puts(dlerror()); return 1; }
    void *(*index)(int, int) = dlsym(clang, "clang_createIndex");
    void *(*parse)(void *, const char *, void *, int, void *, unsigned, unsigned) =
        dlsym(clang, "clang_parseTranslationUnit");
    unsigned (*problems)(void *) = dlsym(clang, "clang_getNumDiagnostics");
    printf("%u problems\n", problems(parse(index(0, 0), "user.h", 0, 0, 0, 0, 0)));
}
END
printf '#include <stddef.h>\n#include <stdint.h>\nsize_t length(uint8_t *);\n' > user.h
cc -o parse parse.c
./parse
"#;

/// Calls programs that are there only if asked for.
const MAKE: &str = r#"
printf 'all:\n\t@echo made\n' > Makefile
make 2>/dev/null || echo no make
perl -MFile::Spec -MPOSIX -e 'print "hello\n"' 2>/dev/null || echo no perl
"#;

/// Compiles, links, archives and runs; looks for what other packages may have installed.
const BUILD: &str = r##"
cat > add.c <<END
int add(int one, int other) { return one + other; }
END
cat > main.c <<END
#include <linux/limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/types.h>
int add(int, int);
int main(int count, char **words) { printf("%d %.0f\n", add(2, 3), sqrt(143 + count)); }
END
cc -O2 -c add.c
ar rcs libadd.a add.o
cc -O2 -o main main.c -L. -ladd -lm
./main | sed s/x/y/
for header in zlib.h curses.h openssl/ssl.h sys/acl.h; do
    if echo "#include <$header>" | cc -E - >/dev/null 2>&1; then echo "sees $header"; fi
done
pkg-config --list-all 2>/dev/null | grep . || echo hidden
"##;

/// What runs inside. Failed checks panic, which the exit code and the log show.
fn attack(args: &[&str]) -> i32 {
    let (name, args) = args.split_first().expect("an attack has a name");
    match (*name, args) {
        ("exit", []) => return 7,
        ("abort", []) => std::process::abort(),
        ("flood", []) => loop {
            std::io::stdout().write_all(&[b'x'; 1 << 12]).unwrap();
        },
        ("output", []) => {
            say("to stdout");
            eprintln!("to stderr");
            fs_err::write(own_output().join("made"), "text").unwrap();
            return 0;
        }
        ("unconfined", [place]) => {
            fs_err::write(Utf8Path::new(place).join("made"), "text").unwrap();
            say(&variables().join(" "));
            return 0;
        }
        ("slots", [variable]) => {
            take_slot(variable);
            return 0;
        }
        ("terminal", [answer]) => {
            terminal(if *answer == "refused" {
                Errno::PERM
            } else {
                Errno::NOTTY
            });
            return 0;
        }
        ("unfinished", [place]) => {
            let place = Utf8Path::new(place);
            let file = place.join("file");
            assert_eq!(fs_err::read_to_string(&file).unwrap(), "early");
            refused(fs_err::write(&file, ""), Errno::ROFS);
            refused(fs_err::write(place.join("new"), ""), Errno::ROFS);
        }
        (LINGER, [_]) => std::thread::sleep(Duration::from_mins(1)),
        ("daemon", [mark]) => {
            #[expect(clippy::zombie_processes, reason = "that is the attack")]
            let _daemon = start(&program())
                .args(["attack", LINGER, mark])
                .process_group(0)
                .spawn()
                .unwrap();
            say("left one behind");
            return 0;
        }
        ("files", []) => files(),
        ("environment", []) => environment(),
        ("write", []) => write(),
        ("network", [address]) => network(address),
        ("abstract", [name]) => {
            let address = SocketAddr::from_abstract_name(name).unwrap();
            let error = UnixStream::connect_addr(&address).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        ("processes", [pid]) => processes(pid.parse().unwrap()),
        ("special", []) => special(),
        ("powers", []) => powers(),
        ("descriptors", []) => descriptors(),
        ("nest", []) => nest(),
        ("world", []) => world(),
        other => panic!("no such attack: {other:?}"),
    }
    say("withstood");
    0
}

fn variables() -> Vec<String> {
    let text = fs_err::read("/proc/self/environ").unwrap();
    text.split(|byte| *byte == 0)
        .filter(|text| !text.is_empty())
        .map(|text| String::from_utf8(text.into()).unwrap())
        .collect()
}

fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<_> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The one object in the store that is not an input.
fn own_output() -> Utf8PathBuf {
    let names = names("/orlop/store");
    let name = names.iter().find(|name| name.ends_with("-output")).unwrap();
    Utf8Path::new("/orlop/store").join(name)
}

fn files() {
    assert_eq!(
        names("/"),
        ["dev", "etc", "lib", "lib64", "orlop", "proc", "tmp", "usr"],
        "nothing but this is at the root"
    );
    for path in [
        "/root",
        "/home",
        "/etc/shadow",
        "/var",
        "/sys",
        "/run",
        "/host",
        "/store",
    ] {
        assert!(!Utf8Path::new(path).exists(), "{path}");
    }
    assert_eq!(names("/etc"), ["group", "hosts", "passwd"]);
    let store = names("/orlop/store");
    assert_eq!(store.len(), 2, "{store:?}");
    assert!(
        store.iter().any(|name| name.ends_with("-input")),
        "{store:?}"
    );
    assert_eq!(
        names("/dev"),
        [
            "fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"
        ]
    );
    // Neither through the working folder's parents nor through those of open files.
    assert_eq!(names("/orlop/build/../../../../.."), names("/"));
    let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(" /host "), "{mounts}");
}

fn environment() {
    assert_eq!(variables(), ["GREETING=hello"]);
}

#[track_caller]
fn refused<T>(answer: std::io::Result<T>, errno: Errno) {
    let error = answer.err().expect("it is refused");
    let text = format!("(os error {})", errno.raw_os_error());
    assert!(error.to_string().ends_with(&text), "{error}");
}

fn write() {
    let name = names("/orlop/store")
        .into_iter()
        .find(|name| name.ends_with("-input"))
        .unwrap();
    let input = Utf8Path::new("/orlop/store").join(name);
    let file = input.join("file");
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "text");
    refused(fs_err::write(&file, ""), Errno::ROFS);
    refused(fs_err::remove_file(&file), Errno::ROFS);
    refused(fs_err::write(input.join("new"), ""), Errno::ROFS);
    refused(
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o777)),
        Errno::ROFS,
    );
    for path in [
        "/new",
        "/usr/new",
        "/etc/passwd",
        "/orlop/store/new",
        SANDBOX_RECORDER,
    ] {
        let error = fs_err::write(path, "").unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
    refused(
        fs_err::write("/proc/sys/kernel/core_pattern", "|/tmp/x"),
        Errno::ROFS,
    );
    let output = own_output();
    // Where build scripts look for Cargo's target folder.
    let above = output.join("out").ancestors().nth(3).unwrap().to_owned();
    assert_eq!(above, "/orlop");
    for folder in [
        "/tmp",
        "/dev/shm",
        "/orlop/build",
        output.as_str(),
        above.as_str(),
    ] {
        fs_err::write(Utf8Path::new(folder).join("new"), "text").unwrap();
    }
    fs_err::OpenOptions::new()
        .write(true)
        .open("/dev/null")
        .unwrap()
        .write_all(b"x")
        .unwrap();
    std::io::Read::read_exact(
        &mut fs_err::File::open("/dev/urandom").unwrap(),
        &mut [0; 8],
    )
    .unwrap();
}

fn network(address: &str) {
    std::net::TcpStream::connect(address).unwrap_err();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0");
    assert!(socket.is_err() || socket.unwrap().send_to(b"x", address).is_err());
    let devices = fs_err::read_to_string("/proc/net/dev").unwrap();
    let devices: Vec<_> = devices.lines().skip(2).collect();
    assert!(
        devices.len() == 1 && devices[0].trim().starts_with("lo:"),
        "{devices:?}"
    );
    // To the hypervisor: such sockets know nothing of network namespaces.
    let answer = rustix::net::socket(
        rustix::net::AddressFamily::from_raw(40),
        rustix::net::SocketType::STREAM,
        None,
    );
    assert_eq!(answer.unwrap_err(), Errno::AFNOSUPPORT);
}

fn processes(host: i32) {
    let own = std::process::id().to_string();
    let seen: Vec<_> = names("/proc")
        .into_iter()
        .filter(|name| name.parse::<u32>().is_ok())
        .collect();
    assert_eq!(seen, ["1", &own]);
    // The number may be taken inside, by this process or its parent.
    if host > 100 {
        let answer = rustix::process::test_kill_process(Pid::from_raw(host).unwrap());
        assert_eq!(answer, Err(Errno::SRCH));
    }
    refused(fs_err::read("/proc/1/environ"), Errno::ACCESS);
    refused(fs_err::File::open("/proc/1/mem"), Errno::ACCESS);
}

fn special() {
    let path = own_output().join("special");
    fs_err::write(&path, "").unwrap();
    let mode = |mode| fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    mode(0o755).unwrap();
    refused(mode(0o4755), Errno::PERM);
    refused(mode(0o2755), Errno::PERM);
    let file = fs_err::File::open(&path).unwrap();
    refused(
        file.file()
            .set_permissions(std::fs::Permissions::from_mode(0o4755)),
        Errno::PERM,
    );
    let create = |mode| {
        let new = own_output().join("new");
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(new)
    };
    create(0o755).unwrap();
    refused(create(0o4755), Errno::PERM);
    let node = |kind, mode: u32| {
        let node = own_output().join("node");
        rustix::fs::mknodat(rustix::fs::CWD, node.as_str(), kind, mode.into(), 0x103)
    };
    assert_eq!(node(FileType::CharacterDevice, 0o666), Err(Errno::PERM));
    assert_eq!(node(FileType::BlockDevice, 0o666), Err(Errno::PERM));
    assert_eq!(node(FileType::RegularFile, 0o4755), Err(Errno::PERM));
    assert_eq!(
        rustix::fs::setxattr(
            path.as_str(),
            "user.x",
            b"x",
            rustix::fs::XattrFlags::empty()
        ),
        Err(Errno::NOTSUP)
    );
}

fn powers() {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))
            .unwrap();
        line[name.len() + 1..]
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs"), ["1"]);
    assert_eq!(field("Seccomp"), ["2"]);
    assert_eq!(
        rustix::mount::mount("x", "/tmp", "tmpfs", MountFlags::empty(), None),
        Err(Errno::PERM)
    );
    assert_eq!(
        rustix::mount::unmount("/tmp", UnmountFlags::DETACH),
        Err(Errno::PERM)
    );
    assert_eq!(
        rustix::mount::mount_remount("/usr", MountFlags::BIND, ""),
        Err(Errno::PERM)
    );
    #[expect(deprecated, reason = "the safe name serves for a test")]
    let unshared = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWUSER);
    assert_eq!(unshared, Err(Errno::PERM));
    assert_eq!(rustix::process::chroot("/tmp"), Err(Errno::PERM));
    assert_eq!(rustix::system::sethostname(b"x"), Err(Errno::PERM));
    assert_eq!(
        rustix::thread::set_thread_res_uid(None, Some(rustix::fs::Uid::ROOT), None),
        Err(Errno::INVAL),
        "there is no other user"
    );
}

fn descriptors() {
    let open = names("/proc/self/fd");
    // The fourth is the listing's own.
    assert_eq!(open.len(), 4, "{open:?}");
    assert_eq!(open[..3], ["0", "1", "2"]);
    let input = fs_err::read_link("/proc/self/fd/0").unwrap();
    assert_eq!(input, Utf8Path::new("/dev/null"));
}

/// Types a letter into what may be the terminal.
fn terminal(expected: Errno) {
    assert_eq!(names("/proc/self/fd").len(), 4, "no other file is open");
    #[expect(unsafe_code, reason = "nothing safe types into a terminal")]
    // SAFETY: the kernel reads one byte.
    let answer = unsafe { libc::ioctl(0, libc::TIOCSTI, std::ptr::from_ref(&b'x')) };
    assert_eq!(answer, -1);
    refused::<()>(Err(std::io::Error::last_os_error()), expected);
}

/// A sandbox inside the sandbox is refused, and the refusal tells where.
fn nest() {
    let refused = Sandbox::new(&program(), Utf8Path::new("/orlop/store"))
        .probe()
        .unwrap_err();
    assert_eq!(refused.step, "make new namespaces");
    assert_eq!(refused.cause, sandbox::Cause::Container);
}

fn world() {
    assert_eq!((getuid().as_raw(), getgid().as_raw()), (1000, 1000));
    assert_eq!(rustix::system::uname().nodename().to_bytes(), b"localhost");
    assert_eq!(
        fs_err::read_link("/proc/self/cwd").unwrap(),
        Utf8Path::new("/orlop/build")
    );
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("\nUmask:\t0022\n"));
}
