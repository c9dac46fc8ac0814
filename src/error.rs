//! What a user is told when something fails: one message, its causes, and a hint only where it would work.
//!
//! Errors are [`anyhow::Error`]s. The message is a lowercase fragment that names the input, feed or file
//! in backticks and has no full stop; `.context(…)` at each low-level call gives the causes.

use std::fmt;

/// A message with the one change that mends it.
#[derive(Debug)]
pub struct Hinted {
    message: String,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// An error that says `message` and, below its causes, `hint: {hint}`.
///
/// As a context it works alike: `result.map_err(|cause| cause.context(hint_context(…)))`.
pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(hint_context(message, hint))
}

/// The message and hint as a context for an error that has causes of its own.
pub fn hint_context(message: impl Into<String>, hint: impl Into<String>) -> Hinted {
    Hinted { message: message.into(), hint: hint.into() }
}

/// The hint nearest to the outermost message, if any error in the chain carries one.
#[must_use]
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error
        .downcast_ref::<Hinted>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()))
        .map(|hinted| hinted.hint.as_str())
}

/// The whole error as the log shows it: message, `caused by:` lines, hint.
#[must_use]
pub fn render(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        text.push_str("\n  caused by: ");
        text.push_str(&cause.to_string());
    }
    if let Some(hint) = hint(error) {
        text.push_str("\n\nhint: ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_message_causes_hint() {
        let error = hinted("feed `a/b/c` has too many parts", "write `project/feed`")
            .context("cannot plan the build");
        assert_eq!(
            render(&error),
            "cannot plan the build\n  caused by: feed `a/b/c` has too many parts\n\nhint: write `project/feed`"
        );
    }

    #[test]
    fn a_hint_given_as_context_is_found() {
        let error = anyhow::anyhow!("connection refused").context(hint_context("no engine", "start docker"));
        assert_eq!(hint(&error), Some("start docker"));
    }
}
