//! What the run page and later steps get to know in the end.

mod arguments;
pub mod failure;
pub mod issues;
mod markdown;
pub mod outputs;
mod steps;
pub mod summary;
pub mod transcript;
