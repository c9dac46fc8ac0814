//! What opens a package source or a registry, and where it comes from. Azure Artifacts takes a token as the password of
//! HTTP Basic with any user name, and takes a JWT (the job access token, an Entra or a session token) also as Bearer.

pub mod cloud;
pub mod federation;
pub mod managed_identity;
pub mod session;

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

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

/// How long before its end a credential is renewed, at most; a shorter one is renewed at half its life.
const MARGIN: Duration = Duration::from_mins(5);

/// How long to wait at least, whatever a service says of the life of its tokens.
const SHORTEST: Duration = Duration::from_secs(1);

/// When to renew a credential that ends at `end`.
#[must_use]
pub fn renewal(now: SystemTime, end: SystemTime) -> SystemTime {
    let left = end.duration_since(now).unwrap_or_default();
    now + left.saturating_sub(MARGIN).max(left / 2).max(SHORTEST)
}

/// When a token ends, as far as it says so: `exp` of a JWT (RFC 7519 section 4.1.4).
#[must_use]
pub fn expiry(token: &SecretString) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        exp: u64,
    }
    let claims = token.expose_secret().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_renewed_in_time() {
        let now = SystemTime::UNIX_EPOCH;
        let after = |left: u64| {
            let renewed = renewal(now, now + Duration::from_secs(left));
            renewed.duration_since(now).expect("not before now").as_secs()
        };
        assert_eq!((after(3600), after(400), after(4), after(0)), (3300, 200, 2, 1));
    }
}
