//! The extension's files, gathered from the repository and laid out as the manifest names them.
//!
//! Edge: reads the sources, writes the folders. Rule: file modes are not carried, as no package carries them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::binary::Binary;
use crate::manifest::Extension;

/// The manifest at the root of the repository and of the staged folder.
const MANIFEST: &str = "vss-extension.json";

/// The folder of the task's files in the package.
const TASK: &str = "task";

/// The task's files: name in the task's folder, source.
const TASK_FILES: [(&str, &str); 4] = [
    ("icon.png", "extension/task-icon.png"),
    ("launcher.js", "scripts/launcher.js"),
    ("post-job.js", "scripts/post-job.js"),
    ("task.json", "task.json"),
];

/// Everything that a package is made from.
pub(crate) struct Stage {
    pub(crate) extension: Extension,
    manifest: Vec<u8>,
    /// The task's files in order of their paths, then the assets in the manifest's order.
    pub(crate) files: Vec<File>,
}

/// One file of the package.
pub(crate) struct File {
    /// Path in the package, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

impl Stage {
    /// Reads the sources below `root` and adds the binaries.
    pub(crate) fn gather(root: &Path, binaries: Vec<Binary>) -> Result<Self> {
        let manifest = read(root, MANIFEST)?;
        let extension: Extension =
            serde_json::from_slice(&manifest).with_context(|| format!("cannot parse `{MANIFEST}`"))?;
        if !matches!(&extension.files[..], [folder] if folder.path == TASK) {
            bail!("`files` in `{MANIFEST}` is not the folder `{TASK}` alone");
        }

        let mut files = Vec::new();
        for (name, source) in TASK_FILES {
            files.push(File { path: format!("{TASK}/{name}"), bytes: read(root, source)? });
        }
        for Binary { platform, bytes } in binaries {
            let path = format!("{TASK}/bin/{}/{}", platform.name, platform.binary());
            files.push(File { path, bytes });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for asset in extension.assets() {
            files.push(File { path: asset.path.to_owned(), bytes: read(root, asset.path)? });
        }
        Ok(Self { extension, manifest, files })
    }

    /// The bytes of the file at `path` in the package.
    pub(crate) fn file(&self, path: &str) -> Result<&[u8]> {
        let file = self.files.iter().find(|file| file.path == path);
        Ok(&file.with_context(|| format!("the package has no `{path}`"))?.bytes)
    }

    /// Writes the folder that `tfx extension create` takes, in place of what an earlier run left there.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
        }
        write(folder, MANIFEST, &self.manifest)?;
        self.files.iter().try_for_each(|file| write(folder, &file.path, &file.bytes))
    }

    /// Writes the task's files as the agent finds them; `folder` must be new or empty.
    pub(crate) fn unpack_task(&self, folder: &Path) -> Result<()> {
        if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("`{}` is not empty\n\nhint: name a new folder for `--unpacked`", folder.display());
        }
        for file in &self.files {
            if let Some(path) = file.path.strip_prefix(TASK).and_then(|path| path.strip_prefix('/')) {
                write(folder, path, &file.bytes)?;
            }
        }
        Ok(())
    }
}

fn read(root: &Path, path: &str) -> Result<Vec<u8>> {
    fs::read(root.join(path)).with_context(|| format!("cannot read `{path}`"))
}

fn write(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let file = folder.join(path);
    let parent = file.parent().expect("a path below a folder has a parent");
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&file, bytes))
        .with_context(|| format!("cannot write `{}`", file.display()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::platform;

    /// The repository's own extension with a binary that holds `bytes`.
    pub(crate) fn sample(bytes: &[u8]) -> Stage {
        let platform = platform::named("linux-x64").unwrap();
        Stage::gather(crate::root(), vec![Binary { platform, bytes: bytes.to_vec() }]).unwrap()
    }

    fn paths(folder: &Path) -> Vec<String> {
        let mut paths = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    paths.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        paths.sort();
        paths
    }

    #[test]
    fn the_staged_folder_is_the_package_and_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let stage = folder.path().join("stage");
        write(&stage, "task/stale.js", b"left by an earlier run").unwrap();
        sample(b"binary").write(&stage).unwrap();
        assert_eq!(
            paths(&stage),
            [
                "LICENSE",
                "extension/icon.png",
                "extension/overview.md",
                "task/bin/linux-x64/feedbuild",
                "task/icon.png",
                "task/launcher.js",
                "task/post-job.js",
                "task/task.json",
                "vss-extension.json",
            ]
        );
    }

    #[test]
    fn an_unpacked_task_holds_the_tasks_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        sample(b"binary").unpack_task(folder.path()).unwrap();
        assert_eq!(
            paths(folder.path()),
            ["bin/linux-x64/feedbuild", "icon.png", "launcher.js", "post-job.js", "task.json"]
        );
        assert_eq!(fs::read(folder.path().join("bin/linux-x64/feedbuild")).unwrap(), b"binary");
    }

    #[test]
    fn nothing_is_unpacked_over_other_files() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "mine", b"").unwrap();
        let error = sample(b"binary").unpack_task(folder.path()).unwrap_err();
        let expected =
            format!("`{}` is not empty\n\nhint: name a new folder for `--unpacked`", folder.path().display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(paths(folder.path()), ["mine"]);
    }
}
