//! A tag of an image.
//!
//! Rule: a tag that the registry would refuse is refused here, and never mended in silence.

use std::fmt;

use crate::error::hinted;

/// A tag, as in `1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// Parses one line of the `tags` input.
    pub fn parse(tag: &str) -> anyhow::Result<Self> {
        if is_tag(tag) {
            return Ok(Self(tag.to_owned()));
        }
        let message = format!("`{tag}` in `tags` is no image tag");
        if tag.contains('@') || tag.starts_with("sha256:") {
            let hint = "write a name such as `tags: $(Build.BuildId)`; the digest is in the output variable `imageDigest`";
            return Err(hinted(message, hint));
        }
        if let Some((repository, tag)) = split_tag(tag) {
            return Err(hinted(message, format!("write `repository: {repository}` and `tags: {tag}`")));
        }
        if tag.len() > 128 {
            return Err(anyhow::anyhow!(
                "a tag in `tags` has {} characters, and a registry takes at most 128",
                tag.len()
            ));
        }
        let replaced = tag.replace(|c| !is_tag_char(c), "-");
        let replaced = replaced.trim_start_matches(['.', '-']);
        if !is_tag(replaced) {
            return Err(hinted(message, "write a name such as `tags: $(Build.BuildId)`"));
        }
        let hint = if tag.contains('/') {
            format!(
                "a tag has no `/`: write `repository: {tag}` if it is a repository, `tags: {replaced}` if it is a tag"
            )
        } else {
            format!(
                "a tag is letters, digits, `_`, `.` and `-`, and begins with none of the last two: `tags: {replaced}`"
            )
        };
        Err(hinted(message, hint))
    }

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `name:tag` in its two parts, if it is that.
pub(super) fn split_tag(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|(name, tag)| !name.is_empty() && is_tag(tag))
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128 && !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(is_tag_char)
}

fn is_tag_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn tags_follow_the_grammar() {
        for tag in ["1.0", "_", "V1_2-rc.3", "latest", &"t".repeat(128)] {
            assert_eq!(Tag::parse(tag).expect(tag).as_str(), tag);
        }
    }

    #[test]
    fn what_is_no_tag_says_what_to_write() {
        let digest = "hint: write a name such as `tags: $(Build.BuildId)`; the digest is in the output variable `imageDigest`";
        let letters =
            "hint: a tag is letters, digits, `_`, `.` and `-`, and begins with none of the last two:";
        let cases = [
            ("repository and tag", "team/app:1.0", "hint: write `repository: team/app` and `tags: 1.0`".to_owned()),
            ("host, repository and tag", "r.io:5/a:b", "hint: write `repository: r.io:5/a` and `tags: b`".to_owned()),
            ("name and tag", "app:1.0", "hint: write `repository: app` and `tags: 1.0`".to_owned()),
            (
                "branch",
                "feature/x",
                "hint: a tag has no `/`: write `repository: feature/x` if it is a repository, `tags: feature-x` if it is a tag".to_owned(),
            ),
            ("digest", "sha256:0123", digest.to_owned()),
            ("digest of a repository", "app@sha256:0123", digest.to_owned()),
            ("blank", "a b", format!("{letters} `tags: a-b`")),
            ("plus", "1.0+5", format!("{letters} `tags: 1.0-5`")),
            ("dot first", ".1", format!("{letters} `tags: 1`")),
            ("empty", "", "hint: write a name such as `tags: $(Build.BuildId)`".to_owned()),
        ];
        for (name, tag, hint) in cases {
            let error = Tag::parse(tag).expect_err(name);
            assert_eq!(render(&error), format!("`{tag}` in `tags` is no image tag\n\n{hint}"), "{name}");
        }
        let error = Tag::parse(&"t".repeat(129)).expect_err("long");
        assert_eq!(render(&error), "a tag in `tags` has 129 characters, and a registry takes at most 128");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed(text in "(?s).{0,60}", ascii in "[a-zA-Z0-9 ./:@_-]{0,140}") {
            for text in [&text, &ascii] {
                if let Ok(tag) = Tag::parse(text) {
                    proptest::prop_assert_eq!(tag.as_str(), text);
                }
            }
        }
    }
}
