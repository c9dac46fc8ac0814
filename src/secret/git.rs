//! git's configuration for the organization's repositories: a header for all URLs under the collection's, in both host
//! families, since a submodule or a lock file keeps the spelling of the day it was written.
//!
//! The one trap: in a value, `"`, `\`, `#` and `;` mean more than themselves. A header that holds a token or Base64 has
//! none of them, and neither has a [`Url`].

use std::fmt::Write as _;

use secrecy::SecretString;
use url::Url;

use super::header;
use crate::credential::Credential;
use crate::feed::service::Organization;

/// A git configuration.
pub(super) fn config(collection: &Url, credential: &Credential) -> anyhow::Result<SecretString> {
    let authorization = header::authorization(collection.as_str(), credential)?;
    let mut text = String::new();
    for url in Organization::of(collection).collections() {
        // Writing to a String cannot fail.
        let _ = write!(text, "[http \"{url}\"]\n\textraHeader = Authorization: {authorization}\n");
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use configparser::ini::Ini;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::error;
    use crate::secret::fixture::{awkward, password, token, url};

    const SERVER: &str = "https://tfs.corp:8443/tfs/Default%20Collection/";

    #[test]
    fn repositories_are_opened_in_both_host_families() {
        let (bearer, basic) = (token("a", SERVER).credential, password("a", SERVER, "me", "p\"").credential);
        let both = "[http \"https://dev.azure.com/Contoso/\"]\n\
                    \textraHeader = Authorization: Bearer to.ken\n\
                    [http \"https://contoso.visualstudio.com/\"]\n\
                    \textraHeader = Authorization: Bearer to.ken\n";
        let server = "[http \"https://tfs.corp:8443/tfs/Default%20Collection/\"]\n\
                      \textraHeader = Authorization: Basic bWU6cCI=\n";
        for (collection, credential, expected) in
            [("https://dev.azure.com/Contoso/", &bearer, both), (SERVER, &basic, server)]
        {
            let text = config(&url(collection), credential).expect("it can be held");
            assert_eq!(text.expose_secret(), expected);
        }
    }

    #[test]
    fn what_a_header_cannot_hold_is_refused_and_not_shown() {
        let bearer = Credential::token(SecretString::from("s3cret\n"), None);
        let table = [
            (
                bearer,
                "the token of `https://dev.azure.com/x/` has characters that a Bearer header cannot hold",
            ),
            (
                password("a", SERVER, "m:e", "s3cret").credential,
                "the user name of `https://dev.azure.com/x/` has a colon, which a Basic header cannot hold",
            ),
        ];
        for (credential, expected) in table {
            let error = config(&url("https://dev.azure.com/x/"), &credential).expect_err(expected);
            assert_eq!(error::render(&error), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let Ok(text) = config(&url(SERVER), &password("a", SERVER, &user, &secret).credential) else {
                proptest::prop_assert!(user.contains(':'));
                return Ok(());
            };
            let mut ini = Ini::new_cs();
            ini.read(text.expose_secret().to_owned()).expect("it is INI");
            let value = ini.get(&format!("http \"{SERVER}\""), "extraHeader").expect("it is there");
            let encoded = value.strip_prefix("Authorization: Basic ").expect("it is Basic");
            let decoded = STANDARD.decode(encoded).expect("it is Base64");
            proptest::prop_assert_eq!(decoded, format!("{user}:{secret}").into_bytes());
        }
    }
}
