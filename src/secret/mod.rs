//! Secrets under the ids that Dockerfiles mount: those of the catalogue, rendered for one client each, and the
//! user's own.

pub mod catalogue;
pub mod choice;
pub mod netrc;
pub mod pip;
pub mod user;

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

/// BuildKit takes no larger secret (`session/secrets/secretsprovider/store.go`).
pub const LARGEST: usize = 500 * 1024;

/// A secret and the id by which a Dockerfile mounts it.
#[derive(Debug)]
pub struct Secret {
    /// The id.
    pub id: String,
    /// The content.
    pub value: SecretSlice<u8>,
}

impl Secret {
    /// A secret that is text.
    #[must_use]
    pub fn text(id: &str, value: &SecretString) -> Self {
        Self { id: id.to_owned(), value: value.expose_secret().as_bytes().to_vec().into() }
    }
}
