//! What no process in a sandbox may do: [`confine`].
//!
//! A job has no user but its own, no capability and no way to get one, so most of the kernel is
//! closed to it anyway. The system calls refused here are those through which such processes have
//! got out before, and those that would let it leave traps in its output.

use std::collections::BTreeMap;

use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::setup::{Failure, Step as _};

/// Gives up every power, for this process and all it starts. One that is `attended` may have a
/// terminal.
pub(super) fn confine(attended: bool) -> Result<(), Failure> {
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, no_core).step("forbid core dumps")?;
    drop_capabilities().step("drop capabilities")?;
    // The job must not look into the process that reports for it.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .step("close the first process")?;
    rustix::thread::set_no_new_privs(true).step("forbid new privileges")?;
    let broken = |error: seccompiler::Error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => {
            Failure::new("filter system calls", &error)
        }
        other => Failure::told("filter system calls", other.to_string()),
    };
    let of_terminal = attended.then_some(&TERMINAL);
    for refusal in REFUSALS.iter().chain(of_terminal) {
        let filter = refusal.compile().map_err(|error| broken(error.into()))?;
        seccompiler::apply_filter(&filter).map_err(broken)?;
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    rustix::thread::clear_ambient_capability_set()?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel's last capability is behind us.
            Err(rustix::io::Errno::INVAL) => break,
            dropped => dropped?,
        }
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )
}

/// System calls that fail with one error.
struct Refusal {
    errno: i32,
    calls: &'static [(i64, &'static [&'static [Condition]])],
}

/// What an argument must be for a call to be refused; all conditions of a list together, any list
/// of a call. A call with no list is refused always.
struct Condition {
    argument: u8,
    test: Test,
}

enum Test {
    /// These bits, of those masked, are set.
    Bits { mask: u64, set: u64 },
    /// None of these.
    NotAmong(&'static [u64]),
}

const fn bits(argument: u8, set: u64) -> Condition {
    masked(argument, set, set)
}

const fn masked(argument: u8, mask: u64, set: u64) -> Condition {
    Condition {
        argument,
        test: Test::Bits { mask, set },
    }
}

const SETUID: u64 = libc::S_ISUID as u64;
const SETGID: u64 = libc::S_ISGID as u64;
const KIND: u64 = libc::S_IFMT as u64;
const CREATE: u64 = libc::O_CREAT as u64;
/// `O_TMPFILE` without the `O_DIRECTORY` that is part of it.
const UNNAMED: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
const NEW_USER: u64 = libc::CLONE_NEWUSER as u64;

/// Newer than the list of calls in use here; the number is the same on every machine.
const SYS_SETXATTRAT: i64 = 463;

/// Kinds of sockets that know of network namespaces. Others (to the hypervisor, to the kernel's
/// cryptography) do not.
const FAMILIES: &[u64] = &[
    libc::AF_UNIX as u64,
    libc::AF_INET as u64,
    libc::AF_INET6 as u64,
    libc::AF_NETLINK as u64,
];

/// `mode` of the given argument sets the user or group on execution.
macro_rules! special_mode {
    ($argument:literal) => {
        &[&[bits($argument, SETUID)], &[bits($argument, SETGID)]]
    };
}

/// The same, or a device.
macro_rules! special_node {
    ($argument:literal) => {
        &[
            &[bits($argument, SETUID)],
            &[bits($argument, SETGID)],
            &[masked($argument, KIND, libc::S_IFCHR as u64)],
            &[masked($argument, KIND, libc::S_IFBLK as u64)],
        ]
    };
}

/// The same for a file that is made while it is opened; else there is no mode, and the argument
/// holds anything.
macro_rules! special_creation {
    ($flags:literal, $mode:literal) => {
        &[
            &[bits($flags, CREATE), bits($mode, SETUID)],
            &[bits($flags, CREATE), bits($mode, SETGID)],
            &[bits($flags, UNNAMED), bits($mode, SETUID)],
            &[bits($flags, UNNAMED), bits($mode, SETGID)],
        ]
    };
}

/// What would put words into the mouth of the person at the terminal.
const TERMINAL: Refusal = Refusal {
    errno: libc::EPERM,
    calls: &[(
        libc::SYS_ioctl,
        &[
            &[masked(1, REQUEST, libc::TIOCSTI)],
            &[masked(1, REQUEST, libc::TIOCLINUX)],
        ],
    )],
};

/// The kernel looks at no more of a request.
const REQUEST: u64 = u32::MAX as u64;

const REFUSALS: &[Refusal] = &[
    Refusal {
        errno: libc::EPERM,
        calls: &[
            // A second user namespace would bring capabilities back.
            (libc::SYS_unshare, &[&[bits(0, NEW_USER)]]),
            (libc::SYS_clone, &[&[bits(0, NEW_USER)]]),
            (libc::SYS_setns, &[]),
            (libc::SYS_mount, &[]),
            (libc::SYS_umount2, &[]),
            (libc::SYS_pivot_root, &[]),
            (libc::SYS_open_tree, &[]),
            (libc::SYS_move_mount, &[]),
            (libc::SYS_fsopen, &[]),
            (libc::SYS_fsconfig, &[]),
            (libc::SYS_fsmount, &[]),
            (libc::SYS_fspick, &[]),
            (libc::SYS_mount_setattr, &[]),
            // Keys belong to users, not to namespaces.
            (libc::SYS_keyctl, &[]),
            (libc::SYS_add_key, &[]),
            (libc::SYS_request_key, &[]),
            (libc::SYS_ptrace, &[]),
            (libc::SYS_process_vm_readv, &[]),
            (libc::SYS_process_vm_writev, &[]),
            (libc::SYS_bpf, &[]),
            (libc::SYS_perf_event_open, &[]),
            (libc::SYS_userfaultfd, &[]),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_chmod, special_mode!(1)),
            (libc::SYS_fchmod, special_mode!(1)),
            (libc::SYS_fchmodat, special_mode!(2)),
            (libc::SYS_fchmodat2, special_mode!(2)),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_creat, special_mode!(1)),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, special_creation!(1, 2)),
            (libc::SYS_openat, special_creation!(2, 3)),
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_mknod, special_node!(1)),
            (libc::SYS_mknodat, special_node!(2)),
        ],
    },
    Refusal {
        // Their arguments lie in memory, where no filter can look; programs then use older calls.
        errno: libc::ENOSYS,
        calls: &[
            (libc::SYS_clone3, &[]),
            (libc::SYS_openat2, &[]),
            (libc::SYS_io_uring_setup, &[]),
            (libc::SYS_io_uring_enter, &[]),
            (libc::SYS_io_uring_register, &[]),
        ],
    },
    Refusal {
        // Attributes, access lists among them, would reach the store unseen.
        errno: libc::ENOTSUP,
        calls: &[
            (libc::SYS_setxattr, &[]),
            (libc::SYS_lsetxattr, &[]),
            (libc::SYS_fsetxattr, &[]),
            (SYS_SETXATTRAT, &[]),
        ],
    },
    Refusal {
        errno: libc::EAFNOSUPPORT,
        calls: &[
            (
                libc::SYS_socket,
                &[&[Condition {
                    argument: 0,
                    test: Test::NotAmong(FAMILIES),
                }]],
            ),
            (
                libc::SYS_socketpair,
                &[&[Condition {
                    argument: 0,
                    test: Test::NotAmong(FAMILIES),
                }]],
            ),
        ],
    },
];

impl Refusal {
    fn compile(&self) -> Result<BpfProgram, seccompiler::BackendError> {
        let mut rules = BTreeMap::new();
        for (call, lists) in self.calls {
            let lists: Result<Vec<_>, _> = lists.iter().map(|list| rule(list)).collect();
            rules.insert(*call, lists?);
        }
        let filter = SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(self.errno.unsigned_abs()),
            TargetArch::try_from(std::env::consts::ARCH)?,
        )?;
        let mut program = BpfProgram::try_from(filter)?;
        refuse_other_numbers(&mut program);
        Ok(program)
    }
}

fn rule(conditions: &[Condition]) -> Result<SeccompRule, seccompiler::BackendError> {
    let mut all = Vec::new();
    for Condition { argument, test } in conditions {
        let mut must = |test, value| -> Result<(), seccompiler::BackendError> {
            all.push(SeccompCondition::new(
                *argument,
                SeccompCmpArgLen::Dword,
                test,
                value,
            )?);
            Ok(())
        };
        match test {
            Test::Bits { mask, set } => must(SeccompCmpOp::MaskedEq(*mask), *set)?,
            Test::NotAmong(values) => {
                for value in *values {
                    must(SeccompCmpOp::Ne, *value)?;
                }
            }
        }
    }
    SeccompRule::new(all)
}

/// Refuses the second set of call numbers that an x86-64 kernel may know ("x32"), which would
/// pass by every rule.
fn refuse_other_numbers(program: &mut BpfProgram) {
    if cfg!(target_arch = "x86_64") {
        const FIRST_OTHER: u32 = 0x4000_0000;
        let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        let instruction = |code: u32, jt, jf, k| seccompiler::sock_filter {
            code: u16::try_from(code).unwrap_or(u16::MAX),
            jt,
            jf,
            k,
        };
        // The number is the first word of what a filter sees.
        program.splice(
            0..0,
            [
                instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
                instruction(
                    libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
                    0,
                    1,
                    FIRST_OTHER,
                ),
                instruction(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
            ],
        );
    }
}
