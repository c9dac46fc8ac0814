//! Parser directives: the comments `# name=value` with which a Dockerfile may begin.
//!
//! It follows `frontend/dockerfile/parser/directives.go` and `linter/linter.go` of moby/buildkit.

use std::collections::BTreeMap;

/// The build argument that counts in place of the directive `check`.
const CHECK_ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// The character that continues a line.
pub(super) fn escape(text: &str) -> char {
    if value(text, "escape") == Some("`") { '`' } else { '\\' }
}

/// Whether BuildKit skips its check `rule`: by `# check=skip=RULE,RULE;error=true`, or by `skip=all`.
#[must_use]
pub fn skips_check(text: &str, build_args: &BTreeMap<String, String>, rule: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = build_args.get(CHECK_ARGUMENT).map(String::as_str).or_else(|| value(text, "check"));
    let pairs = options.unwrap_or_default().split(';').filter_map(|option| option.split_once('='));
    let skipped = pairs.filter(|(name, _)| name.trim() == "skip").map(|(_, rules)| rules.trim());
    skipped.into_iter().any(|rules| rules == "all" || rules.split(',').any(|skipped| skipped.trim() == rule))
}

/// The value of the first directive of this name. The first line that is none of BuildKit's directives ends them.
fn value<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    for line in text.lines() {
        let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
        match name.trim().to_ascii_lowercase() {
            name if name == wanted => return Some(value.trim()),
            name if ["syntax", "escape", "check"].contains(&name.as_str()) => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_skipped_by_its_name_or_with_all() {
        let skips = |text: &str| skips_check(text, &BTreeMap::new(), "SecretsUsedInArgOrEnv");
        for text in [
            "# check=skip=SecretsUsedInArgOrEnv\nFROM a",
            "\u{feff}#check=error=true; skip = JSONArgsRecommended , SecretsUsedInArgOrEnv",
            "# syntax=docker/dockerfile:1\r\n# Check = skip=all\r\nFROM a",
        ] {
            assert!(skips(text), "{text}");
        }
        for text in [
            "",
            "FROM a\n# check=skip=all",
            "# a comment\n# check=skip=all",
            "# check=skip=StageNameCasing",
            "# check=skip=secretsusedinargorenv",
            "# check=experimental=all",
            "# check=skip",
        ] {
            assert!(!skips(text), "{text}");
        }
    }

    #[test]
    fn the_build_argument_counts_in_place_of_the_directive() {
        let skips = |text: &str, value: &str| {
            let arguments = [(CHECK_ARGUMENT.to_owned(), value.to_owned())].into();
            skips_check(text, &arguments, "A")
        };
        assert!(skips("FROM a", "skip=A"));
        assert!(!skips("# check=skip=all\nFROM a", "error=true"));
    }
}
