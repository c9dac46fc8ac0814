//! settings.xml of Maven.

use secrecy::SecretString;

use crate::feed::source::Source;

pub(super) fn settings(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}

pub(super) fn settings_with_mirror(_sources: &[Source]) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
