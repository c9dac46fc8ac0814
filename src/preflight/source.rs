//! What one source of a `COPY` takes of its context.

use super::ignore::{Ignore, Matched, clean};
use super::pattern::Pattern;
use crate::dockerfile::ContextCopy;

/// The sources of one instruction.
pub(super) struct Sources<'a> {
    /// The instruction.
    pub(super) copy: &'a ContextCopy,
    wanted: Vec<Wanted>,
    excludes: Ignore,
}

enum Wanted {
    /// A path, name by name, which ends where everything below is meant. No wildcard crosses a `/`.
    Path(Vec<Pattern>),
    /// A pattern of whole paths (`--parents`).
    Whole(Pattern),
}

impl<'a> Sources<'a> {
    /// `None` if a pattern is malformed: the builder refuses the instruction, or it copies nothing.
    pub(super) fn new(copy: &'a ContextCopy) -> Option<Self> {
        let wanted = copy.sources.iter().map(|source| Wanted::parse(source, copy.parents));
        Some(Self {
            copy,
            wanted: wanted.collect::<Option<_>>()?,
            excludes: Ignore::new(copy.excludes.iter().map(String::as_str))?,
        })
    }

    /// Whether a file is copied. Its path has slashes, and none before the first name.
    pub(super) fn take(&self, path: &str) -> bool {
        self.wanted.iter().any(|wanted| {
            wanted.take(path).is_some_and(|depth| {
                // An exclude is said of the path in the source that is a folder, or of the file that is the source.
                let within: Vec<&str> = path.split('/').collect();
                let within = &within[depth.min(within.len() - 1)..];
                !is_excluded(&self.excludes, within)
            })
        })
    }

    /// Whether something below a folder may be copied.
    pub(super) fn reach(&self, folder: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted.reach(folder))
    }
}

impl Wanted {
    fn parse(source: &str, parents: bool) -> Option<Self> {
        // `--parents` keeps what stands behind `/./`; what is taken is the same.
        let cleaned = clean(&format!("/{source}"));
        let path = cleaned.trim_start_matches('/');
        if parents && !path.is_empty() {
            return Pattern::parse(path).map(Self::Whole);
        }
        let names = path.split('/').filter(|name| !name.is_empty());
        // Here `**` is two wildcards that mean one.
        let patterns = names.map(|name| Pattern::parse(&name.replace("**", "*")));
        patterns.collect::<Option<_>>().map(Self::Path)
    }

    /// How many names of a path the source itself has, if it takes it.
    fn take(&self, path: &str) -> Option<usize> {
        match self {
            Self::Path(patterns) => {
                let mut names = path.split('/');
                let all =
                    patterns.iter().all(|pattern| names.next().is_some_and(|name| pattern.matches(name)));
                all.then_some(patterns.len())
            }
            Self::Whole(pattern) => {
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                ends.into_iter().any(|end| pattern.matches(&path[..end])).then_some(0)
            }
        }
    }

    fn reach(&self, folder: &str) -> bool {
        match self {
            Self::Path(patterns) => {
                patterns.iter().zip(folder.split('/')).all(|(pattern, name)| pattern.matches(name))
            }
            Self::Whole(_) => true,
        }
    }
}

fn is_excluded(excludes: &Ignore, names: &[&str]) -> bool {
    let (mut out, mut around) = (false, Matched::default());
    for end in 1..=names.len() {
        (out, around) = excludes.look(&names[..end].join("/"), &around);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(sources: &[&str], parents: bool, excludes: &[&str]) -> ContextCopy {
        ContextCopy {
            keyword: "COPY".to_owned(),
            context: None,
            sources: sources.iter().map(ToString::to_string).collect(),
            parents,
            excludes: excludes.iter().map(ToString::to_string).collect(),
            line: 1,
            stage: "stage-0".to_owned(),
        }
    }

    #[test]
    fn a_source_takes_what_copy_takes() {
        // Source, what it takes, what it leaves, folders that it need not look into.
        type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
        let cases: &[Case] = &[
            (".", &[".npmrc", "a/.npmrc"], &[], &[]),
            ("/", &[".npmrc"], &[], &[]),
            ("./a/", &["a/.npmrc", "a/b/c"], &["b/.npmrc", "ab"], &["b"]),
            ("../a", &["a/x"], &["x"], &["b"]),
            ("a/b", &["a/b", "a/b/c"], &["a/c", "a"], &["a/c"]),
            ("*", &[".npmrc", "a/b/c"], &[], &[]),
            ("*.json", &["package.json", "x.json/y"], &["a/package.json", ".npmrc"], &["a"]),
            (".npmrc*", &[".npmrc", ".npmrc.d/x"], &["npmrc"], &["a"]),
            ("a/*/c", &["a/b/c", "a/x/c/d"], &["a/c", "a/b/d", "a/b/b/c"], &["b", "a/b/d"]),
            ("**/c", &["a/c"], &["c", "a/b/c"], &["a/b"]),
        ];
        for (source, taken, left, unreached) in cases {
            let copy = copy(&[source], false, &[]);
            let sources = Sources::new(&copy).expect(source);
            assert_eq!(taken.iter().find(|path| !sources.take(path)), None, "{source} has to take this");
            assert_eq!(left.iter().find(|path| sources.take(path)), None, "{source} must not take this");
            assert_eq!(unreached.iter().find(|folder| sources.reach(folder)), None, "{source}");
            for path in *taken {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                assert!(folder.is_empty() || sources.reach(folder), "{source} has to look into {folder}");
            }
        }
    }

    #[test]
    fn patterns_of_whole_paths_cross_folders() {
        let copy = copy(&["./**/.npmrc", "src/./lib"], true, &[]);
        let sources = Sources::new(&copy).unwrap();
        for (path, taken) in
            [(".npmrc", true), ("a/b/.npmrc", true), ("src/lib/x", true), ("src/x", false), ("lib/x", false)]
        {
            assert_eq!(sources.take(path), taken, "{path}");
        }
    }

    #[test]
    fn excludes_are_said_of_what_is_in_the_source() {
        let copy = copy(&["a", "*.env"], false, &["**/.npmrc", "secret", "x.env"]);
        let sources = Sources::new(&copy).unwrap();
        for (path, taken) in [
            ("a/.npmrc", false),
            ("a/b/.npmrc", false),
            ("a/secret/x", false),
            ("a/b/secret", true),
            ("x.env", false),
            ("y.env", true),
        ] {
            assert_eq!(sources.take(path), taken, "{path}");
        }
    }
}
