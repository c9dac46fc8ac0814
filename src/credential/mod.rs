//! What opens a package source. Azure Artifacts takes a token as the password of HTTP Basic with any user name, and
//! takes a JWT (the job access token, an Entra or a session token) also as Bearer.

pub mod federation;
pub mod session;

use std::time::SystemTime;

use secrecy::SecretString;

/// The user name that `PipAuthenticate@1` puts before a token; the service does not look at it.
pub const USERNAME: &str = "build";

/// How a secret may be presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As Bearer, and as the password of Basic.
    Bearer,
    /// As the password of Basic only: a personal access token or a password.
    Basic,
}

/// A user name and its secret.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The user name for Basic.
    pub username: String,
    /// The password or token.
    pub secret: SecretString,
    /// How it may be presented.
    pub scheme: Scheme,
    /// When it ends, if that may be before the build does.
    pub expires: Option<SystemTime>,
}

impl Credential {
    /// A token of Azure DevOps or Entra.
    #[must_use]
    pub fn token(secret: SecretString, expires: Option<SystemTime>) -> Self {
        Self { username: USERNAME.to_owned(), secret, scheme: Scheme::Bearer, expires }
    }

    /// A user name and a password.
    #[must_use]
    pub fn basic(username: impl Into<String>, secret: SecretString) -> Self {
        Self { username: username.into(), secret, scheme: Scheme::Basic, expires: None }
    }
}
