//! The docker client and its engine: where they are, how the client is called, what it leaves.

pub mod args;
pub mod attestation;
pub mod build;
pub mod builder;
pub mod cache;
pub mod check;
pub mod client;
mod content;
pub mod context;
pub mod docker;
pub mod engine;
pub mod export;
pub mod failure;
pub mod history;
pub mod image_details;
mod layers;
pub mod limits;
mod load;
pub mod local;
pub mod makeup;
pub mod metadata;
pub mod options;
pub mod output;
pub mod progress;
pub mod store;
pub mod supply;
pub mod target;
pub mod transport;
#[cfg(unix)]
mod tunnel;
pub mod variables;
pub mod workshop;
