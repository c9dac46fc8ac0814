//! netrc, which pip, uv, curl, git and conda read. It knows hosts only: two organizations on one host cannot be
//! told apart in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};

use crate::error::hinted;
use crate::feed::source::Origin;

/// One `machine` line a host.
pub(super) fn render(origins: &[Origin]) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for origin in origins {
        let credential = origin.credential();
        let secret = credential.secret.expose_secret();
        let speakable = |text: &str| !text.is_empty() && !text.contains([' ', '\t', '\n', '\r', '"', '\\']);
        anyhow::ensure!(
            speakable(&credential.username) && speakable(secret),
            "a netrc cannot hold a user name or password with blanks, quotes or backslashes"
        );
        for host in origin.hosts() {
            match seen.get(&host) {
                Some(known) if *known == secret => continue,
                Some(_) => {
                    return Err(hinted(
                        format!("a netrc knows hosts only, and `{host}` is opened by different credentials"),
                        "mount a file that knows URLs instead (see `docs/secrets.md`)",
                    ));
                }
                None => {}
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "machine {host} login {} password {secret}", credential.username);
            seen.insert(host, secret);
        }
    }
    Ok(text.into())
}
