//! Reads inputs, and decides what a macro means that the agent could not expand.

use super::env::{Env, wholly_unexpanded};
use crate::error::hinted;

/// A reader of inputs; it gathers warnings.
pub(super) struct Reader<'a> {
    /// The environment that holds the inputs.
    pub(super) env: &'a Env,
    /// What the user should look at.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        Self { env, warnings: Vec::new() }
    }

    /// An input that counts as unset, with a warning, if it is a macro that was left.
    pub(super) fn lenient(&mut self, name: &str) -> Option<&'a str> {
        let value = self.env.input(name)?;
        let Some(variable) = wholly_unexpanded(value) else { return Some(value) };
        self.warnings.push(format!("input `{name}` is ignored: no variable `{variable}` exists"));
        None
    }

    pub(super) fn boolean(&mut self, name: &str) -> anyhow::Result<bool> {
        self.boolean_or(name, false)
    }

    pub(super) fn boolean_or(&mut self, name: &str, default: bool) -> anyhow::Result<bool> {
        match self.lenient(name) {
            None => Ok(default),
            Some(value) => boolean(value).ok_or_else(|| unknown_value(name, value, "`true` or `false`")),
        }
    }

    /// Whether a `NAME=VALUE` has a value: not if that is a macro that was left. `what` says what it is.
    pub(super) fn has_value(&mut self, what: &str, pair: &str) -> bool {
        let (name, value) = pair.split_once('=').unwrap_or((pair, pair));
        let Some(variable) = wholly_unexpanded(value) else { return true };
        self.warnings.push(format!("{what} `{name}` is left out: no variable `{variable}` exists"));
        false
    }
}

/// `true` or `false` in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let known = |word: &str| text.eq_ignore_ascii_case(word);
    if known("true") { Some(true) } else { known("false").then_some(false) }
}

pub(super) fn unknown_value(name: &str, value: &str, known: &str) -> anyhow::Error {
    hinted(format!("input `{name}` does not know `{value}`"), format!("write {known}"))
}
