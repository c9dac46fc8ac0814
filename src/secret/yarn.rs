//! .yarnrc.yml of yarn 2 and later.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn yarnrc(
    _sources: &[Source],
    _scopes: &[(String, Option<String>)],
) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
