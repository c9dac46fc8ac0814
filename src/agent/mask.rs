//! The written forms that a secret can take, for the agent's masker and for our own redactor.
//!
//! Rule: whoever creates a secret registers it with the console before anything can print it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use crate::form::{self, URL_COMPONENT};

/// Values shorter than this are not searched for: a log with every `a1` masked is of no use.
pub const SHORTEST: usize = 4;

/// The forms that are registered with the agent: each line of the value raw and percent-encoded, and base64 of
/// the value alone and as `user:value` for each user name that we put before it (so Basic headers are covered).
#[must_use]
pub fn agent_forms(secret: &SecretString, users: &[&str]) -> Vec<SecretString> {
    let value = secret.expose_secret();
    let mut forms: Vec<String> = Vec::new();
    for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
        forms.push(line.to_owned());
        forms.push(utf8_percent_encode(line, URL_COMPONENT).to_string());
    }
    if value.len() >= SHORTEST {
        forms.push(STANDARD.encode(value));
        forms.extend(users.iter().map(|user| STANDARD.encode(format!("{user}:{value}"))));
    }
    let mut seen = std::collections::BTreeSet::new();
    forms.retain(|form| seen.insert(form.clone()));
    forms.into_iter().map(SecretString::from).collect()
}

/// The byte patterns that the redactor replaces: every written form of each line, and the base64 of the whole, which
/// has the ends of lines in it.
#[must_use]
pub fn patterns(secret: &[u8]) -> Vec<SecretBox<[u8]>> {
    let lines = secret.split(|&byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| line.len() >= SHORTEST);
    let mut forms: Vec<Vec<u8>> = lines
        .flat_map(form::written)
        .chain(form::in_base64(secret.trim_ascii()))
        .map(|(_, form)| form)
        .collect();
    forms.sort();
    forms.dedup();
    forms.into_iter().map(|form| SecretBox::new(form.into_boxed_slice())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(forms: &[SecretString]) -> Vec<&str> {
        forms.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn the_agent_gets_each_form_once() {
        let forms = agent_forms(&SecretString::from("pa ss%1"), &["build"]);
        assert_eq!(exposed(&forms), ["pa ss%1", "pa%20ss%251", "cGEgc3MlMQ==", "YnVpbGQ6cGEgc3MlMQ=="]);
    }

    #[test]
    fn each_line_of_a_long_secret_is_registered_alone_and_short_ones_not() {
        let forms = agent_forms(&SecretString::from("first line\nab\nlast"), &[]);
        let forms = exposed(&forms);
        assert!(forms.contains(&"first line") && forms.contains(&"last") && !forms.contains(&"ab"));
    }

    #[test]
    fn the_redactor_gets_every_form_of_each_line_and_the_base64_of_the_whole() {
        let patterns = patterns(b"first/line\nab\nlast");
        let has = |form: &str| patterns.iter().any(|pattern| pattern.expose_secret() == form.as_bytes());
        for form in ["first/line", "first%2Fline", "last", "66697273742F6C696E65", "Zmlyc3QvbGluZQphYgpsYXN0"]
        {
            assert!(has(form), "{form}");
        }
        assert!(!has("ab"));
    }
}
