//! The build context that the client gets: a folder or a URL.
//!
//! Rule: a folder is there, or nothing runs; the client would not say which input named it.

use std::path::Path;

use crate::error::hinted;

/// The context as an argument: a URL as it is, a path from the sources folder `root`, without either the
/// Dockerfile's folder.
pub fn resolve(context: Option<&str>, dockerfile: &Path, root: &Path) -> anyhow::Result<String> {
    let Some(text) = context else {
        return Ok(dockerfile.parent().unwrap_or(root).display().to_string());
    };
    if is_remote(text) {
        return Ok(text.to_owned());
    }
    let path = root.join(text);
    if !path.is_dir() {
        return Err(hinted(
            format!("`buildContext: {text}` is no folder: `{}`", path.display()),
            format!("set `buildContext` to a folder's path from `{}`", root.display()),
        ));
    }
    Ok(path.display().to_string())
}

/// Whether a context is no folder: a URL, also of an image or layout, or an address of git.
#[must_use]
pub fn is_remote(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.starts_with("github.com/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn it_is_a_folder_of_the_sources_or_remote() {
        let sources = tempfile::tempdir().expect("temp is writable");
        let root = sources.path();
        std::fs::create_dir(root.join("lib")).expect("temp is writable");
        let root_text = root.display().to_string();
        let resolved = |text: Option<&str>| match resolve(text, &root.join("app/Dockerfile"), root) {
            Ok(text) => text.replace(&root_text, "ROOT"),
            Err(error) => render(&error).replace(&root_text, "ROOT"),
        };
        let cases = [
            (None, "ROOT/app"),
            (Some("lib"), "ROOT/lib"),
            (Some(root_text.as_str()), "ROOT"),
            (Some("https://host/repo.git#main"), "https://host/repo.git#main"),
            (
                Some("lib/x"),
                "`buildContext: lib/x` is no folder: `ROOT/lib/x`\n\nhint: set `buildContext` to a folder's path from `ROOT`",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(resolved(text), expected, "{text:?}");
        }
    }
}
