//! Which of the machine's programs each build script sees: [`of_scripts`], [`tool_sets`].
//!
//! Recipes say which crates call `make`, `perl` and the like. A build script sees what the crates
//! that are compiled into it call (`cmake`, `openssl-src`), and what its own package's recipe
//! names; all of it is in its key, and nothing else of the kind.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{CrateOverride, PackageName, RecipeSet, Tool};
use orlop_resolver::{DependencyKind, Resolution};
use orlop_store::StorePath;
use orlop_store::derivation::Tools;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;

/// The C tools of the machine, by the [extra](Tool::is_extra) ones that are in them.
pub type ToolSets = BTreeMap<BTreeSet<Tool>, StorePath>;

/// Returns which extra tools the steps of an app will ask for together: the C tools that must be
/// in the store before it can be planned.
pub fn tool_sets(resolution: &Resolution, recipes: &RecipeSet) -> BTreeSet<BTreeSet<Tool>> {
    let scripts = of_scripts(resolution, recipes).into_values();
    let mut sets: BTreeSet<_> = scripts.map(|tools| extras(&tools)).collect();
    let mut open: Vec<&PackageName> = resolution
        .graph
        .node_weights()
        .filter_map(|variant| recipes.override_for(&variant.name, &variant.version))
        .flat_map(|change| &change.native)
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(library) = open.pop().and_then(|name| recipes.library(name)) {
        if seen.insert(&library.name) {
            sets.insert(extras(&library.tools));
            open.extend(&library.native);
        }
    }
    sets
}

/// Returns the tools that are only in C tools that are asked for them.
pub(crate) fn extras(tools: &BTreeSet<Tool>) -> BTreeSet<Tool> {
    let extras = tools.iter().copied();
    extras.filter(|tool| tool.is_extra()).collect()
}

/// Returns what a step runs with that calls these programs.
pub(crate) fn with(tools: &Tools, called: &BTreeSet<Tool>, sets: &ToolSets) -> Tools {
    let extras = extras(called);
    let mut tools = tools.clone();
    if !extras.is_empty() {
        let set = sets.get(&extras);
        set.expect("`tool_sets` names every set")
            .clone_into(&mut tools.c_tools);
    }
    tools
}

/// Returns the programs that the build script of each package calls.
pub(crate) fn of_scripts(
    resolution: &Resolution,
    recipes: &RecipeSet,
) -> BTreeMap<NodeIndex, BTreeSet<Tool>> {
    // What a crate's code calls, in whatever it is compiled into.
    let mut called: BTreeMap<NodeIndex, BTreeSet<Tool>> = BTreeMap::new();
    let mut scripts = BTreeMap::new();
    for node in resolution.order() {
        let variant = &resolution.graph[node];
        let change = recipes.override_for(&variant.name, &variant.version);
        let named = |field: fn(&CrateOverride) -> &BTreeSet<Tool>| change.map(field);
        let own = named(|change| &change.tools).cloned().unwrap_or_default();
        let through = |kind: DependencyKind| -> BTreeSet<Tool> {
            resolution
                .graph
                .edges_directed(node, Direction::Outgoing)
                .filter(|edge| edge.weight().kind == kind)
                .flat_map(|edge| called[&edge.target()].iter().copied())
                .collect()
        };
        let mut script = through(DependencyKind::Build);
        for unused in named(|change| &change.unused_tools).into_iter().flatten() {
            script.remove(unused);
        }
        script.extend(&own);
        if variant.package.build_script.is_some() {
            scripts.insert(node, script);
        }
        let mut all = through(DependencyKind::Normal);
        all.extend(own);
        called.insert(node, all);
    }
    scripts
}
