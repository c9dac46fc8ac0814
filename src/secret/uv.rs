//! uv.toml of uv.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn toml(_index: Option<&Source>, _extra: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
