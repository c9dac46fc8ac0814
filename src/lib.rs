//! One step from private feeds to a pushed image.

pub mod error;
