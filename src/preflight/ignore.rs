//! A `.dockerignore`: what of a build context the builder gets.
//!
//! It reads as moby/patternmatcher (`ignorefile.go`, `MatchesUsingParentResults`) and walks as tonistiigi/fsutil
//! (`filter.go`): the last pattern that matches a path or a folder around it decides.

use super::pattern::Pattern;

/// The patterns of an ignore file, in its order.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    /// `!`: what it matches is not ignored.
    exception: bool,
}

/// Which patterns matched a folder or one around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Matched(Vec<bool>);

impl Ignore {
    /// Reads the text of an ignore file; `None` if the builder would refuse it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim);
        Self::new(lines.filter(|line| !line.is_empty()))
    }

    /// Takes patterns as they are written.
    pub(super) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let entry = |text: &str| {
            let (exception, text) = match text.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, text),
            };
            if text.is_empty() {
                return None;
            }
            let cleaned = clean(text);
            let relative = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
            Some(Entry { pattern: Pattern::parse(relative)?, exception })
        };
        Some(Self { patterns: patterns.into_iter().map(entry).collect::<Option<_>>()? })
    }

    /// Whether a path is ignored, given what matched the folder that it is in, and what matches it.
    pub(super) fn look(&self, path: &str, around: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = vec![false; self.patterns.len()];
        for (at, entry) in self.patterns.iter().enumerate() {
            // A pattern that would change nothing is not asked.
            matched[at] = around.0.get(at).copied().unwrap_or(false)
                || entry.exception == ignored && entry.pattern.matches(path);
            if matched[at] {
                ignored = !entry.exception;
            }
        }
        (ignored, Matched(matched))
    }

    /// Whether something below an ignored folder may come back by an exception.
    pub(super) fn returns_below(&self, folder: &str) -> bool {
        let mut exceptions = self.patterns.iter().filter(|entry| entry.exception).map(|entry| &entry.pattern);
        let below = format!("{folder}/");
        exceptions.clone().any(Pattern::has_inner_wildcards)
            || exceptions.any(|pattern| format!("{}/", pattern.folder()).starts_with(&below))
    }
}

/// The shortest path of the same meaning, as `path.Clean` of Go.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let rooted = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is ignored, looked at folder by folder as a walk does.
    fn is_ignored(ignore: &Ignore, path: &str) -> bool {
        let mut matched = Matched::default();
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut ignored = false;
        for end in ends {
            (ignored, matched) = ignore.look(&path[..end], &matched);
        }
        ignored
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let cases: &[(&str, &str, bool)] = &[
            ("docs", "docs/README.md", true),
            ("docs\n!docs/README.md", "docs/README.md", false),
            ("docs/\n!docs/README.md", "docs/README.md", false),
            ("docs/*\n!docs/README.md", "docs/README.md", false),
            ("docs/*\n!docs/README.md", "docs/other.md", true),
            ("*.go\n!x.go", "x.go", false),
            ("!x.go\n*.go", "x.go", true),
            ("**\n!util/docker/web", "util/docker/web/foo", false),
            ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", true),
            ("**\n!dist/*.whl", "dist/a.whl", false),
            ("**\n!dist/*.whl", "dist/a.tar", true),
            ("*\n!src", "src/.env", false),
            ("*\n!src\n**/.env", "src/.env", true),
            ("/.npmrc", ".npmrc", true),
            ("/.npmrc", "a/.npmrc", false),
            (".npmrc", "a/.npmrc", false),
            ("**/.npmrc", "a/b/.npmrc", true),
            ("./a/../.env/", ".env", true),
            ("# .env\n  \n", ".env", false),
            (" # x", "# x", true),
            ("\u{feff}.env", ".env", true),
            ("! .env\n.env", ".env", true),
            (".env\n! /.env ", ".env", false),
            ("node_modules", "node_modules/a/.npmrc", true),
            ("node_modules", "web/node_modules/a/.npmrc", false),
        ];
        for (text, path, expected) in cases {
            let ignore = Ignore::parse(text).expect(text);
            assert_eq!(is_ignored(&ignore, path), *expected, "{path} with {text:?}");
        }
        assert!(Ignore::parse("a\n!").is_none() && Ignore::parse("a[").is_none());
    }

    #[test]
    fn an_ignored_folder_is_looked_into_where_an_exception_may_match() {
        let cases: &[(&str, &str, bool)] = &[
            ("a", "a", false),
            ("a\n!a/b", "a", true),
            ("*\n!a/b", "c", false),
            ("*\n!a/b/**", "a", true),
            ("*\n!**/x", "c", true),
            ("*\n!a/*/x", "c", true),
            ("*\n!ab", "a", false),
        ];
        for (text, folder, expected) in cases {
            assert_eq!(
                Ignore::parse(text).unwrap().returns_below(folder),
                *expected,
                "{folder} with {text:?}"
            );
        }
    }

    #[test]
    fn paths_are_cleaned_as_in_go() {
        for (path, expected) in [
            ("a//b/./c/..", "a/b"),
            ("./", "."),
            ("/../a", "/a"),
            ("../../a", "../../a"),
            ("/", "/"),
            ("", "."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    proptest::proptest! {
        /// A folder that is not looked into holds nothing that the builder gets.
        #[test]
        fn nothing_is_lost_by_skipping(
            patterns in proptest::collection::vec("!?(a|b|\\*|\\*\\*)(/(a|b|\\*|\\*\\*|c\\?)){0,2}", 0..5),
            path in "[abc](/[abc]){1,3}",
        ) {
            let ignore = Ignore::parse(&patterns.join("\n")).unwrap();
            let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
            if folders.any(|folder| is_ignored(&ignore, folder) && !ignore.returns_below(folder)) {
                proptest::prop_assert!(is_ignored(&ignore, &path), "{path} with {patterns:?}");
            }
        }
    }
}
