//! nuget.config.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn config(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn credentials(_source: &Source) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn endpoints(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn prefixes(_origins: &[crate::feed::source::Origin]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
