//! The input `flavor`: what all tags have in common, and whether `latest` is one of them.

use anyhow::Context as _;

use super::expression::{Scope, Template};
use crate::csv;
use crate::error::hinted;

/// What all tags have in common.
#[derive(Debug, Default)]
pub(super) struct Flavor {
    /// Whether there is a tag `latest`; `None` is as the first rule says.
    pub(super) latest: Option<bool>,
    pub(super) prefix: Affix,
    pub(super) suffix: Affix,
}

/// What stands before or behind each tag.
#[derive(Debug, Default)]
pub(super) struct Affix {
    pub(super) text: Template,
    /// Whether it also stands at `latest`.
    pub(super) on_latest: bool,
}

impl Flavor {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut flavor = Self::default();
        for line in super::lines(text) {
            flavor.add(line).with_context(|| format!("`{line}` in `flavor` cannot be used"))?;
        }
        Ok(flavor)
    }

    /// `latest=auto|true|false`, `prefix=TEXT` or `suffix=TEXT`, the latter two perhaps with `onlatest=true|false` behind.
    fn add(&mut self, line: &str) -> anyhow::Result<()> {
        let mut affix: Option<&mut Affix> = None;
        for field in csv::fields(line) {
            let (key, value) = field.split_once('=').unwrap_or((&field, ""));
            let (key, value) = (key.trim().to_lowercase(), value.trim());
            match key.as_str() {
                "latest" if value == "auto" => self.latest = None,
                "latest" => {
                    self.latest = Some(boolean(value, "`latest=auto`, `latest=true` or `latest=false`")?);
                }
                "prefix" | "suffix" => {
                    let chosen = if key == "prefix" { &mut self.prefix } else { &mut self.suffix };
                    chosen.text = Template::parse(value, Scope::Run)?;
                    affix = Some(chosen);
                }
                "onlatest" if affix.is_some() => {
                    let on = boolean(value, "`onlatest=true` or `onlatest=false`")?;
                    if let Some(affix) = &mut affix {
                        affix.on_latest = on;
                    }
                }
                _ => {
                    return Err(hinted(
                        format!("`{key}` is not known here"),
                        "write `latest=auto`, `prefix=TEXT` or `suffix=TEXT`; `onlatest=true` stands behind one of the last \
                         two, e.g. `suffix=-alpine,onlatest=true`",
                    ));
                }
            }
        }
        Ok(())
    }
}

fn boolean(value: &str, known: &str) -> anyhow::Result<bool> {
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(hinted(format!("`{value}` is not known here"), format!("write {known}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn errors_say_what_to_write() {
        let known = "write `latest=auto`, `prefix=TEXT` or `suffix=TEXT`; `onlatest=true` stands behind one of the last two, \
                     e.g. `suffix=-alpine,onlatest=true`";
        let cases = [
            ("latest=yes", "`yes` is not known here", "write `latest=auto`, `latest=true` or `latest=false`"),
            ("prefix=a,onlatest=1", "`1` is not known here", "write `onlatest=true` or `onlatest=false`"),
            ("onlatest=true", "`onlatest` is not known here", known),
            ("alpine", "`alpine` is not known here", known),
        ];
        for (line, cause, hint) in cases {
            let error = render(&Flavor::parse(line).expect_err(line));
            assert_eq!(
                error,
                format!("`{line}` in `flavor` cannot be used\n  caused by: {cause}\n\nhint: {hint}")
            );
        }
    }
}
