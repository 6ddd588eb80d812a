//! Which of the machine's programs each build script sees: [`of_scripts`], [`tool_sets`].
//!
//! Recipes say which crates call `make`, `perl` and the like. A build script sees what is called
//! through the crates that are compiled into it (`cmake`, `openssl-src`), and what its own package's
//! recipe names; all of it is in its key, and nothing else of the kind.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{CrateOverride, NativeRecipe, Need, Needs, PackageName, RecipeSet, Tool};
use orlop_resolver::{DependencyKind, Resolution};
use orlop_store::StorePath;
use orlop_store::derivation::Tools;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;

use crate::native::native_needs;

/// The C tools of the machine, by the [extra](Tool::is_extra) ones that are in them.
pub type ToolSets = BTreeMap<BTreeSet<Tool>, StorePath>;

/// Returns which extra tools the steps of an app will ask for together: the C tools that must be
/// in the store before it can be planned.
pub fn tool_sets(resolution: &Resolution, recipes: &RecipeSet) -> BTreeSet<BTreeSet<Tool>> {
    let scripts = of_scripts(resolution, recipes).into_values();
    let mut sets: BTreeSet<_> = scripts.map(|called| extras(&called.seen)).collect();
    sets.extend(of_libraries(native_needs(resolution, recipes), recipes));
    sets
}

/// Returns the same for native libraries and those that they need.
pub fn library_tool_sets(needs: &Needs, recipes: &RecipeSet) -> BTreeSet<BTreeSet<Tool>> {
    of_libraries(needs.iter(), recipes)
}

fn of_libraries<'a>(
    needs: impl Iterator<Item = (&'a PackageName, &'a Need)>,
    recipes: &'a RecipeSet,
) -> BTreeSet<BTreeSet<Tool>> {
    let natives = recipes.natives(needs);
    let called = natives.iter().filter_map(|native| match &**native {
        NativeRecipe::Library(library) => Some(library.called()),
        NativeRecipe::Cdylib(_) => None,
    });
    called.map(|called| extras(&called)).collect()
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

/// The programs of the machine that one build script has to do with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Called {
    /// Those without which it fails.
    pub(crate) needed: BTreeSet<Tool>,
    /// Those that it sees if the machine has them.
    pub(crate) seen: BTreeSet<Tool>,
}

/// Returns the programs that the build script of each package has to do with.
pub(crate) fn of_scripts(
    resolution: &Resolution,
    recipes: &RecipeSet,
) -> BTreeMap<NodeIndex, Called> {
    // What a crate's code calls, in whatever build script it is compiled into.
    let mut through: BTreeMap<NodeIndex, BTreeSet<Tool>> = BTreeMap::new();
    let mut scripts = BTreeMap::new();
    for node in resolution.order() {
        let variant = &resolution.graph[node];
        let change = recipes.override_for(&variant.name, &variant.version);
        let of = |field: fn(&CrateOverride) -> &BTreeSet<Tool>| {
            change.map(field).cloned().unwrap_or_default()
        };
        let of_crates = |kind: DependencyKind| -> BTreeSet<Tool> {
            resolution
                .graph
                .edges_directed(node, Direction::Outgoing)
                .filter(|edge| edge.weight().kind == kind)
                .flat_map(|edge| through[&edge.target()].iter().copied())
                .collect()
        };
        let own = of(|change| &change.through);
        if variant.package.build_script.is_some() {
            let mut needed = of_crates(DependencyKind::Build);
            needed = &needed - &of(|change| &change.unused_tools);
            needed.extend(of(|change| &change.tools));
            // A crate that calls a program for others may ask for its version while it is built.
            let seen = &needed | &own;
            scripts.insert(node, Called { needed, seen });
        }
        through.insert(node, &own | &of_crates(DependencyKind::Normal));
    }
    scripts
}
