//! Scenarios: small registries, what is asked, and what comes out.
//!
//! | module | about |
//! |---|---|
//! | [`cases`] | failures saved and played again |
//! | [`errors`] | why there is no answer |
//! | [`features`] | which features are active, on which side |
//! | [`hard`] | registries made to lead a solver astray |
//! | [`locks`] | answers written down |
//! | [`policies`] | `locked` and `shared` |
//! | [`random`] | random registries against a brute-force oracle |
//! | [`scenarios`] | the files of `tests/scenarios` |
//! | [`versions`] | which versions are chosen |

mod cases;
mod errors;
mod features;
mod hard;
mod locks;
mod policies;
mod random;
mod scenarios;
mod versions;

use std::fmt::Write as _;

use crate::index::DependencyKind;
use crate::memory::MemoryIndex;
use crate::resolution::{Resolution, Side};
use crate::{Request, ResolveError, resolve, ways_out};

/// Solves for `app` and shows the graph.
fn solve(index: &MemoryIndex) -> String {
    solve_request(index, &index.request("app"))
}

fn solve_request(index: &MemoryIndex, request: &Request) -> String {
    show(&resolve(request, index).unwrap())
}

fn fail(index: &MemoryIndex) -> String {
    fail_request(index, &index.request("app"))
}

/// Shows an error as the command line does: the message, its causes, the hints.
fn fail_request(index: &MemoryIndex, request: &Request) -> String {
    let error = resolve(request, index).unwrap_err();
    let mut text = show_error(&error);
    for way in ways_out(&request.app, request, &error, index) {
        write!(text, "\nhint: {way}").unwrap();
    }
    text
}

fn show_error(error: &ResolveError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(text, ": {cause}").unwrap();
        source = cause.source();
    }
    for hint in error.hints() {
        write!(text, "\nhint: {hint}").unwrap();
    }
    text
}

/// One line per variant, with what it uses.
fn show(resolution: &Resolution) -> String {
    let graph = &resolution.graph;
    let name = |node| {
        let variant: &crate::Variant = &graph[node];
        let side = if variant.side == Side::Host {
            " host"
        } else {
            ""
        };
        format!("{} {}{side}", variant.name, variant.version)
    };
    let mut text = String::new();
    for node in graph.node_indices() {
        let features: Vec<&str> = graph[node].features.iter().map(AsRef::as_ref).collect();
        write!(text, "{} [{}]", name(node), features.join(", ")).unwrap();
        for (used, dependency) in resolution.dependencies(node) {
            let build = if dependency.kind == DependencyKind::Build {
                "build "
            } else {
                ""
            };
            write!(
                text,
                "\n    {build}{} = {}",
                dependency.extern_name,
                name(used)
            )
            .unwrap();
        }
        text.push('\n');
    }
    text
}
