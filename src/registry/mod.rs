//! The registry: what an image is called there, who we are there, and what arrived there.

pub mod base_digest;
pub mod by_digest;
pub mod client;
pub mod config;
pub mod helper;
pub mod manifest;
pub mod oci_layout;
pub mod push;
pub mod reference;
