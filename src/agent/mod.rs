//! The Azure Pipelines side: what the agent lays into the environment and what it reads from our output.

pub mod arguments;
mod build_options;
pub mod connection;
pub mod endpoint;
pub mod env;
pub mod inputs;
mod list;
pub mod logging;
pub mod mask;
pub mod network;
pub mod package_connection;
pub mod pipeline_labels;
mod push_arguments;
mod reader;
pub mod registry_connection;
mod secret_inputs;
pub mod secrets;
pub mod sources;
