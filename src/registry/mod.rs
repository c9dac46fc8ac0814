//! The registry: what an image is called there.

pub mod reference;
