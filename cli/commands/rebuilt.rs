//! `why-rebuilt`: which inputs changed between the builds of two generations.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::derivation::{CrateKind, Helpers, RustcCall, ScriptRun, Tools};
use orlop_store::{Derivation, Generation, GenerationApp, Profile, Step, Store, StorePath};
use serde::Serialize;

use crate::args::AppArgument;
use crate::context::Context;
use crate::error::CommandError;

/// One input that changed by itself, not because of what it is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Reason {
    /// The step that reads it: `serde 1.0.228`.
    step: String,
    /// What changed: `features`.
    what: String,
    before: String,
    after: String,
}

pub(super) fn why_rebuilt(context: &Context, arguments: &AppArgument) -> Result<(), CommandError> {
    let (store, profile) = super::open(context)?;
    let current = super::current(&profile)?;
    let app = super::installed(&current, &arguments.app)?;
    let Some((generation, before)) = last_change(&profile, &current, app)? else {
        return if context.global.json {
            context.ui.data_json(&Vec::<Reason>::new())
        } else {
            context.ui.status(format!(
                "`{}` is built as it was when it was first installed",
                app.name
            ));
            Ok(())
        };
    };
    let mut comparison = Comparison {
        store: &store,
        seen: BTreeSet::new(),
        reasons: BTreeSet::new(),
    };
    comparison.programs(&before, app)?;
    if context.global.json {
        return context.ui.data_json(&comparison.reasons);
    }
    context.ui.status(format!(
        "`{}` was last built otherwise in generation {generation}:",
        app.name
    ));
    for reason in comparison.reasons {
        let Reason {
            step,
            what,
            before,
            after,
        } = reason;
        context.ui.data(match (before.as_str(), after.as_str()) {
            ("", after) => format!("{step}: {what} {after} is new"),
            (before, "") => format!("{step}: {what} {before} is gone"),
            (before, after) => format!("{step}: {what} {before} -> {after}"),
        });
    }
    Ok(())
}

/// Goes back from a generation to the last one in which the app was built otherwise.
fn last_change(
    profile: &Profile,
    current: &Generation,
    app: &GenerationApp,
) -> Result<Option<(u64, GenerationApp)>, CommandError> {
    let mut parent = current.parent;
    let known: BTreeMap<u64, Generation> = profile
        .generations()?
        .into_iter()
        .map(|generation| (generation.number, generation))
        .collect();
    while let Some(generation) = parent.and_then(|number| known.get(&number)) {
        match generation.apps.iter().find(|other| other.name == app.name) {
            Some(other) if other.link_sets != app.link_sets => {
                return Ok(Some((generation.number, other.clone())));
            }
            _ => parent = generation.parent,
        }
    }
    Ok(None)
}

/// Walks two graphs of steps side by side.
struct Comparison<'a> {
    store: &'a Store,
    seen: BTreeSet<(StorePath, StorePath)>,
    reasons: BTreeSet<Reason>,
}

impl Comparison<'_> {
    fn programs(
        &mut self,
        before: &GenerationApp,
        after: &GenerationApp,
    ) -> Result<(), CommandError> {
        let old = self.parts_of_programs(before)?;
        let new = self.parts_of_programs(after)?;
        self.inputs(&after.name, &old, &new)
    }

    fn parts_of_programs(
        &self,
        app: &GenerationApp,
    ) -> Result<BTreeMap<String, StorePath>, CommandError> {
        let mut programs = BTreeMap::new();
        for path in &app.link_sets {
            let name = match self
                .store
                .derivation(path)?
                .map(|derivation| derivation.step)
            {
                Some(Step::Rustc(call)) => match call.kind {
                    CrateKind::Program { name } => name,
                    _ => path.name().to_owned(),
                },
                _ => path.name().to_owned(),
            };
            programs.insert(format!("program {name}"), path.clone());
        }
        Ok(programs)
    }

    /// Compares what two steps read, by the part it has for them.
    fn inputs(
        &mut self,
        step: &str,
        before: &BTreeMap<String, StorePath>,
        after: &BTreeMap<String, StorePath>,
    ) -> Result<(), CommandError> {
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names {
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) if before == after => {}
                (Some(before), Some(after)) => self.objects(step, name, before, after)?,
                (before, after) => {
                    let text = |path: Option<&StorePath>| {
                        path.map(|path| path.name().to_owned()).unwrap_or_default()
                    };
                    self.add(step, name, text(before), text(after));
                }
            }
        }
        Ok(())
    }

    fn objects(
        &mut self,
        step: &str,
        part: &str,
        before: &StorePath,
        after: &StorePath,
    ) -> Result<(), CommandError> {
        if !self.seen.insert((before.clone(), after.clone())) {
            return Ok(());
        }
        let (Some(old), Some(new)) = (
            self.store.derivation(before)?,
            self.store.derivation(after)?,
        ) else {
            // Imported, or known no more: its digest is all there is to say.
            self.add(step, part, before.to_string(), after.to_string());
            return Ok(());
        };
        let (old, new) = (Parts::of(&old), Parts::of(&new));
        if old.version != new.version {
            // Everything else follows.
            self.add(&new.name, "version", old.version, new.version);
            return Ok(());
        }
        let count = self.reasons.len();
        let names: BTreeSet<_> = old.values.keys().chain(new.values.keys()).collect();
        for name in names {
            let value = |parts: &Parts| parts.values.get(name).cloned().unwrap_or_default();
            let (before, after) = (value(&old), value(&new));
            if before != after {
                self.add(&new.label, name, before, after);
            }
        }
        let seen = self.seen.len();
        self.inputs(&new.label, &old.inputs, &new.inputs)?;
        if self.reasons.len() == count && self.seen.len() == seen && old.inputs == new.inputs {
            let (before, after) = ("an earlier one".to_owned(), "this one".to_owned());
            self.add(&new.label, "rules of Orlop's release", before, after);
        }
        Ok(())
    }

    fn add(&mut self, step: &str, what: &str, before: String, after: String) {
        self.reasons.insert(Reason {
            step: step.to_owned(),
            what: what.to_owned(),
            before,
            after,
        });
    }
}

/// A step taken apart: what it says itself, and what it reads.
struct Parts {
    /// The package.
    name: String,
    version: String,
    /// For people: `serde 1.0.228 (build script)`.
    label: String,
    values: BTreeMap<String, String>,
    inputs: BTreeMap<String, StorePath>,
}

impl Parts {
    fn of(derivation: &Derivation) -> Self {
        let mut parts = Self {
            name: derivation.name.clone(),
            version: String::new(),
            label: derivation.name.clone(),
            values: BTreeMap::new(),
            inputs: BTreeMap::new(),
        };
        match &derivation.step {
            Step::Unpack(source) => {
                parts.package(&source.name, &source.version, " (source)");
                parts.value("checksum", &source.checksum);
            }
            Step::Rustc(call) => parts.rustc(call),
            Step::Script(run) => parts.script(run),
            Step::Native(build) => {
                parts.tools(&build.tools, true);
                parts.value("script", &build.script);
                parts.environment(&build.environment);
                parts.input("source", &build.source);
                parts.natives(&build.natives);
                parts.helpers(&build.helpers);
                parts.value("outputs", &format!("{:?}", build.outputs));
            }
        }
        parts
    }

    fn rustc(&mut self, call: &RustcCall) {
        let (what, links) = match &call.kind {
            CrateKind::Library => ("", false),
            CrateKind::ProcMacro => ("", true),
            CrateKind::BuildScript => (" (build script)", true),
            CrateKind::Program { .. } => (" (program)", false),
            CrateKind::Plugin => (" (plugin)", false),
            CrateKind::CLibrary(_) => (" (library for C)", true),
        };
        self.package(&call.package.name, &call.package.version, what);
        self.tools(&call.tools, links);
        self.list("features", &call.features);
        self.list("declared features", &call.declared_features);
        let codegen = &call.codegen;
        self.value("opt-level", &codegen.opt_level);
        self.value("codegen units", &text(codegen.codegen_units.as_ref()));
        self.value("debug information", &text(codegen.debug_info.as_ref()));
        self.value("link-time optimisation", &format!("{:?}", codegen.lto));
        self.value(
            "panic",
            if codegen.panic_abort {
                "abort"
            } else {
                "unwind"
            },
        );
        self.value("overflow checks", &codegen.overflow_checks.to_string());
        self.value("debug assertions", &codegen.debug_assertions.to_string());
        self.value("edition", &call.edition);
        self.value("file", &call.path);
        self.value("crate name", &call.crate_name);
        if let CrateKind::CLibrary(library) = &call.kind {
            self.value("pkg-config", &library.pkg_config);
            self.value("headers", &format!("{:?}", library.headers));
        }
        let externs = call.externs.iter().map(|one| one.name.clone());
        self.list("names of dependencies", &externs.collect());
        self.environment(&call.environment);
        self.input("source", &call.source);
        for (position, library) in call.libraries.iter().enumerate() {
            let name = library.object.name();
            let known = self
                .inputs
                .contains_key(&format!("library {}", library.crate_name));
            // A second version is told from the first by its place.
            let which = if known {
                format!("library {name} {position}")
            } else {
                format!("library {}", library.crate_name)
            };
            self.inputs.insert(which, library.object.clone());
        }
        if let Some(run) = &call.script {
            self.input("run of its build script", run);
        }
        self.natives(&call.natives);
    }

    fn script(&mut self, run: &ScriptRun) {
        self.package(
            &run.package.name,
            &run.package.version,
            " (build script run)",
        );
        self.tools(&run.tools, true);
        self.list("features", &run.features);
        self.list("programs", &run.programs);
        self.value("links", &text(run.links.as_ref()));
        self.value("opt-level", &run.codegen.opt_level);
        self.environment(&run.environment);
        self.input("source", &run.source);
        self.input("build script", &run.program);
        for dependency in &run.dependencies {
            self.input(&format!("run for {}", dependency.links), &dependency.run);
        }
        self.natives(&run.natives);
        self.helpers(&run.helpers);
    }

    fn package(&mut self, name: &str, version: &str, what: &str) {
        name.clone_into(&mut self.name);
        version.clone_into(&mut self.version);
        self.label = format!("{name} {version}{what}");
    }

    /// The C tools count only where something is linked or run.
    fn tools(&mut self, tools: &Tools, c_tools: bool) {
        self.input("compiler", &tools.compiler);
        if c_tools {
            self.input("C tools", &tools.c_tools);
        }
        self.value("isolation", &format!("{:?}", tools.isolation));
    }

    fn natives(&mut self, natives: &BTreeSet<StorePath>) {
        for native in natives {
            self.input(&format!("native library {}", native.name()), native);
        }
    }

    fn helpers(&mut self, helpers: &Helpers) {
        for helper in helpers.keys() {
            self.input(&format!("programs of {}", helper.name()), helper);
        }
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        for (name, value) in environment {
            self.value(&format!("variable {name}"), value);
        }
    }

    fn list(&mut self, name: &str, values: &BTreeSet<String>) {
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        self.value(name, &format!("[{}]", values.join(", ")));
    }

    fn value(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    fn input(&mut self, name: &str, path: &StorePath) {
        self.inputs.insert(name.to_owned(), path.clone());
    }
}

fn text(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
