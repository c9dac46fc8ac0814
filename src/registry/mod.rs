//! The registry: what an image is called there, who we are there, and what arrived there.

pub mod acr;
pub mod base_digest;
pub mod by_digest;
pub mod client;
pub mod config;
pub mod fault;
pub mod helper;
pub mod image_record;
pub mod login;
pub mod logins;
pub mod manifest;
pub mod push;
pub mod reference;
