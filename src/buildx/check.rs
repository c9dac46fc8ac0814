//! What `call: check` found in a Dockerfile: `result.json` in buildx's metadata file (BuildKit,
//! `frontend/subrequests/lint/lint.go`).

use std::fmt::Write as _;

use serde::Deserialize;

use super::progress::{CheckWarning, Location};
use crate::error::hinted;

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "result.json")]
    result: Findings,
}

/// The findings of a check.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    #[serde(default)]
    warnings: Vec<Warning>,
    #[serde(default)]
    sources: Vec<Source>,
    build_error: Option<BuildError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Warning {
    rule_name: String,
    #[serde(default)]
    description: String,
    url: Option<String>,
    #[serde(default)]
    detail: String,
    location: Option<Place>,
}

#[derive(Debug, Deserialize)]
struct Source {
    filename: String,
}

#[derive(Debug, Deserialize)]
struct BuildError {
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    #[serde(default)]
    source_index: usize,
    #[serde(default)]
    ranges: Vec<Range>,
}

#[derive(Debug, Deserialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Debug, Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
}

impl Findings {
    /// Parses a metadata file; `None` if it holds none.
    #[must_use]
    pub fn parse(metadata: &[u8]) -> Option<Self> {
        Some(serde_json::from_slice::<Metadata>(metadata).ok()?.result)
    }

    /// The findings as those of a build are told; `redact` takes secrets out of their text.
    #[must_use]
    pub fn warnings(&self, redact: impl Fn(&str) -> String) -> Vec<CheckWarning> {
        let told = |warning: &Warning| CheckWarning {
            rule: Some(warning.rule_name.clone()),
            message: redact(&warning.detail),
            detail: vec![redact(&warning.description)],
            url: warning.url.clone(),
            location: warning.location.as_ref().and_then(|place| self.location(place)),
        };
        self.warnings.iter().map(told).collect()
    }

    fn location(&self, place: &Place) -> Option<Location> {
        let first = place.ranges.first()?.start.line;
        let last = place.ranges.last()?.end.line;
        Some(Location { file: self.sources.get(place.source_index)?.filename.clone(), first, last })
    }

    /// The error, if something was found.
    #[must_use]
    pub fn error(&self) -> Option<anyhow::Error> {
        if let Some(error) = &self.build_error {
            return Some(
                anyhow::anyhow!("{}", error.message).context("`call: check` cannot read the Dockerfile"),
            );
        }
        let first = self.warnings.first()?;
        let mut text = format!("`call: check` found {} in the Dockerfile", count(self.warnings.len()));
        for warning in &self.warnings {
            let line = warning.location.as_ref().and_then(|place| self.location(place));
            let line = line.map_or_else(String::new, |location| format!("line {}: ", location.first));
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {line}{} ({})", warning.detail, warning.rule_name);
        }
        Some(hinted(
            text,
            format!(
                "mend it, or leave a check out by a line `# check=skip={}` at the top of the Dockerfile",
                first.rule_name
            ),
        ))
    }
}

fn count(number: usize) -> String {
    if number == 1 { "a mistake".to_owned() } else { format!("{number} mistakes") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn findings_are_told_with_their_lines() {
        let text = br#"{"result.json": {"warnings": [
            {"ruleName": "FromAsCasing", "description": "about casing", "url": "https://docs/", "detail": "casing differs",
             "location": {"ranges": [{"start": {"line": 1}, "end": {"line": 2}}]}},
            {"ruleName": "Other", "detail": "nowhere", "location": {"sourceIndex": 7, "ranges": []}}],
            "sources": [{"filename": "Dockerfile", "data": ""}]}}"#;
        let findings = Findings::parse(text).expect("it is whole");
        assert_eq!(
            render(&findings.error().expect("there are some")),
            "`call: check` found 2 mistakes in the Dockerfile\n  line 1: casing differs (FromAsCasing)\n  nowhere (Other)\n\n\
             hint: mend it, or leave a check out by a line `# check=skip=FromAsCasing` at the top of the Dockerfile"
        );
        let location = Some(Location { file: "Dockerfile".to_owned(), first: 1, last: 2 });
        let warnings = findings.warnings(str::to_uppercase);
        assert_eq!(
            warnings[0],
            CheckWarning {
                rule: Some("FromAsCasing".to_owned()),
                message: "CASING DIFFERS".to_owned(),
                detail: vec!["ABOUT CASING".to_owned()],
                url: Some("https://docs/".to_owned()),
                location,
            }
        );
        assert_eq!(warnings[1].location, None);
    }

    #[test]
    fn a_file_that_is_no_dockerfile() {
        let text =
            br#"{"result.json": {"buildError": {"message": "unknown instruction: NOPE", "location": {}}}}"#;
        let error = Findings::parse(text).and_then(|findings| findings.error()).expect("it says so");
        assert_eq!(
            render(&error),
            "`call: check` cannot read the Dockerfile\n  caused by: unknown instruction: NOPE"
        );
        assert!(
            Findings::parse(br#"{"result.json": {"warnings": []}}"#).expect("it is whole").error().is_none()
        );
        for text in ["", "{}", r#"{"result.json": {"targets": []}}"#] {
            let error = Findings::parse(text.as_bytes()).and_then(|findings| findings.error());
            assert!(error.is_none(), "{text}");
        }
    }
}
