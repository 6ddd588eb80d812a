//! Cuts the power: the file system stops at once and forgets what is not on disk. Root only, for
//! it needs an ext4 of its own.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::flip::Random;
use crate::invariant::Case;
use crate::operation::{self, Folder, OPERATIONS};
use crate::{Outcome, Size};

/// `EXT4_IOC_SHUTDOWN`.
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
/// Do not write the journal first.
const NO_LOG_FLUSH: u32 = 2;

pub(crate) fn cut(size: Size) -> Outcome {
    let acknowledged = in_namespace("cuts", &size.cuts.to_string())?;
    let acknowledged = acknowledged.parse().unwrap();
    Ok(vec![
        (size.cuts, "power cuts"),
        (acknowledged, "of them after success was reported"),
    ])
}

/// Lets this program do something where it can mount; returns what it printed. Nobody else has a
/// copy of the mounts: that would keep the file system alive.
pub(crate) fn in_namespace(what: &str, argument: &str) -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can mount a file system".to_owned());
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["operation", what, "/", argument])
        .stderr(std::process::Stdio::inherit())
        .output();
    let output = output.map_err(|error| format!("`unshare`: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if let Some(reason) = said.strip_prefix("skipped: ") {
        return Err(reason.to_owned());
    }
    assert!(output.status.success(), "{}", output.status);
    Ok(said)
}

/// Prints what was found out in a namespace of its own.
pub(crate) fn print(found: Result<u64, String>) {
    match found {
        Ok(count) => println!("{count}"),
        Err(reason) => println!("skipped: {reason}"),
    }
}

/// Cuts the power so often; returns how often after success was reported.
pub(crate) fn inside(cuts: u64) -> Result<u64, String> {
    let template = Folder::new();
    operation::prepare(&template.path().join("home"));
    let disk = Disk::new(&template.path(), "mkfs.ext4", 64)?;
    let cases: Vec<_> = OPERATIONS
        .iter()
        .map(|operation| {
            let case = Case::new(operation, &template.path().join("home"));
            (case, disk.lasts(operation, &template.path().join("home")))
        })
        .collect();
    let mut random = Random(0xc0_ffee);
    let mut acknowledged = 0;
    for number in 0..cuts {
        let (case, lasts) = &cases[random.below(cases.len())];
        disk.fill(&template.path().join("home"));
        let mut child = operation::command(case.operation, &disk.home())
            .spawn()
            .unwrap();
        // Every other one ends, and the power goes right then.
        let done = if number % 2 == 0 {
            child.wait().unwrap().success()
        } else {
            let most = usize::try_from(lasts.as_micros()).unwrap() * 11 / 10;
            std::thread::sleep(Duration::from_micros(random.below(most) as u64));
            matches!(child.try_wait(), Ok(Some(status)) if status.success())
        };
        disk.cut();
        drop(child.kill());
        child.wait().unwrap();
        acknowledged += u64::from(done);
        disk.mount_again();
        case.assert_invariants(&disk.home(), done, &format!("power cut {number}"));
    }
    Ok(acknowledged)
}

/// A file system in a file.
pub(crate) struct Disk {
    image: Utf8PathBuf,
    place: Utf8PathBuf,
}

impl Disk {
    pub(crate) fn new(folder: &Utf8Path, make: &str, megabytes: u64) -> Result<Self, String> {
        let disk = Self {
            image: folder.join("disk"),
            place: folder.join("mounted"),
        };
        File::create(&disk.image)
            .unwrap()
            .set_len(megabytes << 20)
            .unwrap();
        std::fs::create_dir(&disk.place).unwrap();
        let force = if make == "mkfs.ext4" { "-F" } else { "-f" };
        run(make, &["-q", force, disk.image.as_str()])?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        run(
            "mount",
            &["-o", "loop", self.image.as_str(), self.place.as_str()],
        )
    }

    pub(crate) fn home(&self) -> Utf8PathBuf {
        self.place.join("home")
    }

    /// Puts a home on it, and that on the disk.
    fn fill(&self, template: &Utf8Path) {
        if self.home().exists() {
            run("rm", &["-rf", self.home().as_str()]).unwrap();
        }
        operation::copy(template, &self.home());
        self.sync();
    }

    pub(crate) fn sync(&self) {
        rustix::fs::syncfs(File::open(&self.place).unwrap()).unwrap();
    }

    fn lasts(&self, operation: &str, template: &Utf8Path) -> Duration {
        self.fill(template);
        let began = Instant::now();
        let status = operation::command(operation, &self.home())
            .status()
            .unwrap();
        assert!(status.success());
        began.elapsed()
    }

    fn cut(&self) {
        let place = File::open(&self.place).unwrap();
        #[expect(unsafe_code, reason = "nobody has wrapped this call")]
        // SAFETY: the call reads one `u32`, and that is what it is given.
        unsafe {
            let call = rustix::ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH);
            rustix::ioctl::ioctl(&place, call).unwrap();
        }
    }

    fn mount_again(&self) {
        // The killed process may take a moment to let go.
        for _ in 0..100 {
            if run("umount", &[self.place.as_str()]).is_ok() {
                return self.mount().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} cannot be unmounted", self.place);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(run("umount", &[self.place.as_str()]));
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("`{program}`: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "`{program}`: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}
