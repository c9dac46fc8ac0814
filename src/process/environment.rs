//! The environment of a child that is not ours. Pure.
//!
//! Rule: it is the agent's, less what the agent lays for tasks only and less every variable in which a secret is found.

use std::collections::BTreeMap;

use crate::agent::env::Env;
use crate::redact::Redactor;

/// Variables that the agent lays for tasks only: inputs, service connections, secret variables, tickets of secure files,
/// state of the task (agent `Handler.cs`).
const PREFIXES: [&str; 5] = ["INPUT_", "ENDPOINT_", "SECRET_", "SECUREFILE_", "VSTS_TASKVARIABLE_"];

/// The same, by their whole names.
const NAMES: [&str; 3] = ["SYSTEM_ACCESSTOKEN", "VSTS_PUBLIC_VARIABLES", "VSTS_SECRET_VARIABLES"];

/// The variables of a child, and what it might miss.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChildEnv {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The names of those that were left out because a secret is in them.
    pub withheld: Vec<String>,
}

impl ChildEnv {
    /// Chooses from the agent's environment. Variables of `kept` may hold a secret; those of `dropped` are left out in
    /// any case.
    #[must_use]
    pub fn new(env: &Env, redactor: &Redactor, kept: &[&str], dropped: &[&str]) -> Self {
        let mut child = Self::default();
        for (name, value) in env.iter().filter(|(name, _)| !is_for_tasks(name) && !dropped.contains(name)) {
            if kept.contains(&name) || !(redactor.leaks(value.as_bytes()) || redactor.is_secret(value)) {
                child.variables.insert(name.to_owned(), value.to_owned());
            } else {
                child.withheld.push(name.to_owned());
            }
        }
        child
    }

    /// What the log says of the variables that were left out; nothing if there are none.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let names: Vec<String> = self.withheld.iter().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| {
            format!(
                "The docker client does not get variables that hold a secret of this job: {}",
                names.join(", ")
            )
        })
    }
}

/// Whether the agent lays a variable of this name for tasks only. Windows knows names in any case.
#[must_use]
pub fn is_for_tasks(name: &str) -> bool {
    let upper = name.to_uppercase();
    PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) || NAMES.contains(&upper.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "canary-token-???~~~";

    /// What becomes of one variable: `got`, `withheld` or `never`.
    fn fate(name: &str, value: &str) -> &'static str {
        let mut redactor = Redactor::default();
        redactor.add(TOKEN.as_bytes(), true);
        redactor.add(b"production", false);
        redactor.add(b"1", false);
        let child = ChildEnv::new(
            &Env::from_iter([(name, value)]),
            &redactor,
            &["NAMED", "BOTH", "SECRET_NAMED"],
            &["DROPPED", "BOTH"],
        );
        match (child.variables.get(name).map(String::as_str), &child.withheld[..]) {
            (Some(got), []) if got == value => "got",
            (None, [withheld]) if withheld == name => "withheld",
            (None, []) => "never",
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn every_variable_has_its_fate() {
        let basic = format!(
            "AUTH {}",
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("x:{TOKEN}"))
        );
        let url = format!("https://build:{}@host/", TOKEN.replace('?', "%3F"));
        let table = [
            ("PATH", "/bin", "got"),
            ("INPUTS", "x", "got"),
            ("INPUT_SECRETS", "x", "never"),
            ("input_tags", "x", "never"),
            ("ENDPOINT_AUTH_X", "x", "never"),
            ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://host/", "never"),
            ("SECRET_A", "x", "never"),
            ("SECUREFILE_TICKET_X", "x", "never"),
            ("VSTS_TASKVARIABLE_X", "x", "never"),
            ("SYSTEM_ACCESSTOKEN", "x", "never"),
            ("VSTS_SECRET_VARIABLES", "[]", "never"),
            ("DROPPED", "x", "never"),
            ("BOTH", TOKEN, "never"),
            ("SECRET_NAMED", TOKEN, "never"),
            ("NAMED", TOKEN, "got"),
            ("RAW", TOKEN, "withheld"),
            ("PIP_INDEX_URL", &url, "withheld"),
            ("HEADER", &basic, "withheld"),
            // A secret that is also a word counts only as a whole, and a short one not at all.
            ("STAGE", "production", "withheld"),
            ("FOLDER", "/srv/production", "got"),
            ("DOCKER_TLS_VERIFY", "1", "got"),
        ];
        for (name, value, expected) in table {
            assert_eq!(fate(name, value), expected, "{name}");
        }
    }
}
