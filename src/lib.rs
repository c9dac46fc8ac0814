//! One step from private feeds to a pushed image: signs in to Azure Artifacts feeds, builds with BuildKit and
//! pushes, so that no credential can be found anywhere but inside the `RUN` that mounts it.

pub mod acquire;
pub mod agent;
pub mod buildx;
pub mod cancel;
pub mod commit;
pub mod console;
pub mod credential;
pub mod csv;
pub mod dockerfile;
pub mod error;
pub mod feed;
pub mod feeder;
pub mod form;
pub mod guard;
pub mod http;
pub mod lines;
pub mod plan;
pub mod preflight;
pub mod private;
pub mod process;
pub mod redact;
pub mod registry;
pub mod report;
pub mod secret;
mod step;
pub mod tags;

pub use step::{main_stage, post_job};
