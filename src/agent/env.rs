//! The environment as the agent laid it, taken once at start.
//!
//! Rule: nothing else in the crate reads environment variables. Names are mangled as the agent mangles them
//! (`VarUtil.ConvertToEnvVariableFormat`: `.` and space become `_`, then upper case).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;

use crate::error::hinted;

/// A snapshot of environment variables; some of them are secret, so `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process. Variables that are no Unicode are passed over: the agent writes none.
    #[must_use]
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .map(|(name, value)| (system_name(&name).into_owned(), value))
            .collect()
    }

    /// A variable by its exact name (on Windows in any case); an empty one counts as unset, as everywhere in the agent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&*system_name(name)).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable whose value is secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }

    /// An input of the task, trimmed, `None` when empty.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&str> {
        self.get(&format!("INPUT_{}", mangle(name))).map(str::trim).filter(|value| !value.is_empty())
    }

    /// An input in which a macro that the agent left is an error, naming the variable that does not exist.
    pub fn strict_input(&self, name: &str) -> anyhow::Result<Option<&str>> {
        let Some(value) = self.input(name) else { return Ok(None) };
        check_expanded(&format!("input `{name}`"), value)?;
        Ok(Some(value))
    }

    /// A public pipeline variable such as `Build.BuildId`, or a variable of the step's `env:` block.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.get(&mangle(name)).or_else(|| self.get(name))
    }

    /// A pipeline variable that may be secret; the secret one wins, as in the task library's `getVariable`.
    #[must_use]
    pub fn secret_variable(&self, name: &str) -> Option<SecretString> {
        self.secret(&format!("SECRET_{}", mangle(name)))
            .or_else(|| self.variable(name).map(SecretString::from))
    }

    /// All variables, for the environment of a child; see [`crate::process::environment`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A variable's name as it is a key here: Windows knows `PATH` and `Path` as the same.
fn system_name(name: &str) -> Cow<'_, str> {
    if cfg!(windows) { name.to_uppercase().into() } else { name.into() }
}

/// A variable's name as the agent writes it into the environment.
#[must_use]
pub fn mangle(name: &str) -> String {
    name.replace(['.', ' '], "_").to_uppercase()
}

/// The name of the first `$(name)` in a value: a macro that the agent left because no such variable exists.
#[must_use]
pub fn unexpanded(value: &str) -> Option<&str> {
    value.match_indices("$(").find_map(|(start, _)| {
        let (name, _) = value[start + 2..].split_once(')')?;
        let plausible = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' '));
        (plausible && !name.is_empty()).then_some(name)
    })
}

/// An error if a macro is left in a value; `at` says where that stands.
pub fn check_expanded(at: &str, value: &str) -> anyhow::Result<()> {
    match unexpanded(value) {
        None => Ok(()),
        Some(variable) => Err(hinted(
            format!("{at} holds `$({variable})`, but no variable `{variable}` exists"),
            format!(
                "define the variable `{variable}` in the pipeline, or link the variable group that holds it"
            ),
        )),
    }
}

/// Like [`unexpanded`], for a value that is a macro and nothing else.
#[must_use]
pub fn wholly_unexpanded(value: &str) -> Option<&str> {
    let value = value.trim();
    unexpanded(value).filter(|name| value.len() == name.len() + 3)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn names_are_mangled_as_the_agent_does() {
        let env = Env::from_iter([
            ("INPUT_ARTIFACTFEEDS", " shared \n"),
            ("BUILD_BUILDID", "7"),
            ("SECRET_MY_PASSWORD", "s3cret"),
            ("EMPTY", ""),
        ]);
        assert_eq!(env.input("artifactFeeds"), Some("shared"));
        assert_eq!(env.variable("Build.BuildId"), Some("7"));
        assert_eq!(env.get("EMPTY"), None);
        assert_eq!(env.secret_variable("my.password").expect("it is set").expose_secret(), "s3cret");
    }

    #[test]
    fn debug_shows_no_value() {
        let env = Env::from_iter([("SECRET_X", "s3cret")]);
        assert_eq!(format!("{env:?}"), r#"{"SECRET_X"}"#);
    }

    #[test]
    fn macros_that_the_agent_left_are_found() {
        assert_eq!(unexpanded("acr.io/$(imageRepository):1"), Some("imageRepository"));
        assert_eq!(unexpanded("a $( b"), None);
        assert_eq!(unexpanded("$(cat /run/secrets/x)"), None);
        assert_eq!(wholly_unexpanded(" $(tag) "), Some("tag"));
        assert_eq!(wholly_unexpanded("v$(tag)"), None);
    }
}
