//! netrc, which pip, uv, curl, git and conda read. It knows hosts only: two organizations on one host cannot be told
//! apart in it.
//!
//! The one trap: readers agree on blanks between words, but neither on quotes nor on escapes, so neither is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::hinted;
use crate::feed::source::Origin;

/// One `machine` line a host.
pub(super) fn render(origins: &[Origin]) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for origin in origins {
        let credential = origin.credential();
        let (user, secret) = (credential.username.as_str(), credential.secret.expose_secret());
        for host in origin.hosts() {
            if ![user, secret].into_iter().all(is_word) {
                return Err(hinted(
                    format!(
                        "a netrc cannot hold the credentials of `{host}`: they are empty, or have blanks, quotes or \
                         backslashes"
                    ),
                    "mount a file that knows escapes instead (see `docs/secrets.md`)",
                ));
            }
            match seen.get(&host) {
                Some(known) if *known == (user, secret) => continue,
                Some(_) => {
                    return Err(hinted(
                        format!("a netrc knows hosts only, and `{host}` is opened by different credentials"),
                        "mount a file that knows URLs instead (see `docs/secrets.md`)",
                    ));
                }
                None => {}
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "machine {host} login {user} password {secret}");
            seen.insert(host, (user, secret));
        }
    }
    Ok(text.into())
}

/// Whether all readers take it for one word as it is.
fn is_word(text: &str) -> bool {
    let parts = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\');
    !text.is_empty() && !text.contains(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;
    use crate::feed::index::Protocol;
    use crate::secret::fixture::{awkward, password};

    fn rendered(connections: &[(&str, &str, &str)]) -> anyhow::Result<SecretString> {
        let origins: Vec<Origin> = connections
            .iter()
            .map(|(url, user, secret)| Origin::Connection {
                protocol: Protocol::PyPi,
                source: password("a", url, user, secret),
            })
            .collect();
        render(&origins)
    }

    #[test]
    fn a_host_has_one_line() {
        let text = rendered(&[
            ("https://a.example/x/", "me", "p@:/%#<>&"),
            ("https://a.example/y/", "me", "p@:/%#<>&"),
            ("http://b.example:8080/", "you", "#é"),
        ]);
        assert_eq!(
            text.expect("it can be held").expose_secret(),
            "machine a.example login me password p@:/%#<>&\nmachine b.example login you password #é\n"
        );
    }

    #[test]
    fn what_it_cannot_hold_is_refused_and_not_shown() {
        let held = "a netrc cannot hold the credentials of `a.example`: they are empty, or have blanks, quotes or \
                    backslashes\n\nhint: mount a file that knows escapes instead (see `docs/secrets.md`)";
        let known = "a netrc knows hosts only, and `a.example` is opened by different credentials\n\n\
                     hint: mount a file that knows URLs instead (see `docs/secrets.md`)";
        let other = ("https://a.example/", "me", "other");
        let table = [
            (vec![("https://a.example/", "", "s3cret")], held),
            (vec![("https://a.example/", "me", "s3 cret")], held),
            (vec![("https://a.example/", "me", "s3\u{c}cret")], held),
            (vec![("https://a.example/", "m\"e", "s3cret")], held),
            (vec![("https://a.example/", "me", "s3\\cret")], held),
            (vec![other, ("https://a.example/", "me", "s3cret")], known),
            (vec![other, ("https://a.example/", "you", "other")], known),
        ];
        for (connections, expected) in table {
            assert_eq!(error::render(&rendered(&connections).expect_err(expected)), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let Ok(text) = rendered(&[("https://a.example/", &user, &secret)]) else {
                let refused = |c: char| c.is_whitespace() || c.is_control() || "\"\\".contains(c);
                proptest::prop_assert!((user + &secret).contains(refused));
                return Ok(());
            };
            let netrc = netrc_rs::Netrc::parse(text.expose_secret(), false).expect("it is a netrc");
            let [machine] = &netrc.machines[..] else { panic!("one machine") };
            proptest::prop_assert_eq!(machine.name.as_deref(), Some("a.example"));
            proptest::prop_assert_eq!(machine.login.as_deref(), Some(user.as_str()));
            proptest::prop_assert_eq!(machine.password.as_deref(), Some(secret.as_str()));
        }
    }
}
