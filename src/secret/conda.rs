//! .condarc of conda.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn condarc(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
