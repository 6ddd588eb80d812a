//! Named steps at which the fault harness stops the program or lets it fail: [`reached`].
//!
//! They are there in debug builds, which tests are made of; in a release they are nothing.
//!
//! | variable | effect |
//! |---|---|
//! | `ORLOP_FAILPOINT=add.rename=kill@2` | the process kills itself when it reaches `add.rename` for the second time |
//! | `ORLOP_FAILPOINT=*=kill@40` | … when it reaches its fortieth step, whichever that is |
//! | `ORLOP_FAILPOINT=add.rename=EIO` | the step fails the first time; also `ENOSPC`, `EMLINK` |
//! | `ORLOP_FAILPOINT=add.rename=panic` | the thread panics |
//! | `ORLOP_FAILPOINT_LOG=FILE` | the names of all steps are appended to the file, one a line |
//!
//! A step is named after what has just been done.

use crate::error::StoreError;

/// Says that a step was reached.
#[cfg(debug_assertions)]
pub fn reached(step: &'static str) -> Result<(), StoreError> {
    active::reached(step)
}

/// Says that a step was reached.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_step: &'static str) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(debug_assertions)]
mod active {
    use std::io::Write as _;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    use crate::error::{Context as _, StoreError};

    /// What is to happen where.
    struct Plan {
        /// The name of a step, or `*`.
        step: String,
        action: String,
        /// At the how many-th time.
        at: u64,
        reached: AtomicU64,
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "no release has this module, and how tests speak to it is their own business"
    )]
    fn variable(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    static PLAN: LazyLock<Option<Plan>> =
        LazyLock::new(|| variable("ORLOP_FAILPOINT").and_then(|text| plan(&text)));
    static LOG: LazyLock<Option<String>> = LazyLock::new(|| variable("ORLOP_FAILPOINT_LOG"));

    fn plan(text: &str) -> Option<Plan> {
        let (step, action) = text.split_once('=')?;
        let (action, at) = action.split_once('@').unwrap_or((action, "1"));
        Some(Plan {
            step: step.to_owned(),
            action: action.to_owned(),
            at: at.parse().ok()?,
            reached: AtomicU64::new(0),
        })
    }

    pub(super) fn reached(step: &'static str) -> Result<(), StoreError> {
        if let Some(log) = &*LOG {
            let file = fs_err::OpenOptions::new()
                .append(true)
                .create(true)
                .open(log);
            // In one piece: others write there too.
            file.and_then(|mut file| file.write_all(format!("{step}\n").as_bytes()))
                .context("write", log.as_str().into())?;
        }
        match &*PLAN {
            Some(plan) if plan.step == step || plan.step == "*" => {
                let reached = plan.reached.fetch_add(1, Ordering::SeqCst) + 1;
                if reached == plan.at {
                    act(&plan.action).context("go on after the step", step.into())
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn act(action: &str) -> Result<(), Errno> {
        match action {
            "kill" => kill_process(getpid(), Signal::KILL),
            "EIO" => Err(Errno::IO),
            "ENOSPC" => Err(Errno::NOSPC),
            "EMLINK" => Err(Errno::MLINK),
            other => panic!("failpoint: {other}"),
        }
    }
}
