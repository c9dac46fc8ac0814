//! Where the Dockerfile lies.
//!
//! Rule: the one edge of this folder; it reads folders, and no file.
//!
//! The pattern means what it means to `Docker@2` (minimatch with `matchBase`): it is searched for below the
//! sources folder when it holds `*` or `?`, one without `/` matches the file name at any depth, and a wildcard
//! matches no leading dot. Other than there, links to folders are not followed, and several matches are an
//! error instead of the first one in the order of the disk.

use std::path::{Path, PathBuf};

use anyhow::Context;
use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

use crate::error::hinted;

/// How many matches an error lists.
const LISTED: usize = 5;

/// The Dockerfile that the `Dockerfile` input names, as a path or a pattern below `root`.
///
/// For `**/NAME`, the file of that name in `root` itself wins without a search.
pub fn locate(pattern: &str, root: &Path) -> anyhow::Result<PathBuf> {
    if !pattern.contains(['*', '?']) {
        return exact(pattern, root);
    }
    let relative = relative_pattern(pattern, root);
    if let Some(name) = relative.strip_prefix("**/").filter(|name| !name.contains(['*', '?', '[', '/'])) {
        let path = root.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let found = search(&relative, root).with_context(|| format!("`Dockerfile: {pattern}` is no pattern"))?;
    match found.as_slice() {
        [only] => Ok(root.join(only)),
        [] => Err(hinted(
            format!("`Dockerfile: {pattern}` matches no file below `{}`", root.display()),
            "set `Dockerfile` to the file's path in the sources; with `checkout: none` there are none",
        )),
        [first, ..] => {
            let listed: Vec<_> =
                found.iter().take(LISTED).map(|path| format!("`{}`", slashed(path))).collect();
            let more = match found.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(hinted(
                format!("`Dockerfile: {pattern}` matches {} files: {}{more}", found.len(), listed.join(", ")),
                format!("name one of them, as in `Dockerfile: {}`", slashed(first)),
            ))
        }
    }
}

fn exact(path: &str, root: &Path) -> anyhow::Result<PathBuf> {
    let full = root.join(path);
    if full.is_file() {
        return Ok(full);
    }
    let message = format!("`Dockerfile: {path}` is no file: `{}`", full.display());
    if full.join("Dockerfile").is_file() {
        return Err(hinted(
            message,
            format!("write `Dockerfile: {}/Dockerfile`", path.trim_end_matches('/')),
        ));
    }
    Err(hinted(message, format!("set `Dockerfile` to the file's path from `{}`", root.display())))
}

/// The pattern from `root` on. One that lies elsewhere stays absolute, and so matches nothing.
fn relative_pattern(pattern: &str, root: &Path) -> String {
    let relative = slashed(Path::new(pattern).strip_prefix(root).unwrap_or(Path::new(pattern)));
    let relative = relative.trim_start_matches("./");
    if relative.contains('/') { relative.to_owned() } else { format!("**/{relative}") }
}

/// The files below `root` that match, as paths from it, in the order of their names.
fn search(relative: &str, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let pattern = Pattern::new(relative)?;
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let names_hidden = relative.split('/').any(|part| part.starts_with('.'));
    let mut found = Vec::new();
    let walk = WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().as_encoded_bytes();
        !name.starts_with(b".") || names_hidden && name != b".git"
    });
    // A folder that can't be read holds nothing that could be built.
    for entry in walk.flatten() {
        let path = entry.path().strip_prefix(root).context("a walk stays below its root")?;
        if pattern.matches_path_with(path, options) && entry.path().is_file() {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

fn slashed(path: &Path) -> String {
    let text = path.display().to_string();
    if cfg!(windows) { text.replace('\\', "/") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    fn sources(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "FROM scratch\n").unwrap();
        }
        root
    }

    /// What is found, or the error, with the root written as `ROOT`.
    fn located(pattern: &str, root: &Path) -> String {
        let root_text = root.display().to_string();
        let text = match locate(&pattern.replace("ROOT", &root_text), root) {
            Ok(path) => path.display().to_string(),
            Err(error) => render(&error),
        };
        text.replace(&root_text, "ROOT")
    }

    #[test]
    fn paths_and_patterns_find_what_they_find_in_docker_2() {
        let files: &[&str] = &[
            ".devcontainer/Dockerfile",
            ".git/Dockerfile.git",
            "api/Dockerfile.api",
            "api/deep/er/Dockerfile.deep",
            "folder/Dockerfile",
            "web/other.txt",
        ];
        let root = sources(files);
        let cases = [
            ("path", "folder/Dockerfile", "ROOT/folder/Dockerfile"),
            ("absolute path", "ROOT/folder/Dockerfile", "ROOT/folder/Dockerfile"),
            ("default", "**/Dockerfile", "ROOT/folder/Dockerfile"),
            ("absolute pattern", "ROOT/**/Dockerfile", "ROOT/folder/Dockerfile"),
            ("pattern from the current folder", "./**/Dockerfile", "ROOT/folder/Dockerfile"),
            ("file name alone, at any depth", "*.deep", "ROOT/api/deep/er/Dockerfile.deep"),
            ("no folder in between", "api/**/*.api", "ROOT/api/Dockerfile.api"),
            ("one folder", "*/Dockerfile.api", "ROOT/api/Dockerfile.api"),
            ("one character", "api/Dockerfile.ap?", "ROOT/api/Dockerfile.api"),
            ("hidden folder that is named", ".devcontainer/Docker*", "ROOT/.devcontainer/Dockerfile"),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(located(pattern, root.path()), expected, "{name}");
        }
    }

    #[test]
    fn the_file_in_the_root_wins() {
        let root = sources(&["Dockerfile", "api/Dockerfile", "web/Dockerfile"]);
        assert_eq!(located("**/Dockerfile", root.path()), "ROOT/Dockerfile");
    }

    #[test]
    fn errors_say_what_to_set() {
        let names: Vec<String> = ('a'..='g').map(|folder| format!("{folder}/Dockerfile")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let root = sources(&names);
        let none =
            "hint: set `Dockerfile` to the file's path in the sources; with `checkout: none` there are none";
        let cases = [
            (
                "several",
                "**/Dockerfile",
                "`Dockerfile: **/Dockerfile` matches 7 files: `a/Dockerfile`, `b/Dockerfile`, `c/Dockerfile`, \
                 `d/Dockerfile`, `e/Dockerfile` and 2 more\n\nhint: name one of them, as in `Dockerfile: a/Dockerfile`"
                    .to_owned(),
            ),
            (
                "two",
                "[ab]/*",
                "`Dockerfile: [ab]/*` matches 2 files: `a/Dockerfile`, `b/Dockerfile`\n\nhint: name one of them, as in \
                 `Dockerfile: a/Dockerfile`"
                    .to_owned(),
            ),
            ("none", "**/*.docker", format!("`Dockerfile: **/*.docker` matches no file below `ROOT`\n\n{none}")),
            ("outside", "/elsewhere/*", format!("`Dockerfile: /elsewhere/*` matches no file below `ROOT`\n\n{none}")),
            ("a folder matches nothing", "*/a", format!("`Dockerfile: */a` matches no file below `ROOT`\n\n{none}")),
            (
                "no pattern",
                "a**/x",
                "`Dockerfile: a**/x` is no pattern\n  caused by: Pattern syntax error near position 0: recursive \
                 wildcards must form a single path component"
                    .to_owned(),
            ),
            (
                "missing",
                "x/Dockerfile",
                "`Dockerfile: x/Dockerfile` is no file: `ROOT/x/Dockerfile`\n\nhint: set `Dockerfile` to the file's path \
                 from `ROOT`"
                    .to_owned(),
            ),
            (
                "folder",
                "a/",
                "`Dockerfile: a/` is no file: `ROOT/a/`\n\nhint: write `Dockerfile: a/Dockerfile`".to_owned(),
            ),
        ];
        for (name, pattern, expected) in cases {
            assert_eq!(located(pattern, root.path()), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_not_followed() {
        let root = sources(&["a/Dockerfile"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("b")).unwrap();
        assert_eq!(located("**/Dockerfile", root.path()), "ROOT/a/Dockerfile");
        std::os::unix::fs::symlink("a/Dockerfile", root.path().join("linked.Dockerfile")).unwrap();
        assert_eq!(located("*.Dockerfile", root.path()), "ROOT/linked.Dockerfile");
    }
}
