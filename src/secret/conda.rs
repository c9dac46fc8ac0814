//! `.condarc`: the sources as channels, with credentials in their URLs.
//!
//! The one trap: conda expands `$VAR` in channels. The credentials are percent-encoded and hold no `$`, but a path may.

use std::fmt::Write as _;

use secrecy::SecretString;
use serde_json::Value;

use super::pip::with_credential;
use crate::feed::source::Source;

/// A `.condarc`. A JSON string is also a double-quoted scalar of YAML.
pub(super) fn condarc(sources: &[Source]) -> SecretString {
    let mut text = String::from("channels:\n");
    for source in sources {
        let url = with_credential(&source.url, &source.credential).replace('$', "%24");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  - {}", Value::from(url));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use secrecy::ExposeSecret as _;
    use url::Url;

    use super::*;
    use crate::secret::fixture::{awkward, password, token};

    #[test]
    fn channels_keep_their_order() {
        let sources = [
            token("b", "https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/b$HOME/conda/v1"),
            password("a", "https://packages.example/conda", "m:e", "p@$x"),
        ];
        assert_eq!(
            condarc(&sources).expose_secret(),
            "channels:\n  \
               - \"https://build:to.ken@pkgs.dev.azure.com/contoso/My%20Project/_packaging/b%24HOME/conda/v1\"\n  \
               - \"https://m%3Ae:p%40%24x@packages.example/conda\"\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let source = password("a", "https://packages.example/conda", &user, &secret);
            let text = condarc(&[source.clone(), source]);
            let file: Value = serde_yaml_ng::from_str(text.expose_secret()).expect("it is YAML");
            let channels = file["channels"].as_array().expect("it has channels");
            proptest::prop_assert_eq!(channels.len(), 2);
            for channel in channels {
                let url = Url::parse(channel.as_str().expect("it is text")).expect("it is a URL");
                let decoded = |text| percent_decode_str(text).decode_utf8().expect("it is UTF-8");
                proptest::prop_assert_eq!(decoded(url.username()), user.as_str());
                proptest::prop_assert_eq!(decoded(url.password().expect("it has one")), secret.as_str());
                proptest::prop_assert_eq!(url.path(), "/conda");
            }
        }
    }
}
