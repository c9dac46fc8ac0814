//! git's configuration for repositories of the organization.

use secrecy::SecretString;
use url::Url;

use crate::credential::Credential;

pub(super) fn config(_collection: &Url, _credential: &Credential) -> anyhow::Result<SecretString> {
    anyhow::bail!("not rendered yet")
}
