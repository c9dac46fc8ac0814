//! auth.toml of Poetry.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn auth(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
