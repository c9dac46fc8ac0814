//! netrc, which pip, uv, curl, git and conda read. It knows hosts only: two organizations on one host cannot be
//! told apart in it.

use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};

use crate::credential::Credential;

/// One `machine` line a host. Tokens of Azure DevOps hold neither blanks nor quotes, which netrc could not.
#[must_use]
pub fn render(hosts: &[String], credential: &Credential) -> SecretString {
    let mut text = String::new();
    for host in hosts {
        let secret = credential.secret.expose_secret();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "machine {host} login {} password {secret}", credential.username);
    }
    text.into()
}
