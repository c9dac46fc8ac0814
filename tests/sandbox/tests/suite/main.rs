//! The sandbox seen from outside, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

mod client;
mod faults;
mod network;
mod program;
mod pypi;
mod registry;
mod rest;
