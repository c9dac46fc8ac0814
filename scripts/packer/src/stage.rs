//! The extension's files, gathered from the repository and laid out as the manifest names them.
//!
//! Edge: reads the sources, writes the folders. Rule: file modes are not carried, as no package carries them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::binary::Binary;
use crate::manifest::{self, Extension, TASK};
use crate::{checksums, package, version};

/// The manifest at the root of the repository and of the staged folder.
const MANIFEST: &str = "vss-extension.json";

/// The task's files that are taken as they are: name in the task's folder, source.
const TASK_FILES: [(&str, &str); 4] = [
    ("LICENSE.txt", "LICENSE"),
    ("icon.png", "extension/task-icon.png"),
    ("launcher.js", "scripts/launcher.js"),
    ("post-job.js", "scripts/post-job.js"),
];

/// The repository's file for an asset of the package.
fn source(asset: &str) -> String {
    match asset.split_once('/') {
        None if asset == "overview.md" => format!("extension/{asset}"),
        Some(("images", name)) => format!("docs/images/{name}"),
        _ => asset.to_owned(),
    }
}

/// Everything that a package is made from.
pub(crate) struct Stage {
    pub(crate) extension: Extension,
    manifest: Vec<u8>,
    /// The task's files in order of their paths, the checksums, then the assets in the manifest's order.
    pub(crate) files: Vec<File>,
}

/// One file of the package.
pub(crate) struct File {
    /// Path in the package, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// What is made for a package besides the sources.
pub(crate) struct Made {
    pub(crate) binaries: Vec<Binary>,
    pub(crate) notices: String,
    pub(crate) sbom: Vec<u8>,
}

impl Stage {
    /// Reads the sources below `root` and adds what was made.
    pub(crate) fn gather(root: &Path, publisher: Option<&str>, made: Made) -> Result<Self> {
        let manifest = manifest::complete(&read(root, MANIFEST)?, version::CRATE, publisher)
            .with_context(|| format!("cannot read `{MANIFEST}`"))?;
        let extension = Extension::parse(&manifest).with_context(|| format!("cannot take `{MANIFEST}`"))?;

        let mut files = Vec::new();
        let mut task_file = |name: &str, bytes| files.push(File { path: format!("{TASK}/{name}"), bytes });
        for (name, source) in TASK_FILES {
            task_file(name, read(root, source)?);
        }
        task_file("task.json", version::insert(&read(root, "task.json")?, version::CRATE)?);
        task_file("THIRD-PARTY-NOTICES.txt", made.notices.into_bytes());
        task_file("sbom.cdx.json", made.sbom);
        for Binary { platform, bytes } in made.binaries {
            task_file(&format!("bin/{}/{}", platform.name, platform.binary()), bytes);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.push(File { path: checksums::NAME.to_owned(), bytes: Vec::new() });
        let sums = files.len() - 1;
        for asset in extension.assets() {
            files.push(File { path: asset.path.to_owned(), bytes: read(root, &source(asset.path))? });
        }
        let mut stage = Self { extension, manifest, files };
        stage.files[sums].bytes = checksums::render(&package::parts(&stage)?).into_bytes();
        Ok(stage)
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
        let binaries = vec![Binary { platform, bytes: bytes.to_vec() }];
        let made = Made { binaries, notices: "notices".to_owned(), sbom: b"{}".to_vec() };
        Stage::gather(crate::root(), None, made).unwrap()
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
                "SHA256SUMS.txt",
                "extension/icon.png",
                "images/log.png",
                "images/refused.png",
                "images/summary.png",
                "overview.md",
                "task/LICENSE.txt",
                "task/THIRD-PARTY-NOTICES.txt",
                "task/bin/linux-x64/feedbuild",
                "task/icon.png",
                "task/launcher.js",
                "task/post-job.js",
                "task/sbom.cdx.json",
                "task/task.json",
                "vss-extension.json",
            ]
        );
    }

    #[test]
    fn icons_have_the_sizes_that_the_marketplace_and_the_editor_show() {
        // Width and height are the first of the first chunk, after the signature and the chunk's head (PNG, 11.2.1).
        let size = |path| {
            let png = read(crate::root(), path).unwrap();
            assert_eq!(&png[..16], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "{path}");
            [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
        };
        assert_eq!(size("extension/icon.png"), [128, 128]);
        assert_eq!(size("extension/task-icon.png"), [32, 32]);
    }

    #[test]
    fn the_page_shows_every_picture_and_no_other() {
        let page = fs::read_to_string(crate::root().join("extension/overview.md")).unwrap();
        let mut shown: Vec<_> = page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|link| link.starts_with("images/"))
            .collect();
        shown.sort_unstable();
        let stage = sample(b"binary");
        let packed: Vec<_> = stage
            .files
            .iter()
            .map(|file| file.path.as_str())
            .filter(|path| path.starts_with("images/"))
            .collect();
        assert_eq!(shown, packed);
    }

    #[test]
    fn an_unpacked_task_holds_the_tasks_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        sample(b"binary").unpack_task(folder.path()).unwrap();
        assert_eq!(
            paths(folder.path()),
            [
                "LICENSE.txt",
                "THIRD-PARTY-NOTICES.txt",
                "bin/linux-x64/feedbuild",
                "icon.png",
                "launcher.js",
                "post-job.js",
                "sbom.cdx.json",
                "task.json",
            ]
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
