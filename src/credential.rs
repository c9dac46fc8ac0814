//! What opens a feed. Today that is the job access token; Azure Artifacts takes it as the password of HTTP Basic
//! with any user name.

use secrecy::SecretString;

/// The user name that `PipAuthenticate@1` puts before the token; the service does not look at it.
pub const USERNAME: &str = "build";

/// A user name and its secret.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Any user name will do.
    pub username: &'static str,
    /// The password.
    pub secret: SecretString,
}

impl Credential {
    /// The job access token as a credential.
    #[must_use]
    pub fn job(token: &SecretString) -> Self {
        Self { username: USERNAME, secret: token.clone() }
    }
}
