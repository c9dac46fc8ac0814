//! The sandbox seen from outside, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

mod acr;
mod cargo;
mod client;
mod faults;
mod federation;
mod maven;
mod network;
mod npm;
mod nuget;
mod package_server;
mod program;
mod pypi;
mod registry;
mod rest;
mod session;
mod twine;
