//! Searches a build context for credentials that the Dockerfile would copy. Reads folders, and the few files that have the
//! name of one that may hold a credential.
//!
//! Rule: a build never waits for it. The folders nearest to the root come first, and past [`MOST`] entries it stops.

use std::collections::VecDeque;
use std::path::Path;

use super::credential::Kind;
use super::ignore::{Ignore, Matched};
use super::source::Sources;
use crate::dockerfile::ContextCopy;
use crate::secret::catalogue::Asked;

/// How many entries of folders are looked at, which takes some 7 ms.
const MOST: usize = 10_000;

/// How much of a file is read.
const LONGEST: u64 = 1 << 20;

/// Folders of other people's packages: what they ship is public.
const SKIPPED: [&str; 2] = ["node_modules", "site-packages"];

/// A file with a credential, and the instruction that copies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The path in the context.
    pub path: String,
    /// What in it is a credential, for people.
    pub what: String,
    /// The instruction.
    pub copy: &'a ContextCopy,
}

impl Found<'_> {
    /// What to tell, with the way out.
    #[must_use]
    pub fn warning(&self) -> String {
        let Self { path, what, copy } = self;
        let place = match &copy.context {
            None => "the build context".to_owned(),
            Some(name) => format!("context `{name}`"),
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let way = if path.ends_with(".git/config") {
            ", or leave `persistCredentials: true` out of the step `checkout`".to_owned()
        } else if Asked::by(name).is_some() {
            let id = name.trim_start_matches('.').to_lowercase();
            let writer = if name == ".npmrc" { " (the task `NpmAuthenticate` writes it there)" } else { "" };
            format!(" and mount the secret `{id}` in the `RUN` that needs it{writer}")
        } else {
            " and mount it in the `RUN` that needs it, given by `secretFiles`".to_owned()
        };
        format!(
            "`{} {}` copies `{path}` from {place} into stage `{}`, and there is a credential in it: {what}; list the file \
             in `.dockerignore`{way}",
            copy.keyword,
            copy.sources.join(" "),
            copy.stage,
        )
    }
}

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Search<'a> {
    /// In the order of their paths.
    pub found: Vec<Found<'a>>,
    /// Whether all was looked at.
    pub is_complete: bool,
}

/// Searches the context in the folder `root`. `ignore_files` are the places of its ignore file, of which the first that
/// is there counts; `holds_secret` says whether a text has one of the step's secrets in it.
#[must_use]
pub fn search<'a>(
    root: &Path,
    ignore_files: &[&Path],
    copies: &[&'a ContextCopy],
    holds_secret: impl Fn(&[u8]) -> bool,
) -> Search<'a> {
    search_up_to(MOST, root, ignore_files, copies, holds_secret)
}

fn search_up_to<'a>(
    most: usize,
    root: &Path,
    ignore_files: &[&Path],
    copies: &[&'a ContextCopy],
    holds_secret: impl Fn(&[u8]) -> bool,
) -> Search<'a> {
    let mut result = Search { found: Vec::new(), is_complete: true };
    let text = ignore_files.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
    // Without a meaning of its patterns nothing is certain; the builder says what is wrong in them.
    let Some(ignore) = Ignore::parse(&String::from_utf8_lossy(&text)) else { return result };
    let sources: Vec<Sources<'a>> = copies.iter().filter_map(|copy| Sources::new(copy)).collect();
    let credential = |kind: Kind, path: String, around: &Matched| {
        let copy = sources.iter().find(|source| source.take(&path))?.copy;
        let is_copied = !ignore.look(&path, around).0;
        let what = is_copied.then(|| look_into(&root.join(&path), kind, &holds_secret))??;
        Some(Found { path, what, copy })
    };
    let mut open = VecDeque::from([(String::new(), Matched::default())]);
    let mut seen = 0;
    'all: while let Some((folder, around)) = open.pop_front() {
        // A folder that cannot be read is the builder's to complain of.
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        let folder_name = folder.rsplit('/').next().unwrap_or_default();
        for entry in entries.flatten() {
            seen += 1;
            if seen > most {
                result.is_complete = false;
                break 'all;
            }
            let (Ok(kind), name) = (entry.file_type(), entry.file_name()) else { continue };
            let Some(name) = name.to_str() else { continue };
            let path = || if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if kind.is_file() {
                if let Some(kind) = Kind::of(folder_name, name) {
                    result.found.extend(credential(kind, path(), &around));
                }
            } else if kind.is_dir() && !SKIPPED.contains(&name) {
                let path = path();
                let (ignored, matched) = ignore.look(&path, &around);
                let is_open = !ignored || ignore.returns_below(&path);
                if is_open && name == ".git" {
                    // All else in it are thousands of objects.
                    result.found.extend(credential(Kind::Git, format!("{path}/config"), &matched));
                } else if is_open && sources.iter().any(|source| source.reach(&path)) {
                    open.push_back((path, matched));
                }
            }
        }
    }
    result.found.sort_by(|a, b| a.path.cmp(&b.path));
    result
}

fn look_into(path: &Path, kind: Kind, holds_secret: &impl Fn(&[u8]) -> bool) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    if holds_secret(&bytes) {
        return Some("a secret of this job".to_owned());
    }
    kind.find(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "//h/:_authToken=abc";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn copy(source: &str) -> ContextCopy {
        ContextCopy {
            keyword: "COPY".to_owned(),
            context: None,
            sources: vec![source.to_owned()],
            parents: false,
            excludes: Vec::new(),
            line: 1,
            stage: "stage-0".to_owned(),
        }
    }

    /// The paths that are found in a context with this ignore file.
    fn found(root: &Path, source: &str, ignore: &str) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, ignore).unwrap();
        let copy = copy(source);
        let search = search(root, &[file.path()], &[&copy], |text| text == b"known");
        assert!(search.is_complete);
        search.found.into_iter().map(|found| format!("{} {}", found.path, found.what)).collect()
    }

    #[test]
    fn what_is_copied_and_holds_a_credential_is_found() {
        let root = folder(&[
            (".npmrc", TOKEN),
            ("web/.npmrc", "//h/:_authToken=${TOKEN}"),
            ("web/pip.conf", "known"),
            ("a/b/c/.env", "API_KEY=abc"),
            (".git/config", "extraheader = AUTHORIZATION: bearer x"),
            (".git/modules/x/config", "extraheader = x"),
            ("node_modules/x/.npmrc", TOKEN),
            ("package.json", TOKEN),
        ]);
        let npm = ".npmrc `//h/:_authToken`";
        let all =
            [".git/config `extraheader`", npm, "a/b/c/.env `API_KEY`", "web/pip.conf a secret of this job"];
        assert_eq!(found(root.path(), ".", ""), all);
        assert_eq!(found(root.path(), "a", ""), all[2..3]);
        assert_eq!(found(root.path(), "*", ".git\n**/.env\nweb"), all[1..2]);
        assert_eq!(found(root.path(), ".", "*\n!web"), all[3..]);
        assert_eq!(found(root.path(), ".git", ""), all[..1]);
        assert_eq!(found(root.path(), "package.json", ""), [""; 0]);
        assert_eq!(found(root.path(), ".", "["), [""; 0]);
        assert_eq!(found(&root.path().join("none"), ".", ""), [""; 0]);
    }

    #[test]
    fn the_first_ignore_file_that_is_there_counts() {
        let root = folder(&[(".npmrc", TOKEN), ("of-dockerfile", ""), (".dockerignore", ".npmrc")]);
        let (first, second) = (root.path().join("of-dockerfile"), root.path().join(".dockerignore"));
        let copy = copy(".");
        let count = |files: &[&Path]| search(root.path(), files, &[&copy], |_| false).found.len();
        assert_eq!(count(&[&first, &second]), 1);
        assert_eq!(count(&[&root.path().join("none"), &second]), 0);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let (root, other) = (folder(&[]), folder(&[(".npmrc", TOKEN)]));
        std::os::unix::fs::symlink(other.path(), root.path().join("folder")).unwrap();
        std::os::unix::fs::symlink(other.path().join(".npmrc"), root.path().join(".npmrc")).unwrap();
        assert_eq!(found(root.path(), ".", ""), [""; 0]);
    }

    #[test]
    fn a_huge_context_is_not_looked_through() {
        let root = folder(&[(".npmrc", TOKEN), ("a/1", ""), ("a/2", ""), ("a/b/.npmrc", TOKEN)]);
        let copy = copy(".");
        let paths = |most| {
            let search = search_up_to(most, root.path(), &[], &[&copy], |_| false);
            let paths: Vec<String> = search.found.into_iter().map(|found| found.path).collect();
            (paths.join(" "), search.is_complete)
        };
        assert_eq!(paths(5), (".npmrc".to_owned(), false));
        assert_eq!(paths(6), (".npmrc a/b/.npmrc".to_owned(), true));
    }
}
