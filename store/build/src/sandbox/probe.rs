//! [`SandboxRefused`]: why a machine does not allow the sandbox, and the ways on.

use std::fmt;

use super::setup::Failure;

/// This machine does not allow the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine does not allow the sandbox: {step}: {reason} ({cause})")]
pub struct SandboxRefused {
    /// The step that failed.
    pub step: String,
    /// The system's reason.
    pub reason: String,
    /// What probably stands behind it.
    pub cause: Cause,
}

/// What probably keeps the sandbox from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `user.max_user_namespaces` is 0, or used up.
    NoUserNamespaces,
    /// `kernel.unprivileged_userns_clone` is 0.
    UnprivilegedOff,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1.
    AppArmor,
    /// A container forbids the system calls.
    Container,
    /// A container hides parts of `/proc`, so that no new one may be mounted.
    HiddenProcesses,
    /// The kernel is older than the sandbox needs.
    OldKernel,
    /// None of the known ones.
    Unknown,
}

impl SandboxRefused {
    /// Returns the ways on, each a sentence, the best first.
    pub fn hints(&self) -> Vec<String> {
        let own: &[&str] = match self.cause {
            Cause::NoUserNamespaces => {
                &["allow user namespaces: as root, `sysctl user.max_user_namespaces=15000`"]
            }
            Cause::UnprivilegedOff => {
                &["allow user namespaces: as root, `sysctl kernel.unprivileged_userns_clone=1`"]
            }
            Cause::AppArmor => &[
                "allow `orlop` user namespaces in an AppArmor profile (`userns,`)",
                "allow them to every program: as root, \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
            ],
            Cause::Container => &[
                "start the container with a seccomp profile that allows `unshare` and `mount` \
                 (`--security-opt seccomp=unconfined`)",
            ],
            Cause::HiddenProcesses => &["start the container with an unmasked `/proc` \
                 (`--security-opt systempaths=unconfined`)"],
            Cause::OldKernel => &["use Linux 5.9 or newer"],
            Cause::Unknown => &[],
        };
        let general = "build without a sandbox: `--sandbox none`; what is built then is kept \
                       apart from everything built inside one";
        own.iter()
            .map(|hint| (*hint).to_owned())
            .chain([general.to_owned()])
            .collect()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUserNamespaces => {
                "the setting `user.max_user_namespaces` allows no user namespace more"
            }
            Self::UnprivilegedOff => {
                "the setting `kernel.unprivileged_userns_clone` reserves user namespaces for root"
            }
            Self::AppArmor => {
                "the setting `kernel.apparmor_restrict_unprivileged_userns` reserves user \
                 namespaces for programs with an AppArmor profile"
            }
            Self::Container => "a container that forbids namespaces is likely",
            Self::HiddenProcesses => "a container that hides parts of `/proc` is likely",
            Self::OldKernel => "this kernel lacks the system call",
            Self::Unknown => "the cause is not known",
        })
    }
}

/// What the machine says of itself.
#[derive(Debug, Default)]
pub(super) struct Facts {
    max_user_namespaces: Option<u64>,
    unprivileged_userns_clone: Option<u64>,
    apparmor_restrict: Option<u64>,
    /// Whether this process is under a filter of system calls.
    filtered: bool,
}

impl Facts {
    pub(super) fn read() -> Self {
        let number = |path: &str| fs_err::read_to_string(path).ok()?.trim().parse().ok();
        let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            filtered: status.lines().any(|line| line.starts_with("Seccomp:\t2")),
        }
    }
}

/// Tells the likely cause. The settings alone prove nothing, so they are looked at only after a
/// step has failed.
pub(super) fn diagnose(failure: &Failure, facts: &Facts) -> SandboxRefused {
    let denied = matches!(failure.errno, Some(libc::EPERM | libc::EACCES));
    let cause = match failure.errno {
        Some(libc::ENOSPC | libc::EUSERS) => Cause::NoUserNamespaces,
        Some(libc::ENOSYS) if facts.filtered => Cause::Container,
        Some(libc::ENOSYS) => Cause::OldKernel,
        _ if denied && facts.max_user_namespaces == Some(0) => Cause::NoUserNamespaces,
        _ if denied && facts.unprivileged_userns_clone == Some(0) => Cause::UnprivilegedOff,
        _ if denied && facts.apparmor_restrict == Some(1) => Cause::AppArmor,
        _ if denied && failure.step == "mount /proc" => Cause::HiddenProcesses,
        _ if denied && facts.filtered => Cause::Container,
        _ => Cause::Unknown,
    };
    SandboxRefused {
        step: failure.step.clone(),
        reason: failure.reason.clone(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(step: &str, errno: i32, facts: &Facts, expected: Cause) {
        let failure = Failure::new(step, &std::io::Error::from_raw_os_error(errno));
        let refused = diagnose(&failure, facts);
        assert_eq!(refused.cause, expected);
        let text = refused.to_string();
        assert!(
            text.contains(step) && text.contains(&format!("os error {errno}")),
            "{text}"
        );
        assert!(
            refused
                .hints()
                .last()
                .is_some_and(|hint| hint.contains("--sandbox none"))
        );
    }

    #[test]
    fn causes() {
        let free = Facts::default;
        let namespaces = "make new namespaces";
        check(namespaces, libc::ENOSPC, &free(), Cause::NoUserNamespaces);
        check(
            namespaces,
            libc::EPERM,
            &Facts {
                unprivileged_userns_clone: Some(0),
                ..free()
            },
            Cause::UnprivilegedOff,
        );
        let ubuntu = Facts {
            apparmor_restrict: Some(1),
            ..free()
        };
        check("write setgroups", libc::EACCES, &ubuntu, Cause::AppArmor);
        check(
            namespaces,
            libc::EPERM,
            &Facts {
                filtered: true,
                ..free()
            },
            Cause::Container,
        );
        check("mount /proc", libc::EPERM, &free(), Cause::HiddenProcesses);
        check(namespaces, libc::ENOSYS, &free(), Cause::OldKernel);
        check("show the object x", libc::ENOENT, &ubuntu, Cause::Unknown);
    }
}
