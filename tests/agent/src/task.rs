//! A task: its `task.json`, and its files as they land in a work folder, without mode bits.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use zip::ZipArchive;

/// The mode of every unpacked file: a `.vsix` carries no mode bits.
const MODE: u32 = 0o644;

/// A packaged task, from its folder or from a `.vsix`.
#[derive(Clone)]
pub struct Task {
    files: PathBuf,
    /// Keeps the unpacked extension on disk.
    _unpacked: Option<Arc<TempDir>>,
    pub(crate) definition: Arc<Definition>,
}

impl Task {
    /// The task in a folder with a `task.json`.
    pub fn from_dir(directory: impl Into<PathBuf>) -> Result<Self> {
        let files = directory.into();
        let path = files.join("task.json");
        let text = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let definition =
            serde_json::from_slice(&text).with_context(|| format!("`{}` is no task", path.display()))?;
        Ok(Self { files, _unpacked: None, definition: Arc::new(definition) })
    }

    /// The one task of an extension.
    pub fn from_vsix(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let unpacked =
            tempfile::Builder::new().prefix("feedbuild-vsix-").tempdir().context("cannot make a folder")?;
        unpack(file, unpacked.path()).with_context(|| format!("cannot unpack `{}`", file.display()))?;
        let mut tasks = Vec::new();
        find_tasks(unpacked.path(), &mut tasks)?;
        let [folder] = tasks.as_slice() else {
            bail!("`{}` holds {} tasks instead of one", file.display(), tasks.len());
        };
        Ok(Self { _unpacked: Some(Arc::new(unpacked)), ..Self::from_dir(folder)? })
    }

    /// Where the agent installs the task, below `_work/_tasks`.
    pub(crate) fn install_name(&self) -> String {
        let Definition { id, name, version, .. } = &*self.definition;
        format!("{name}_{id}/{}.{}.{}", plain(&version.major), plain(&version.minor), plain(&version.patch))
    }

    pub(crate) fn install(&self, directory: &Path) -> Result<()> {
        copy_tree(&self.files, directory, Some(MODE))
    }
}

/// The fields of `task.json` that the agent reads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) friendly_name: String,
    version: Version,
    #[serde(default)]
    pub(crate) inputs: Vec<InputDefinition>,
    #[serde(default)]
    output_variables: Vec<OutputDefinition>,
    #[serde(default)]
    pub(crate) restrictions: Restrictions,
    #[serde(default)]
    execution: BTreeMap<String, Handler>,
    #[serde(default)]
    postjobexecution: BTreeMap<String, Handler>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    major: serde_json::Value,
    minor: serde_json::Value,
    patch: serde_json::Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InputDefinition {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    default_value: serde_json::Value,
}

impl InputDefinition {
    pub(crate) fn default_value(&self) -> String {
        plain(&self.default_value)
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.to_lowercase().starts_with(kind)
    }
}

#[derive(Debug, Deserialize)]
struct OutputDefinition {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Restrictions {
    commands: Option<CommandRestriction>,
    settable_variables: Option<SettableVariables>,
}

#[derive(Debug, Deserialize)]
struct CommandRestriction {
    mode: String,
}

#[derive(Debug, Deserialize)]
struct SettableVariables {
    allowed: Vec<String>,
}

impl Restrictions {
    pub(crate) fn restricted(&self) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.mode.eq_ignore_ascii_case("restricted"))
    }

    pub(crate) fn may_set(&self, variable: &str) -> bool {
        let options = glob::MatchOptions { case_sensitive: false, ..glob::MatchOptions::new() };
        let matches = |pattern: &String| {
            glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(variable, options))
        };
        self.settable_variables.as_ref().is_none_or(|settable| settable.allowed.iter().any(matches))
    }
}

/// An entry of `execution` or `postjobexecution`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handler {
    #[serde(default)]
    pub(crate) target: String,
    pub(crate) working_directory: Option<String>,
}

/// A stage of a step; they see the same inputs and share the task variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Main,
    PostJob,
}

impl Definition {
    /// The handler that an agent of today picks; all of these run `node`.
    pub(crate) fn handler(&self, stage: Stage) -> Result<&Handler> {
        let (section, handlers) = match stage {
            Stage::Main => ("execution", &self.execution),
            Stage::PostJob => ("postjobexecution", &self.postjobexecution),
        };
        ["Node24", "Node20_1", "Node16", "Node10", "Node"]
            .iter()
            .find_map(|name| handlers.get(*name))
            .with_context(|| format!("task `{}` has no node handler in `{section}`", self.name))
    }

    pub(crate) fn has_output(&self, variable: &str) -> bool {
        self.output_variables.iter().any(|output| output.name.eq_ignore_ascii_case(variable))
    }
}

/// A scalar of `task.json` as text: tasks write numbers and booleans with and without quotes.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn unpack(vsix: &Path, directory: &Path) -> Result<()> {
    let mut archive = ZipArchive::new(File::open(vsix)?)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let path = entry.enclosed_name().with_context(|| format!("entry {index} leads out of the folder"))?;
        if entry.is_file() {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            std::io::copy(&mut entry, &mut File::create(&path)?)?;
        }
    }
    Ok(())
}

fn find_tasks(directory: &Path, tasks: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_tasks(&entry.path(), tasks)?;
        } else if entry.file_name() == "task.json" {
            tasks.push(directory.to_owned());
        }
    }
    Ok(())
}

/// Copies a folder, links as links; with `mode`, every file gets that mode instead of its own.
pub(crate) fn copy_tree(from: &Path, to: &Path, mode: Option<u32>) -> Result<()> {
    let copy = || -> Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                copy_tree(&entry.path(), &target, mode)?;
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
            } else {
                copy_file(&entry.path(), &target)?;
                if let Some(mode) = mode {
                    fs::set_permissions(&target, Permissions::from_mode(mode))?;
                }
            }
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy `{}` to `{}`", from.display(), to.display()))
}

/// By a process of its own: what this process has open for writing, processes that other threads start inherit until
/// they are what they shall be, and a program that is open for writing cannot be executed (`ETXTBSY`).
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").args([from, to]).status().context("cannot start `cp`")?;
    ensure!(status.success(), "`cp` failed: {status}");
    Ok(())
}
