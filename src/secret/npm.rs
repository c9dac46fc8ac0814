//! .npmrc of npm, pnpm and yarn 1.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn npmrc(
    _sources: &[Source],
    _scopes: &[(String, Option<String>)],
) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
