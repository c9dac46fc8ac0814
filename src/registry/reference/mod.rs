//! Image references, as the docker client and the registries read them.

mod repository;
mod tag;

pub use repository::{Repository, server_address};
pub use tag::Tag;
