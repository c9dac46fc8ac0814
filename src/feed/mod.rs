//! Azure Artifacts feeds: their names, where they are served, and what the service's answers mean.

pub mod answer;
pub mod doctor;
pub mod index;
pub mod location;
pub mod lookup;
pub mod name;
pub mod service;
pub mod source;
