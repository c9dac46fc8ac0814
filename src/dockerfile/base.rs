//! The image that a build stands on: what `FROM` names in the stage that the target is built from.
//!
//! Rule: a reference that only the build can know is none, never a guess.

use std::collections::BTreeMap;

use super::stage::Stages;

/// A base image, as the Dockerfile names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// The reference without a digest, as in `python:3.12-slim`.
    pub name: String,
    /// The digest, where the Dockerfile names one.
    pub digest: Option<String>,
}

/// The base image of a build of `target` (the last stage without one), through stages that are built from others.
///
/// `None` if it hangs on a variable that only the build knows. `build_args` are the values that the build gets.
pub fn base_image(
    dockerfile: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
) -> anyhow::Result<Option<BaseImage>> {
    let stages = Stages::parse(dockerfile, build_args)?;
    let reference = stages.base_image(target)?.filter(|reference| !reference.is_empty());
    Ok(reference.map(|reference| match reference.split_once('@') {
        Some((name, digest)) => BaseImage { name: name.to_owned(), digest: Some(digest.to_owned()) },
        None => BaseImage { name: reference.to_owned(), digest: None },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(dockerfile: &str, target: Option<&str>, build_args: &[(&str, &str)]) -> Option<String> {
        let build_args =
            build_args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let base = base_image(dockerfile, target, &build_args).expect("the target is a stage")?;
        Some(match base.digest {
            Some(digest) => format!("{} with {digest}", base.name),
            None => base.name,
        })
    }

    /// Dockerfile, target and build arguments, and the base.
    type Case =
        (&'static str, Option<&'static str>, &'static [(&'static str, &'static str)], Option<&'static str>);

    #[test]
    fn the_base_is_that_of_the_stage_that_is_built() {
        let stages = "FROM golang:1.25 AS build\nFROM debian:12 AS base\nFROM base AS tools\nFROM Base\nCOPY --from=build / /\n";
        let platforms = "FROM --platform=$BUILDPLATFORM golang:1.25 AS build\nFROM --platform=linux/arm64 alpine AS final\n";
        let args = "ARG TAG=3.12-Slim\nARG IMAGE=python:${TAG}\nFROM $IMAGE\n";
        let table: [Case; 14] = [
            ("FROM alpine", None, &[], Some("alpine")),
            ("from\talpine:3.22  as final", None, &[], Some("alpine:3.22")),
            ("FROM reg:5000/team/app:1", None, &[], Some("reg:5000/team/app:1")),
            ("FROM scratch", None, &[], Some("scratch")),
            (stages, None, &[], Some("debian:12")),
            (stages, Some("build"), &[], Some("golang:1.25")),
            (platforms, None, &[], Some("alpine")),
            (platforms, Some("build"), &[], Some("golang:1.25")),
            (args, None, &[], Some("python:3.12-Slim")),
            (args, None, &[("TAG", "3.13")], Some("python:3.13")),
            ("ARG IMAGE\nFROM ${IMAGE:-alpine:3.22}", None, &[], Some("alpine:3.22")),
            ("ARG IMAGE\nFROM $IMAGE", None, &[], None),
            ("FROM base-$TARGETARCH", None, &[], None),
            ("FROM alpine:3.22@sha256:0123", None, &[], Some("alpine:3.22 with sha256:0123")),
        ];
        for (dockerfile, target, build_args, expected) in table {
            assert_eq!(base(dockerfile, target, build_args).as_deref(), expected, "{dockerfile}");
        }
    }
}
