//! Tests of the program as users meet it, and of the house rules ([`tidy`]).
//!
//! Everything runs offline against a registry that the test makes ([`support::Registry`]), with
//! the real compiler. Tests that need the real registry are ignored by default: run them with
//! `cargo test --test orlop -- --ignored network`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads files and starts programs as it likes, and stops where something is odd"
)]

mod broken_recipes;
mod build_systems;
mod builds;
mod cdylibs;
mod checklist;
mod clashes;
mod codegen;
mod compiler_recipes;
mod compilers;
mod errors;
mod escapes;
mod exports;
mod generations;
mod gone;
mod install;
mod library_sources;
mod linking;
mod manifest;
mod native_choice;
mod natives;
mod needs;
mod network;
mod network_natives;
mod offline;
mod oracle;
mod outputs;
mod parity;
mod pipelining;
mod plugins;
mod recipe_authors;
mod recipe_mistakes;
mod recipe_share;
mod recipes;
mod resolve;
mod sharing;
mod shell;
mod stats;
mod support;
mod surroundings;
mod terminal;
mod tidy;
mod traps;
mod upkeep;
