//! Azure Artifacts feeds: their names, where they are served, and what a refusal means.

pub mod index;
pub mod location;
pub mod lookup;
pub mod name;
pub mod refusal;
pub mod service;
pub mod source;
