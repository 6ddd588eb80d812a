//! What tests stand on: a home of their own ([`Env`]) and a registry of their own ([`Registry`]).

mod env;
mod registry;
mod server;

pub(crate) use env::{Env, Run};
pub(crate) use registry::{Package, Registry, checksum};
pub(crate) use server::{Fault, Server};
