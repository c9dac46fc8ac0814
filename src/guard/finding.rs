//! What is said of a needle that was found.
//!
//! Rule: a finding never holds the needle: every text of the image in it went through [`super::Searcher::redact`].

use std::fmt::{self, Display, Formatter};

use super::config;
use super::needle::Severity;
use crate::form::Form;

/// The most characters of a name or an instruction that are shown.
const LONGEST: usize = 200;

/// A needle that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The needle's name.
    pub needle: String,
    /// What it does to the step.
    pub severity: Severity,
    /// How it is written there.
    pub form: Form,
    /// The platforms of the images that hold it, e.g. `linux/arm64/v8`; none if no image of the archive refers to it.
    pub platforms: Vec<String>,
    /// Where it is.
    pub place: Place,
    /// What made it, if the image's history says so.
    pub instruction: Option<Instruction>,
    /// What to change, a sentence without its full stop.
    pub mend: Option<String>,
}

/// Where a needle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a layer.
    Layer {
        /// The layer's digest.
        digest: String,
        /// The layer's place in the image, from 1.
        number: Option<usize>,
        /// The path in the layer, and those in the archives within. Empty for what belongs to no file.
        path: Vec<String>,
        /// In bytes from the begin of the file, as it is unpacked.
        offset: u64,
        /// Whether it is in the file's name or attributes.
        in_header: bool,
        /// The later layer that deletes the file, from 1.
        deleted_by: Option<usize>,
    },
    /// In the config, or in another document.
    Document(config::Place),
    /// In a blob that is neither.
    Blob {
        /// Its digest.
        digest: String,
        /// In bytes from its begin.
        offset: u64,
    },
}

/// An instruction of the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// As the image's history has it.
    pub text: String,
    /// The line on which it begins, from 1, if it is one of this Dockerfile.
    pub line: Option<usize>,
}

impl Instruction {
    /// Whether the description of a build cache's record (`[2/3] RUN make`, `mount / from exec /bin/sh -c make`) is that
    /// of this instruction.
    #[must_use]
    pub fn is_in(&self, description: &str) -> bool {
        let text = self.text.strip_suffix(" # buildkit").unwrap_or(&self.text);
        let command = text.split_once("/bin/sh -c ").map_or(text, |(_, command)| command);
        !command.is_empty() && description.contains(command)
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in the image", self.needle)?;
        if !self.platforms.is_empty() {
            write!(f, " for {}", self.platforms.join(", "))?;
        }
        write!(f, ", {}, {}", self.form, self.place)?;
        match &self.instruction {
            Some(Instruction { text, line: Some(line) }) => {
                write!(f, ", made by line {line} of the Dockerfile, `{}`", shown(text))?;
            }
            Some(Instruction { text, line: None }) => write!(f, ", made by `{}`", shown(text))?,
            None => {}
        }
        match &self.mend {
            Some(mend) => write!(f, ": {mend}"),
            None => Ok(()),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer { digest, number, path, offset, in_header, deleted_by } => {
                match (path.is_empty(), in_header) {
                    (true, _) => write!(f, "at byte {offset} of the unpacked layer")?,
                    (false, true) => {
                        write!(f, "in the name or the attributes of `{}`", shown(&path.join("!")))?;
                    }
                    (false, false) => write!(f, "at byte {offset} of `{}`", shown(&path.join("!")))?,
                }
                match number {
                    Some(number) => write!(f, " in layer {number} ({})", short(digest))?,
                    None => write!(f, " in {}", short(digest))?,
                }
                match deleted_by {
                    Some(later) => write!(f, ", which layer {later} only hides"),
                    None => Ok(()),
                }
            }
            Self::Document(place) => place.fmt(f),
            Self::Blob { digest, offset } => write!(f, "at byte {offset} of the blob {}", short(digest)),
        }
    }
}

impl Display for config::Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "in the variable `{}` of its config", shown(name)),
            Self::Label(name) => write!(f, "in the label `{}`", shown(name)),
            Self::History(entry) => write!(f, "in entry {} of its history", entry + 1),
            Self::Annotation(name, of) => write!(f, "in the annotation `{}` of its {of}", shown(name)),
            Self::Other(place) => write!(f, "in {}", shown(place)),
        }
    }
}

/// Enough of a digest to find it by.
fn short(digest: &str) -> &str {
    const LEN: usize = "sha256:0123456789ab".len();
    digest.get(..LEN).unwrap_or(digest)
}

/// A text of the image on one line, of bearable length: names may hold anything.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
