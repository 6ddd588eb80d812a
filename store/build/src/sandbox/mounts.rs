//! The file system that a job sees: [`build`].
//!
//! ```text
//! /usr                  the C tools' object          read-only
//! /bin /lib /lib64 /sbin -> usr/…
//! /orlop/store/<path>   each input                   read-only
//! /orlop/store/<path>   the output                   writable
//! /orlop/build          the working area             writable
//! /orlop/bin/orlop-linker  this program              read-only
//! /orlop/bin/cargo      this program                 read-only
//! /orlop/ld/…           this program, as linkers     read-only, in native builds alone
//! /orlop                what else is put there       writable, thrown away
//! /orlop/store          nothing else                 read-only
//! /proc                 of the job's own processes   read-only
//! /dev                  null zero full random urandom, fd links, shm
//! /etc                  passwd group hosts           read-only
//! /tmp                  empty                        writable
//! ```
//!
//! Build scripts that look for Cargo's target folder, to leave completions there for example, take it
//! to be three above `OUT_DIR`, and find `/orlop`.
//!
//! This list is part of every key: a change of it is a new
//! [`SANDBOX_CONTRACT`](orlop_store::derivation::SANDBOX_CONTRACT).

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::StorePath;
use orlop_store::job::{
    COMPLETER, LINKERS, SANDBOX_BUILD, SANDBOX_CARGO, SANDBOX_LINKERS, SANDBOX_RECORDER,
    SANDBOX_STORE,
};
use rustix::fs::StatVfsMountFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::setup::{Failure, Setup, Step as _, write};

/// Where the host's files are while the root is built.
const HOST: &str = "/host";

const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\n\
    build:x:1000:1000:build:/orlop/build:/bin/sh\n\
    nobody:x:65534:65534:nobody:/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Flags that a mount has on the host and that a user namespace may not take away.
const KEPT: [(StatVfsMountFlags, MountFlags); 5] = [
    (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
    (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
    (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
];

/// Replaces the root of the first process. Nothing of the host is left but what `setup` names.
pub(super) fn build(setup: &Setup) -> Result<(), Failure> {
    swap_root(setup)?;
    mount_store(setup)?;
    mount_tools(setup)?;
    mount_writable(setup)?;
    mount_devices()?;
    mount_processes()?;
    write_files()?;
    close_root()
}

/// Makes an empty root with the host's below [`HOST`].
fn swap_root(setup: &Setup) -> Result<(), Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).step("shut the mounts off from the host's")?;
    // Any folder serves to hang the new root on: it is away again at once.
    let hook = setup.scratch.as_path();
    mount_empty(hook, 0o755)?;
    let host = hook.join(&HOST[1..]);
    make_folder(&host)?;
    rustix::process::pivot_root(hook.as_str(), host.as_str()).step("swap the root")?;
    rustix::process::chdir("/").step("enter the new root")
}

/// Shows the inputs. A bind mount has the flags of the mount it is taken from, so the store is
/// made read-only once, where it is, and not input by input.
fn mount_store(setup: &Setup) -> Result<(), Failure> {
    let store = on_host(&setup.store);
    bind_read_only(&store, store.as_str())?;
    for folder in ["/orlop", SANDBOX_STORE] {
        make_folder(folder)?;
        mount_empty(folder, 0o755)?;
    }
    for input in &setup.inputs {
        show(setup, input, &format!("{SANDBOX_STORE}/{input}"))?;
    }
    for (path, folder) in &setup.unfinished {
        let target = format!("{SANDBOX_STORE}/{path}");
        make_folder(&target)?;
        bind_read_only(&on_host(folder), &target)?;
    }
    Ok(())
}

/// Shows an object of the store.
fn show(setup: &Setup, object: &StorePath, target: &str) -> Result<(), Failure> {
    make_folder(target)?;
    let source = on_host(&setup.store).join(object.to_string());
    rustix::mount::mount_bind(source.as_str(), target).step(format!("show the object {object}"))
}

fn mount_tools(setup: &Setup) -> Result<(), Failure> {
    make_folder("/orlop/bin")?;
    for name in [SANDBOX_RECORDER, SANDBOX_CARGO] {
        write(name, "")?;
        bind_read_only(&on_host(&setup.program), name)?;
    }
    let Some(c_tools) = &setup.c_tools else {
        return Ok(());
    };
    show(setup, c_tools, "/usr")?;
    if setup.linkers {
        mount_linkers(setup)?;
    }
    for folder in ["bin", "lib", "lib32", "lib64", "libx32", "sbin"] {
        if Utf8Path::new("/usr").join(folder).is_dir() {
            make_link(&format!("usr/{folder}"), &format!("/{folder}"))?;
        }
    }
    Ok(())
}

/// Shows the program by the names of those linkers that there are.
fn mount_linkers(setup: &Setup) -> Result<(), Failure> {
    make_folder(SANDBOX_LINKERS)?;
    let completer = format!("{SANDBOX_LINKERS}/{COMPLETER}");
    write(&completer, "")?;
    bind_read_only(&on_host(&setup.program), &completer)?;
    for name in LINKERS {
        if Utf8Path::new("/usr/bin").join(name).exists() {
            make_link(COMPLETER, &format!("{SANDBOX_LINKERS}/{name}"))?;
        }
    }
    Ok(())
}

fn mount_writable(setup: &Setup) -> Result<(), Failure> {
    make_folder(SANDBOX_BUILD)?;
    bind(&on_host(&setup.scratch), SANDBOX_BUILD, MountFlags::empty())?;
    for (copy, path) in &setup.copies {
        bind(
            &on_host(copy),
            &format!("{SANDBOX_STORE}/{path}"),
            MountFlags::empty(),
        )?;
    }
    if let Some((staged, path)) = &setup.output {
        let target = format!("{SANDBOX_STORE}/{path}");
        make_folder(&target)?;
        bind(&on_host(staged), &target, MountFlags::empty())?;
    }
    make_folder("/tmp")?;
    mount_empty("/tmp", 0o1777)
}

fn mount_devices() -> Result<(), Failure> {
    make_folder("/dev")?;
    for device in ["null", "zero", "full", "random", "urandom"] {
        let target = format!("/dev/{device}");
        write(&target, "")?;
        rustix::mount::mount_bind(format!("{HOST}{target}"), &target)
            .step(format!("show {target}"))?;
    }
    make_link("/proc/self/fd", "/dev/fd")?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        make_link(&format!("/proc/self/fd/{number}"), &format!("/dev/{name}"))?;
    }
    make_folder("/dev/shm")?;
    mount_empty("/dev/shm", 0o1777)
}

/// Mounts `/proc` read-only: where the caller is the machine's root, so is the job's user behind
/// its map, and the kernel's settings would be open to it.
fn mount_processes() -> Result<(), Failure> {
    make_folder("/proc")?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", "/proc", "proc", flags, None).step("mount /proc")
}

fn write_files() -> Result<(), Failure> {
    make_folder("/etc")?;
    write("/etc/passwd", PASSWD)?;
    write("/etc/group", GROUP)?;
    write("/etc/hosts", HOSTS)
}

/// Lets the host's files go, with one call, as each takes milliseconds, and makes the rest of the
/// root read-only.
fn close_root() -> Result<(), Failure> {
    rustix::mount::unmount(HOST, UnmountFlags::DETACH).step(format!("let {HOST} go"))?;
    rustix::fs::rmdir(HOST).step(format!("remove {HOST}"))?;
    restrict(SANDBOX_STORE, MountFlags::RDONLY)?;
    restrict("/", MountFlags::RDONLY)
}

fn on_host(path: &Utf8Path) -> Utf8PathBuf {
    // The path is absolute: it follows the folder, without a separator.
    Utf8PathBuf::from(format!("{HOST}{path}"))
}

fn bind_read_only(source: &Utf8Path, target: &str) -> Result<(), Failure> {
    bind(source, target, MountFlags::RDONLY)
}

fn bind(source: &Utf8Path, target: &str, flags: MountFlags) -> Result<(), Failure> {
    rustix::mount::mount_bind(source.as_str(), target).step(format!(
        "show {} at {target}",
        source.strip_prefix(HOST).unwrap_or(source)
    ))?;
    restrict(target, flags)
}

/// Takes devices and set-user-id programs from a mount, and whatever `flags` say.
fn restrict(target: &str, flags: MountFlags) -> Result<(), Failure> {
    let step = || format!("restrict {target}");
    let present = rustix::fs::statvfs(target).step(step())?.f_flag;
    let kept = KEPT.iter().filter(|(flag, _)| present.contains(*flag));
    let flags = kept.fold(flags, |flags, (_, flag)| flags | *flag);
    let flags = flags | MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(target, flags, "").step(step())
}

/// Mounts an empty file system in memory.
fn mount_empty(target: impl AsRef<Utf8Path>, mode: u32) -> Result<(), Failure> {
    let target = target.as_ref();
    let options = std::ffi::CString::new(format!("mode={mode:o}"))
        .map_err(|error| Failure::told("mount an empty folder", error.to_string()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", target.as_str(), "tmpfs", flags, options.as_c_str())
        .step(format!("mount an empty folder at {target}"))
}

fn make_folder(path: impl AsRef<Utf8Path>) -> Result<(), Failure> {
    let path = path.as_ref();
    match rustix::fs::mkdir(path.as_str(), 0o755.into()) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        made => made.step(format!("make {path}")),
    }
}

fn make_link(to: &str, path: &str) -> Result<(), Failure> {
    rustix::fs::symlink(to, path).step(format!("link {path}"))
}
