//! The system calls that Rust has no safe name for.
#![expect(
    unsafe_code,
    reason = "nothing safe offers unshare, close_range and chosen numbers of files"
)]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use rustix::thread::UnshareFlags;

/// Moves this process into new namespaces. For a process with a single thread.
pub(super) fn unshare(namespaces: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!namespaces.contains(UnshareFlags::FILES));
    // SAFETY: only `FILES` could take file descriptors away from another thread, and it is not
    // among the namespaces.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }
}

/// Closes every file beyond the standard three whenever a program is started from here on.
pub(super) fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: the call takes no pointers, and closes nothing in this process: it only marks.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the programs started from here on have a file open under this number, which nothing in
/// this process uses.
pub(super) fn pass_on(file: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: the call takes no pointers; nobody here owns what was open under the number.
    match unsafe { libc::dup2(file.as_raw_fd(), number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Takes a file that the starter of this process has left open for it under a number.
pub(super) fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers; whether the file is open, it tells.
    match unsafe { libc::fcntl(number, libc::F_GETFD) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: it is open, and nobody else here knows of it.
        _ => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
    }
}
