//! The variables of a job or a step, and how `$(name)` in a text is expanded from them.
//!
//! Names are compared without regard to case, and a variable that was secret stays secret.

/// A pipeline variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name as it was first spelled.
    pub name: String,
    /// The value, unmasked.
    pub value: String,
    /// Whether the value is masked and passed to node tasks as `SECRET_…`.
    pub secret: bool,
    /// Whether setting it again draws a warning.
    pub read_only: bool,
    /// Whether the environment name keeps the spelling of `name`.
    pub preserve_case: bool,
}

impl Variable {
    pub(crate) fn public(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), secret: false, read_only: false, preserve_case: false }
    }

    pub(crate) fn secret(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { secret: true, ..Self::public(name, value) }
    }

    /// The name that the variable has in an environment.
    pub(crate) fn environment_name(&self) -> String {
        let name = self.name.replace(['.', ' '], "_");
        if self.preserve_case { name } else { name.to_uppercase() }
    }
}

/// A name as it stands in an environment: `.` and space become `_`, letters become capitals.
pub(crate) fn environment_name(name: &str) -> String {
    name.replace(['.', ' '], "_").to_uppercase()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(Vec<Variable>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&Variable> {
        self.0.iter().find(|variable| same(&variable.name, name))
    }

    pub(crate) fn set(&mut self, mut variable: Variable) {
        match self.0.iter_mut().find(|known| same(&known.name, &variable.name)) {
            Some(known) => {
                variable.secret |= known.secret;
                variable.read_only |= known.read_only;
                *known = variable;
            }
            None => self.0.push(variable),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter()
    }

    /// The variables with the macros in their own values expanded; one that takes in a secret is secret.
    pub(crate) fn expanded(&self) -> Self {
        let expand = |variable: &Variable| {
            let mut expanded = variable.clone();
            expanded.value =
                self.expand_nested(&variable.value, &mut vec![&variable.name], &mut expanded.secret);
            expanded
        };
        Self(self.0.iter().map(expand).collect())
    }

    /// `text` with each `$(name)` of a known variable replaced once; unknown ones stay as they are.
    pub(crate) fn expand(&self, text: &str) -> String {
        expand_macros(text, |name| self.get(name).map(|variable| variable.value.clone()))
    }

    fn expand_nested<'a>(&'a self, text: &str, path: &mut Vec<&'a str>, secret: &mut bool) -> String {
        expand_macros(text, |name| {
            let variable = self.get(name)?;
            if path.iter().any(|outer| same(outer, name)) {
                return None;
            }
            *secret |= variable.secret;
            path.push(&variable.name);
            let value = self.expand_nested(&variable.value, path, secret);
            path.pop();
            Some(value)
        })
    }
}

/// Replaces each `$(name)` that `value` knows; what it put in is not looked at again.
pub(crate) fn expand_macros(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("$(") {
        let Some(length) = rest[start + 2..].find(')') else { break };
        let name = &rest[start + 2..start + 2 + length];
        expanded.push_str(&rest[..start]);
        if let Some(value) = value(name) {
            expanded.push_str(&value);
            rest = &rest[start + 2 + length + 1..];
        } else {
            // As the agent does: go on right after the `$`, so that `$(a$(b))` finds `b`.
            expanded.push('$');
            rest = &rest[start + 1..];
        }
    }
    expanded.push_str(rest);
    expanded
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| Variable::public(*name, *value)).collect())
    }

    #[test]
    fn known_macros_are_replaced_once_and_unknown_ones_stay() {
        let variables = variables(&[("Build.BuildId", "7"), ("nested", "$(Build.BuildId)"), ("empty", "")]);
        assert_eq!(
            variables.expand("v$(build.buildid)-$(nope)-$(nested)-$(empty)-$(x$(empty)y)-$()-$(open"),
            "v7-$(nope)-$(Build.BuildId)--$(xy)-$()-$(open"
        );
    }

    #[test]
    fn variables_that_refer_to_others_are_expanded_with_their_secrecy() {
        let mut variables = variables(&[
            ("image", "$(repository):$(id)"),
            ("repository", "app"),
            ("a", "$(b)"),
            ("b", "<$(a)>"),
        ]);
        variables.set(Variable::secret("id", "7"));
        let expanded = variables.expanded();
        let image = expanded.get("image").unwrap();
        assert_eq!((image.value.as_str(), image.secret), ("app:7", true));
        assert_eq!(expanded.get("a").unwrap().value, "<$(a)>");
    }

    #[test]
    fn a_secret_stays_a_secret() {
        let mut variables = Variables::default();
        variables.set(Variable::secret("Token", "one"));
        variables.set(Variable::public("TOKEN", "two"));
        assert_eq!(variables.0, [Variable { name: "TOKEN".into(), ..Variable::secret("", "two") }]);
    }
}
