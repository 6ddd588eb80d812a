//! `build`: makes what an app or a recipe says, without a profile that has it.
//!
//! | module | holds |
//! |---|---|
//! | [`order`](mod@order) | what is meant by an app, or by a recipe |
//! | [`check`](mod@check) | `--check` |

mod check;
mod order;

use camino::Utf8PathBuf;
use orlop_build::log::quoted;
use orlop_store::Plan;
use serde::Serialize;

pub(super) use self::order::order;
use crate::apply::{self, Making};
use crate::build_args::Build;
use crate::commands::report;
use crate::context::Context;
use crate::error::{CommandError, Kind};

/// What was built, as data.
#[derive(Serialize)]
struct Built<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// What it was all for.
    outputs: Vec<Utf8PathBuf>,
}

pub(super) fn build(context: &Context, arguments: &Build) -> Result<(), CommandError> {
    if arguments.plugin {
        return super::plugin::build(context, arguments);
    }
    let order = order(
        context,
        ("build", Some(&arguments.app)),
        arguments.keep_failed,
    )?;
    let order = order.for_output(arguments.output)?;
    apply::make(context, &order, |making| run(context, arguments, making))
}

fn run(context: &Context, arguments: &Build, making: &Making<'_>) -> Result<(), CommandError> {
    let plan = making.steps.plan()?;
    let dry = context.global.dry_run;
    if !dry {
        making.execute(&plan).map_err(|error| match error.kind() {
            Kind::Build => error.hint(format!(
                "go on where it failed: `orlop shell {}{}`",
                quoted(&arguments.app.to_string()),
                match arguments.output {
                    Some(output) => format!(" --output {output}"),
                    None => String::new(),
                }
            )),
            _ => error,
        })?;
    }
    if arguments.check && !dry {
        return check::check(context, making, making.steps.wanted());
    }
    let outputs = if dry {
        Vec::new()
    } else {
        outputs(making, &plan)?
    };
    making.progress.clear();
    if context.global.json {
        let plan = &plan;
        return context.ui.data_json(&Built { plan, outputs });
    }
    if dry {
        report::show_steps(context, &plan);
    } else if plan.build.is_empty() {
        // Else it was said before.
        context.ui.success(apply::summary(&plan));
    }
    for output in outputs {
        context.ui.data(output);
    }
    Ok(())
}

/// Links apps, so that there are programs to try; of all else there is no more than what was built.
fn outputs(making: &Making<'_>, plan: &Plan) -> Result<Vec<Utf8PathBuf>, CommandError> {
    let store = making.executor.store;
    if plan.apps.iter().any(|app| !app.programs.is_empty()) {
        let views = making.link(plan)?.into_iter();
        return Ok(views.map(|view| store.object(&view.path)).collect());
    }
    let wanted = making.steps.wanted().iter();
    Ok(wanted.map(|path| store.object(path)).collect())
}
