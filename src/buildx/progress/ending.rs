//! What a client says at the end of a build that failed: a piece of the Dockerfile, and the error.
//!
//! ```text
//! Dockerfile:3
//! --------------------
//!    2 |     RUN make
//!    3 | >>> RUN make install
//! --------------------
//! ERROR: failed to build: failed to solve: process "…" did not complete successfully: exit code: 3
//! ```

use super::log::Location;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Ending {
    error: Option<String>,
    last: Option<String>,
    location: Option<Location>,
    is_in_block: bool,
}

impl Ending {
    /// Takes a redacted line that is no progress.
    pub(super) fn take(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix("ERROR: ") {
            self.error = Some(text.to_owned());
            return;
        }
        if let Some((file, number)) = line.rsplit_once(':')
            && let Ok(number) = number.parse::<u32>()
        {
            self.location = Some(Location { file: file.to_owned(), first: number, last: number });
            self.is_in_block = true;
        } else if let Some((number, text)) = line.split_once(" | ").filter(|_| self.is_in_block) {
            if let (Ok(number), Some(location)) = (number.trim().parse(), &mut self.location)
                && text.starts_with(">>>")
            {
                location.last = location.last.max(number);
            }
        } else if !line.trim_start().starts_with("---") {
            self.is_in_block = false;
        }
        if !line.starts_with('#') && !line.trim().is_empty() {
            self.last = Some(line.to_owned());
        }
    }

    /// The error, or the last line if no line says that it is one.
    pub(super) fn message(&self) -> Option<String> {
        self.error.clone().or_else(|| self.last.clone())
    }

    /// The lines of the Dockerfile; an error of the parser names one itself.
    pub(super) fn location(&self) -> Option<Location> {
        let parse_error = || {
            let (_, rest) = self.message()?.split_once("dockerfile parse error on line ").map(own)?;
            let line = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
            Some(Location { file: String::new(), first: line, last: line })
        };
        self.location.clone().or_else(parse_error)
    }
}

fn own((head, rest): (&str, &str)) -> (String, String) {
    (head.to_owned(), rest.to_owned())
}
