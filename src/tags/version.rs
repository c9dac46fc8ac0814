//! Versions that are read from tags: semantic ones, and Python's.

use std::str::FromStr as _;

use super::expression::Expression;

/// Which grammar a version has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// <https://semver.org>
    Semver,
    /// <https://peps.python.org/pep-0440>
    Pep440,
}

/// A version and its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Version {
    raw: String,
    normal: String,
    parts: [u64; 3],
    /// Neither a pre-release nor one for developers, nor a post-release.
    pub(super) is_final: bool,
}

impl Version {
    /// Reads a version; one `v` may stand before it.
    pub(super) fn parse(text: &str, scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Semver => {
                let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
                // Build metadata is no part of what `{{version}}` says.
                let normal = semver::Version { build: semver::BuildMetadata::EMPTY, ..version.clone() };
                Some(Self {
                    raw: text.to_owned(),
                    normal: normal.to_string(),
                    parts: [version.major, version.minor, version.patch],
                    is_final: version.pre.is_empty(),
                })
            }
            Scheme::Pep440 => {
                let version = pep440_rs::Version::from_str(text).ok()?;
                let part = |index| version.release().get(index).copied().unwrap_or(0);
                Some(Self {
                    raw: text.to_owned(),
                    normal: version.to_string(),
                    parts: [part(0), part(1), part(2)],
                    is_final: !version.any_prerelease() && !version.is_post(),
                })
            }
        }
    }

    /// The version without what is optional in it.
    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    /// The value of an expression of the version's scope.
    pub(super) fn value(&self, expression: &Expression) -> String {
        match expression {
            Expression::Raw => self.raw.clone(),
            Expression::Major => self.parts[0].to_string(),
            Expression::Minor => self.parts[1].to_string(),
            Expression::Patch => self.parts[2].to_string(),
            _ => self.normal.clone(),
        }
    }
}
