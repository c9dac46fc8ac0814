//! What a build says of lines of the Dockerfile, for the run page. Pure.

use std::path::Path;

use crate::buildx::progress::{CheckWarning, Location};

/// The agent keeps ten warnings of a step.
const MOST: usize = 10;

/// A finding of a Dockerfile check as an issue.
#[derive(Debug, PartialEq, Eq)]
pub struct Issue<'a> {
    /// The line in the Dockerfile, from 1 on, if it is known.
    pub line: Option<usize>,
    /// The check's name.
    pub code: Option<&'a str>,
    /// What it found, and where that is explained.
    pub text: String,
}

/// The first findings; the rest is in the log and in the summary.
#[must_use]
pub fn checks<'a>(warnings: &'a [CheckWarning], dockerfile: &Path) -> Vec<Issue<'a>> {
    let issue = |warning: &'a CheckWarning| Issue {
        line: warning.location.as_ref().and_then(|location| line(location, dockerfile)),
        code: warning.rule.as_deref(),
        text: match &warning.url {
            Some(url) => format!("{} ({url})", warning.message),
            None => warning.message.clone(),
        },
    };
    warnings.iter().take(MOST).map(issue).collect()
}

/// The first line, if the location is in this Dockerfile: BuildKit knows it by its file name alone.
#[must_use]
pub fn line(location: &Location, dockerfile: &Path) -> Option<usize> {
    let is_it =
        location.file.is_empty() || dockerfile.file_name().is_some_and(|name| *name == *location.file);
    usize::try_from(location.first).ok().filter(|&line| is_it && line > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_on_its_line() {
        let warning = |file: &str, url: Option<&str>| CheckWarning {
            rule: Some("FromAsCasing".to_owned()),
            message: "'as' and 'FROM' differ".to_owned(),
            detail: vec!["more".to_owned()],
            url: url.map(str::to_owned),
            location: Some(Location { file: file.to_owned(), first: 4, last: 5 }),
        };
        let warnings = [warning("Dockerfile", Some("https://docs.example/x")), warning("other", None)];
        let issue = |line, text: &str| Issue { line, code: Some("FromAsCasing"), text: text.to_owned() };
        assert_eq!(
            checks(&warnings, Path::new("/s/app/Dockerfile")),
            [
                issue(Some(4), "'as' and 'FROM' differ (https://docs.example/x)"),
                issue(None, "'as' and 'FROM' differ")
            ]
        );
        assert_eq!(checks(&vec![warnings[0].clone(); 12], Path::new("Dockerfile")).len(), 10);
    }
}
