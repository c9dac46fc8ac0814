//! What the run page shows in the end.

pub mod summary;
