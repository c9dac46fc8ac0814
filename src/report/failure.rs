//! The instruction that failed a build, with the last of what it printed.

use std::path::Path;

use super::markdown::Markdown;
use crate::buildx::progress::Failure;

/// For the log, in the shape of buildx's plain progress. No line begins as a formatting command of the run page does.
#[must_use]
pub fn lines(failure: &Failure) -> Vec<String> {
    let Some(step) = &failure.step else { return Vec::new() };
    let said = failure.last_lines.iter().map(|line| format!("   {line}"));
    std::iter::once(format!(" > {step}:")).chain(said).collect()
}

/// For the summary.
pub(super) fn summary(markdown: Markdown<'_>, failure: &Failure, dockerfile: Option<&Path>) -> String {
    let Some(step) = &failure.step else { return String::new() };
    let place = failure.location.as_ref().map_or_else(String::new, |location| {
        let file = dockerfile.map_or_else(|| location.file.clone(), |path| path.display().to_string());
        format!(" at {}", markdown.code(&format!("{file}:{}", location.first)))
    });
    let said = failure.last_lines.join("\n");
    let said = if said.is_empty() { String::new() } else { format!("\n{}", markdown.block(&said)) };
    format!("Failed: {}{place}\n{said}\n", markdown.code(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildx::progress::Location;

    #[test]
    fn a_failure_names_its_place_and_quotes_its_output() {
        let failure = Failure {
            step: Some("[2/2] RUN make".to_owned()),
            last_lines: vec!["##[error]x".to_owned(), "```".to_owned()],
            location: Some(Location { file: "Dockerfile".to_owned(), first: 3, last: 4 }),
            message: None,
        };
        assert_eq!(
            summary(Markdown::new(&str::to_owned), &failure, Some(Path::new("/s/app/Dockerfile"))),
            "Failed: `[2/2] RUN make` at `/s/app/Dockerfile:3`\n\n````text\n##[error]x\n```\n````\n\n"
        );
        assert_eq!(lines(&failure), [" > [2/2] RUN make:", "   ##[error]x", "   ```"]);
        assert_eq!(lines(&Failure::default()), Vec::<String>::new());
    }
}
