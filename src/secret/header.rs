//! Credentials as an `Authorization` header holds them; `of` is whose they are, for the error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;

use crate::credential::{Credential, Scheme};

/// The header's value, with its scheme.
pub(super) fn authorization(of: &str, credential: &Credential) -> anyhow::Result<String> {
    match credential.scheme {
        Scheme::Bearer => Ok(format!("Bearer {}", bearer(of, credential)?)),
        Scheme::Basic => Ok(format!("Basic {}", basic(of, credential)?)),
    }
}

/// A token as a Bearer header holds it (RFC 6750, section 2.1).
pub(super) fn bearer<'a>(of: &str, credential: &'a Credential) -> anyhow::Result<&'a str> {
    let token = credential.secret.expose_secret();
    let held = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    anyhow::ensure!(
        !token.is_empty() && token.chars().all(held),
        "the token of `{of}` has characters that a Bearer header cannot hold"
    );
    Ok(token)
}

/// User name and password as a Basic header holds them (RFC 7617, section 2).
pub(super) fn basic(of: &str, credential: &Credential) -> anyhow::Result<String> {
    let user = &credential.username;
    anyhow::ensure!(
        !user.contains(':'),
        "the user name of `{of}` has a colon, which a Basic header cannot hold"
    );
    Ok(STANDARD.encode(format!("{user}:{}", credential.secret.expose_secret())))
}
