//! Feed names as `artifactFeeds` writes them: `feed`, `project/feed`, `feed@view`.

use std::fmt;

use crate::agent::env::unexpanded;
use crate::error::hinted;

/// A feed, and where a project or a view is named, these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedName {
    /// The project of a project-scoped feed, by name or id.
    pub project: Option<String>,
    /// The feed, by name or id.
    pub feed: String,
    /// A view, such as `Release`.
    pub view: Option<String>,
}

impl FeedName {
    /// Parses the input `artifactFeeds`: names between commas or newlines; blanks around them do not count.
    pub fn parse_list(input: &str) -> anyhow::Result<Vec<Self>> {
        if let Some(name) = unexpanded(input) {
            return Err(hinted(
                format!("input `artifactFeeds` holds `$({name})`, but no variable `{name}` exists"),
                format!("define the variable `{name}`, or write the feed's name"),
            ));
        }
        input.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = |what: &str| {
            hinted(
                format!("input `artifactFeeds`: `{text}` {what}"),
                "write each feed as `feed` (organization-scoped) or `project/feed` (project-scoped), with `@view` \
                 behind it if you want a view",
            )
        };
        let parts: Vec<&str> = text.split('/').map(str::trim).collect();
        let (project, feed) = match parts[..] {
            [feed] => (None, feed),
            [project, feed] => (Some(project), feed),
            _ => return Err(wrong("has too many parts")),
        };
        let (feed, view) = match feed.split_once('@') {
            Some((feed, view)) => (feed.trim_end(), Some(view.trim_start())),
            None => (feed, None),
        };
        if project == Some("") {
            return Err(wrong("has an empty project"));
        }
        if feed.is_empty() {
            return Err(wrong("has an empty feed name"));
        }
        match view {
            Some("") => return Err(wrong("has an empty view")),
            Some(view) if view.contains('@') => return Err(wrong("has more than one view")),
            _ => {}
        }
        Ok(Self { project: project.map(Into::into), feed: feed.into(), view: view.map(Into::into) })
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(project) = &self.project {
            write!(f, "{project}/")?;
        }
        f.write_str(&self.feed)?;
        if let Some(view) = &self.view {
            write!(f, "@{view}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn lists_are_split_and_trimmed() {
        let names =
            FeedName::parse_list(" shared, My Project/web@Release\n\n x @ Local ,").expect("all are good");
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["shared", "My Project/web@Release", "x@Local"]);
        assert_eq!(names[1].project.as_deref(), Some("My Project"));
    }

    #[test]
    fn bad_names_are_named() {
        let table = [
            ("a/b/c", "`a/b/c` has too many parts"),
            ("/feed", "`/feed` has an empty project"),
            ("project/", "`project/` has an empty feed name"),
            ("@Release", "`@Release` has an empty feed name"),
            ("feed@", "`feed@` has an empty view"),
            ("feed@Local@Release", "`feed@Local@Release` has more than one view"),
            ("$(artifactFeed)", "no variable `artifactFeed` exists"),
        ];
        for (input, expected) in table {
            let text = error::render(&FeedName::parse_list(input).expect_err(input));
            assert!(text.contains(expected) && text.contains("\nhint: "), "{input}: {text}");
        }
    }
}
