//! gradle.properties and init.gradle.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn properties(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn init(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
