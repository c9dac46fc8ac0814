//! Where a build's result goes besides the image: files that it leaves, and how the image is written.
//!
//! Rule: an image gets its name after the check and is pushed by the step itself, so no output names or pushes one.

use std::path::{Path, PathBuf};

use crate::csv;
use crate::error::hinted;

/// The outputs of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Attributes of the exporter of the image, such as `compression` and `zstd`.
    pub image: Vec<(String, String)>,
    /// What is written to disk besides.
    pub files: Vec<FileOutput>,
}

/// Files that a build leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOutput {
    /// The exporter: `local`, `tar`, `oci` or `docker`.
    pub kind: String,
    /// The file or folder.
    pub dest: PathBuf,
    /// More attributes of the exporter.
    pub attributes: Vec<(String, String)>,
}

/// Attributes of the exporters of images that change how the image is written and not where (BuildKit,
/// `exporter/containerimage/exptypes/keys.go`).
const IMAGE_ATTRIBUTES: [&str; 7] = [
    "compression",
    "compression-level",
    "force-compression",
    "oci-artifact",
    "oci-mediatypes",
    "prefer-nondist-layers",
    REWRITE,
];

/// The attribute that gives files in an image the time of `SOURCE_DATE_EPOCH`.
const REWRITE: &str = "rewrite-timestamp";

impl Outputs {
    /// Adds a value of `--output` (buildx, `util/buildflags/export.go`). `at` says where it stands, `root` is where
    /// relative paths begin, and `pushes` whether the step pushes.
    pub fn add(&mut self, at: &str, value: &str, root: &Path, pushes: bool) -> anyhow::Result<()> {
        let fields = csv::fields(value);
        let (mut kind, mut dest, mut attributes) = (None, None, Vec::new());
        match &fields[..] {
            [path] if path == value && !path.starts_with("type=") => {
                (kind, dest) = (Some("local".to_owned()), Some(path.clone()));
            }
            fields => {
                for field in fields {
                    let (key, value) = field.split_once('=').ok_or_else(|| {
                        hinted(
                            format!("{at}: `{field}` has no `=`"),
                            "write an output like `type=local,dest=out`; put a field that holds a comma into double quotes",
                        )
                    })?;
                    match key.trim().to_lowercase().as_str() {
                        "type" => kind = Some(value.to_owned()),
                        "dest" => dest = Some(value.to_owned()),
                        key => attributes.push((key.to_owned(), value.to_owned())),
                    }
                }
            }
        }
        if dest.as_deref() == Some("-") {
            return Err(hinted(
                format!("{at}: `-` is the log of the step, no place for an archive"),
                "name a file, e.g. `type=tar,dest=$(Build.ArtifactStagingDirectory)/image.tar`",
            ));
        }
        match (kind.as_deref(), dest) {
            (Some("image" | "registry" | "docker"), None) => {
                if kind.as_deref() == Some("registry") {
                    check_pushes(at, pushes)?;
                }
                self.add_image(at, attributes, pushes)
            }
            (Some("local" | "tar" | "oci" | "docker"), Some(dest)) => {
                let kind = kind.unwrap_or_default();
                self.files.push(FileOutput { kind, dest: root.join(dest), attributes });
                Ok(())
            }
            (Some(kind @ ("local" | "tar" | "oci")), None) => Err(hinted(
                format!("{at}: an output of `type={kind}` needs a place"),
                format!("write `type={kind},dest=PATH`"),
            )),
            (Some("cacheonly"), _) => Err(hinted(
                format!("{at}: `type=cacheonly` would leave nothing to check"),
                "leave it out; `command: build` leaves the image on the engine and pushes nothing",
            )),
            (kind, _) => Err(hinted(
                format!("{at}: there is no output of `type={}`", kind.unwrap_or_default()),
                "write `type=local`, `type=tar`, `type=oci`, `type=docker` with `dest=PATH`, or `type=image`",
            )),
        }
    }

    fn add_image(&mut self, at: &str, attributes: Vec<(String, String)>, pushes: bool) -> anyhow::Result<()> {
        for (key, value) in attributes {
            match key.as_str() {
                "name" => {
                    return Err(hinted(
                        format!("{at}: an output gives no name; `name={value}` cannot be used here"),
                        "use the inputs `repository` and `tags`; the image gets its names after the check",
                    ));
                }
                "push" if value == "true" => check_pushes(at, pushes)?,
                "push" => {}
                key if IMAGE_ATTRIBUTES.contains(&key) || key.starts_with("annotation") => {
                    self.image.push((key.to_owned(), value));
                }
                _ => {
                    return Err(hinted(
                        format!("{at}: the output attribute `{key}` cannot be used here"),
                        format!("leave it out; for an image there are {}", list(&IMAGE_ATTRIBUTES)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Gives files in images the time of `SOURCE_DATE_EPOCH` if they are younger, unless an output says otherwise. Other
    /// exporters always do that.
    pub fn rewrite_timestamps(&mut self) {
        let of_files = self.files.iter_mut().filter(|file| matches!(file.kind.as_str(), "oci" | "docker"));
        for attributes in of_files.map(|file| &mut file.attributes).chain([&mut self.image]) {
            if !attributes.iter().any(|(key, _)| key == REWRITE) {
                attributes.push((REWRITE.to_owned(), "true".to_owned()));
            }
        }
    }

    /// Whether an engine that builds cannot export the image into its store but has to load it from an archive: it would
    /// unpack the image, and BuildKit does not unpack layers that it rewrites (`exporter/containerimage/export.go`).
    #[must_use]
    pub fn needs_archive(&self) -> bool {
        self.image.iter().any(|(key, value)| key == REWRITE && value == "true")
    }

    /// The value of `--output` that writes the image into the store of the engine that builds.
    #[must_use]
    pub fn image_spec(&self) -> String {
        spec("image", None, &self.image)
    }

    /// The value of `--output` that writes the image to the client's standard output.
    #[must_use]
    pub fn stream_spec(&self) -> String {
        spec("oci", Some(Path::new("-")), &self.image)
    }

    /// The value of `--output` that pushes the image to a repository without a tag, as a stream of it holds it.
    #[must_use]
    pub fn push_spec(&self, repository: &str) -> String {
        let mut attributes: Vec<(String, String)> = [
            ("name", repository),
            ("push", "true"),
            ("push-by-digest", "true"),
            // Some builders would keep it under that name.
            ("store", "false"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        if !self.image.iter().any(|(key, _)| key == "oci-mediatypes") {
            attributes.push(("oci-mediatypes".to_owned(), "true".to_owned()));
        }
        attributes.extend_from_slice(&self.image);
        spec("image", None, &attributes)
    }

    /// The value of `--output` that loads the image into an engine; how it is written matters only to one that keeps
    /// manifests, what is written to both.
    #[must_use]
    pub fn load_spec(&self, keeps_manifests: bool) -> String {
        let kept = self.image.iter().filter(|(key, _)| keeps_manifests || key == REWRITE);
        spec("docker", None, &kept.cloned().collect::<Vec<_>>())
    }

    /// The value of `--output` that writes the image into an OCI archive.
    #[must_use]
    pub fn archive_spec(&self, archive: &Path) -> String {
        spec("oci", Some(archive), &self.image)
    }
}

impl FileOutput {
    /// The value of `--output`.
    #[must_use]
    pub fn spec(&self) -> String {
        spec(&self.kind, Some(&self.dest), &self.attributes)
    }
}

fn spec(kind: &str, dest: Option<&Path>, attributes: &[(String, String)]) -> String {
    let mut fields = vec![format!("type={kind}")];
    fields.extend(dest.map(|dest| format!("dest={}", dest.display())));
    fields.extend(attributes.iter().map(|(key, value)| format!("{key}={value}")));
    csv::record(fields.iter().map(String::as_str))
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn check_pushes(at: &str, pushes: bool) -> anyhow::Result<()> {
    if pushes {
        return Ok(());
    }
    Err(hinted(
        format!("{at} would push around the check of the image"),
        "use `command: buildAndPush`, which pushes after the check",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    fn outputs(value: &str, pushes: bool) -> Result<Vec<String>, String> {
        let mut outputs = Outputs::default();
        outputs.add("input `outputs`", value, Path::new("/s"), pushes).map_err(|error| render(&error))?;
        Ok([outputs.image_spec()].into_iter().chain(outputs.files.iter().map(FileOutput::spec)).collect())
    }

    #[test]
    fn files_are_written_besides_the_image() {
        let table: [(&str, &[&str]); 8] = [
            ("out", &["type=image", "type=local,dest=/s/out"]),
            ("type=local,dest=out", &["type=image", "type=local,dest=/s/out"]),
            (r#"type=tar,"dest=a,b""#, &["type=image", r#"type=tar,"dest=/s/a,b""#]),
            (
                "type=oci,dest=/x.tar,compression=zstd",
                &["type=image", "type=oci,dest=/x.tar,compression=zstd"],
            ),
            ("type=docker,dest=x.tar", &["type=image", "type=docker,dest=/s/x.tar"]),
            ("type=docker", &["type=image"]),
            ("type=image,push=false", &["type=image"]),
            (
                "type=image,oci-mediatypes=true,annotation.a=b",
                &["type=image,oci-mediatypes=true,annotation.a=b"],
            ),
        ];
        for (value, expected) in table {
            assert_eq!(outputs(value, false).expect(value), expected, "{value}");
        }
    }

    #[test]
    fn an_image_is_written_alike_wherever_it_goes() {
        let of = |value: &str| {
            let mut outputs = Outputs::default();
            outputs.add("input `outputs`", value, Path::new("/s"), true).expect(value);
            [
                outputs.stream_spec(),
                outputs.push_spec("host/app"),
                outputs.load_spec(true),
                outputs.load_spec(false),
            ]
        };
        assert_eq!(
            of("type=registry"),
            [
                "type=oci,dest=-",
                "type=image,name=host/app,push=true,push-by-digest=true,store=false,oci-mediatypes=true",
                "type=docker",
                "type=docker"
            ]
        );
        assert_eq!(
            of("type=image,compression=zstd,oci-mediatypes=false"),
            [
                "type=oci,dest=-,compression=zstd,oci-mediatypes=false",
                "type=image,name=host/app,push=true,push-by-digest=true,store=false,compression=zstd,oci-mediatypes=false",
                "type=docker,compression=zstd,oci-mediatypes=false",
                "type=docker"
            ]
        );
    }

    #[test]
    fn the_time_of_files_is_rewritten_in_images() {
        let mut outputs = Outputs::default();
        for value in [
            "type=local,dest=a",
            "type=oci,dest=b",
            "type=docker,dest=c,rewrite-timestamp=false",
            "type=image",
        ] {
            outputs.add("input `outputs`", value, Path::new("/s"), false).expect(value);
        }
        assert!(!outputs.needs_archive());
        outputs.rewrite_timestamps();
        outputs.rewrite_timestamps();
        assert!(outputs.needs_archive());
        let mut specs: Vec<String> = outputs.files.iter().map(FileOutput::spec).collect();
        specs.push(outputs.archive_spec(Path::new("/t/image")));
        assert_eq!(
            specs,
            [
                "type=local,dest=/s/a",
                "type=oci,dest=/s/b,rewrite-timestamp=true",
                "type=docker,dest=/s/c,rewrite-timestamp=false",
                "type=oci,dest=/t/image,rewrite-timestamp=true",
            ]
        );
    }

    #[test]
    fn a_push_is_that_of_the_step() {
        for value in ["type=registry", "type=image,push=true", "type=registry,compression=zstd"] {
            outputs(value, true).expect(value);
            assert_eq!(
                outputs(value, false).expect_err(value),
                "input `outputs` would push around the check of the image\n\nhint: use `command: buildAndPush`, which \
                 pushes after the check"
            );
        }
        assert_eq!(
            outputs("type=image,name=host/app,push=true", true).expect_err("a name"),
            "input `outputs`: an output gives no name; `name=host/app` cannot be used here\n\nhint: use the inputs \
             `repository` and `tags`; the image gets its names after the check"
        );
    }

    #[test]
    fn what_is_no_output() {
        let table = [
            ("-", "`-` is the log of the step"),
            ("type=tar,dest=-", "`-` is the log of the step"),
            ("type=local", "an output of `type=local` needs a place"),
            ("type=cacheonly", "`type=cacheonly` would leave nothing to check"),
            ("type=nope,dest=x", "there is no output of `type=nope`"),
            ("dest=x,a=b", "there is no output of `type=`"),
            ("type=local,out", "`out` has no `=`"),
            ("type=image,store=false", "the output attribute `store` cannot be used here"),
            ("type=image,push-by-digest=true", "the output attribute `push-by-digest` cannot be used here"),
        ];
        for (value, expected) in table {
            let error = outputs(value, true).expect_err(value);
            assert!(error.starts_with(&format!("input `outputs`: {expected}")), "{value}: {error}");
        }
    }
}
