//! Cargo's credentials and configuration.

use secrecy::SecretString;

use crate::credential::Credential;
use crate::feed::source::Source;

/// The provider that reads a token from configuration or environment; Cargo takes no default for it.
pub(super) const PROVIDER: &str = "cargo:token";

pub(super) fn credentials(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn config(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn token(_credential: &Credential) -> SecretString {
    SecretString::default()
}

pub(super) fn index(_source: &Source) -> SecretString {
    SecretString::default()
}
