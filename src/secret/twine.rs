//! .pypirc of twine.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn pypirc(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
