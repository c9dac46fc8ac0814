//! What the run page and later steps get to know in the end.

pub mod outputs;
pub mod summary;
pub mod transcript;
