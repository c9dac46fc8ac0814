//! The crates that are linked into the binaries, and their licenses.
//!
//! Edge: runs cargo, reads `Cargo.lock` and the crates' license files. Rule: these are what cargo links, neither more
//! nor less: no macro's and no build script's crates, no test's.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::platform::Platform;

/// How license files begin.
const LICENSE_FILES: [&str; 6] = ["copying", "copyright", "licence", "license", "notice", "unlicense"];

/// A crate that is linked into a binary.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SPDX expression.
    pub(crate) license: String,
    pub(crate) repository: Option<String>,
    /// SHA-256 of the published crate, in hexadecimal digits.
    pub(crate) checksum: String,
    /// The texts of its license files, in order of the files' names.
    pub(crate) texts: Vec<String>,
}

/// What is linked into the binaries for these platforms, by name and version.
pub(crate) fn linked(root: &Path, platforms: &[&'static Platform]) -> Result<Vec<Dependency>> {
    let mut names = BTreeSet::new();
    for platform in platforms {
        let arguments =
            ["--package=feedbuild", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}"];
        let tree = cargo(root, "tree", arguments.iter().chain(&["--target", platform.triple]))?;
        names.extend(crates(std::str::from_utf8(&tree)?));
    }
    let metadata: Metadata = parse(&cargo(root, "metadata", &["--format-version=1"])?, "cargo's metadata")?;
    let mut packages: BTreeMap<_, _> = metadata
        .packages
        .into_iter()
        .map(|package| ((package.name.clone(), package.version.clone()), package))
        .collect();
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read `Cargo.lock`")?;
    let lock: Lock = basic_toml::from_str(&lock).context("cannot parse `Cargo.lock`")?;
    let checksums: BTreeMap<_, _> =
        lock.package.into_iter().map(|locked| ((locked.name, locked.version), locked.checksum)).collect();

    let mut linked = Vec::new();
    for name in names {
        let checksum = checksums.get(&name).cloned().flatten();
        let package = packages.remove(&name).with_context(|| format!("cargo knows no {name:?}"))?;
        linked.push(package.dependency(checksum)?);
    }
    Ok(linked)
}

/// The names and versions in the lines of `cargo tree`, less our own crate's.
fn crates(tree: &str) -> impl Iterator<Item = (String, String)> {
    tree.lines().filter_map(|line| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split_whitespace().next()?;
        (name != "feedbuild").then(|| (name.to_owned(), version.to_owned()))
    })
}

fn cargo<'a>(
    root: &Path,
    command: &str,
    arguments: impl IntoIterator<Item = &'a &'a str>,
) -> Result<Vec<u8>> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([command, "--locked"])
        .args(arguments)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo {command}` ended with {}", output.status);
    }
    Ok(output.stdout)
}

fn parse<T: DeserializeOwned>(text: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(text).with_context(|| format!("cannot parse {what}"))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Package {
    fn dependency(self, checksum: Option<String>) -> Result<Dependency> {
        let Self { name, version, license, repository, manifest_path } = self;
        let texts = texts(manifest_path.parent().unwrap_or(Path::new("/")))
            .with_context(|| format!("cannot read the license files of {name} {version}"))?;
        if texts.is_empty() {
            bail!("crate {name} {version} has no license file, so nothing can travel in the package");
        }
        let license = license.with_context(|| format!("crate {name} {version} names no license"))?;
        let checksum = checksum.with_context(|| format!("crate {name} {version} is of no registry"))?;
        Ok(Dependency { license: license.replace('/', " OR "), name, version, repository, checksum, texts })
    }
}

fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if LICENSE_FILES.iter().any(|start| name.starts_with(start)) && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files.iter().map(|file| Ok(fs::read_to_string(file)?)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::platform;

    /// A crate under the MIT license.
    pub(crate) fn dependency(name: &str, texts: &[&str]) -> Dependency {
        Dependency {
            name: name.to_owned(),
            version: "1.2.3+x".to_owned(),
            license: "MIT".to_owned(),
            repository: Some("https://example.org/".to_owned()),
            checksum: "00".repeat(32),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn names_and_versions_are_read_from_the_tree() {
        let tree =
            "feedbuild v0.1.0 (/src)\nanyhow v1.0.104\ntoml_writer v1.2.0+spec-1.1.0\nanyhow v1.0.104 (*)\n";
        let names: Vec<_> = crates(tree).map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(names, ["anyhow 1.0.104", "toml_writer 1.2.0+spec-1.1.0", "anyhow 1.0.104"]);
    }

    #[test]
    fn each_platform_has_its_crates_and_none_has_a_macros() {
        let names = |name| -> BTreeSet<String> {
            let linked = linked(crate::root(), &[platform::named(name).unwrap()]).unwrap();
            linked.into_iter().map(|dependency| dependency.name).collect()
        };
        let (linux, windows, macos) = (names("linux-x64"), names("win-x64"), names("osx-arm64"));
        for (name, on_linux, on_windows, on_macos) in [
            ("ring", true, true, true),
            ("rustix", true, false, true),
            ("win32job", false, true, false),
            ("security-framework", false, false, true),
            ("serde_derive", false, false, false),
            ("cc", false, false, false),
            ("proptest", false, false, false),
        ] {
            let found = (linux.contains(name), windows.contains(name), macos.contains(name));
            assert_eq!(found, (on_linux, on_windows, on_macos), "{name}");
        }
    }
}
