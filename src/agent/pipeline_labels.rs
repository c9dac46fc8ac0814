//! The labels that say which run of which pipeline built an image, as `Docker@2` writes them.
//!
//! Rule: keys and values are `Docker@2`'s to the letter (`docker-common/pipelineutils.ts`), for what looks for images
//! by these labels.

use url::Url;

use super::env::Env;

/// Labels of every image.
const ALWAYS: &[&str] = &["System.TeamFoundationCollectionUri"];

/// Labels of every image that a pipeline builds.
const BUILD: &[&str] = &["Build.SourceVersion"];

/// Labels of every image that a classic release builds.
const RELEASE: &[&str] = &["Release.ReleaseId"];

/// What `addPipelineData` adds.
const PIPELINE_DATA: &[&str] = &["System.TeamProject", "Build.Repository.Name"];

/// What `addPipelineData` adds in a pipeline.
const BUILD_DATA: &[&str] = &[
    "Build.Repository.Uri",
    "Build.SourceBranchName",
    "Build.DefinitionName",
    "Build.BuildNumber",
    "Build.BuildUri",
];

/// What `addPipelineData` adds in a classic release.
const RELEASE_DATA: &[&str] = &["Release.DefinitionName", "Release.ReleaseWebUrl"];

/// The labels, each `KEY=VALUE`. A variable that is empty gives none; no collection gives none at all.
#[must_use]
pub fn pipeline_labels(env: &Env, add_pipeline_data: bool) -> Vec<String> {
    let Some(prefix) = env.variable("System.TeamFoundationCollectionUri").and_then(reversed_host) else {
        return Vec::new();
    };
    let (own, own_data) = if is_build(env) { (BUILD, BUILD_DATA) } else { (RELEASE, RELEASE_DATA) };
    let names = if add_pipeline_data {
        [ALWAYS, PIPELINE_DATA, own, own_data].concat()
    } else {
        [ALWAYS, own].concat()
    };
    names
        .into_iter()
        .filter_map(|name| Some(format!("{prefix}.image.{}={}", name.to_lowercase(), env.variable(name)?)))
        .collect()
}

/// Whether the job is one of a pipeline and not of a classic release (`System.HostType`).
#[must_use]
pub fn is_build(env: &Env) -> bool {
    env.variable("System.HostType").is_none_or(|kind| kind.eq_ignore_ascii_case("build"))
}

/// The parts of the host's name from last to first, as in `com.azure.dev`.
fn reversed_host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    Some(host.rsplit('.').collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [(&str, &str); 16] = [
        ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "https://dev.azure.com/contoso/"),
        ("SYSTEM_TEAMPROJECT", "my project"),
        ("SYSTEM_HOSTTYPE", "build"),
        ("BUILD_REPOSITORY_NAME", "web"),
        ("BUILD_REPOSITORY_URI", "https://dev.azure.com/contoso/my%20project/_git/web"),
        ("BUILD_SOURCEVERSION", "6dcb09b5"),
        ("BUILD_SOURCEBRANCHNAME", "main"),
        ("BUILD_DEFINITIONNAME", "web, nightly \"build\""),
        ("BUILD_BUILDNUMBER", "20260105.3"),
        ("BUILD_BUILDURI", "vstfs:///Build/Build/20240"),
        ("RELEASE_RELEASEID", "7"),
        ("RELEASE_DEFINITIONNAME", "web to production"),
        ("RELEASE_RELEASEWEBURL", "https://dev.azure.com/contoso/p/_release?releaseId=7"),
        ("RELEASE_RELEASENAME", "Release-7"),
        ("BUILD_REASON", "Manual"),
        ("BUILD_BUILDID", "20240"),
    ];

    fn labels(changes: &[(&str, &str)], add_pipeline_data: bool) -> Vec<String> {
        let env = VARIABLES.iter().chain(changes).copied().collect();
        pipeline_labels(&env, add_pipeline_data)
    }

    #[test]
    fn a_pipeline_and_a_release_have_labels_of_their_own() {
        assert_eq!(
            labels(&[], true),
            [
                "com.azure.dev.image.system.teamfoundationcollectionuri=https://dev.azure.com/contoso/",
                "com.azure.dev.image.system.teamproject=my project",
                "com.azure.dev.image.build.repository.name=web",
                "com.azure.dev.image.build.sourceversion=6dcb09b5",
                "com.azure.dev.image.build.repository.uri=https://dev.azure.com/contoso/my%20project/_git/web",
                "com.azure.dev.image.build.sourcebranchname=main",
                "com.azure.dev.image.build.definitionname=web, nightly \"build\"",
                "com.azure.dev.image.build.buildnumber=20260105.3",
                "com.azure.dev.image.build.builduri=vstfs:///Build/Build/20240",
            ]
        );
        assert_eq!(
            labels(&[("SYSTEM_HOSTTYPE", "Release")], true),
            [
                "com.azure.dev.image.system.teamfoundationcollectionuri=https://dev.azure.com/contoso/",
                "com.azure.dev.image.system.teamproject=my project",
                "com.azure.dev.image.build.repository.name=web",
                "com.azure.dev.image.release.releaseid=7",
                "com.azure.dev.image.release.definitionname=web to production",
                "com.azure.dev.image.release.releaseweburl=https://dev.azure.com/contoso/p/_release?releaseId=7",
            ]
        );
    }

    #[test]
    fn two_labels_are_left_without_pipeline_data() {
        let first = "com.azure.dev.image.system.teamfoundationcollectionuri=https://dev.azure.com/contoso/";
        assert_eq!(labels(&[], false), [first, "com.azure.dev.image.build.sourceversion=6dcb09b5"]);
        assert_eq!(
            labels(&[("SYSTEM_HOSTTYPE", "release")], false),
            [first, "com.azure.dev.image.release.releaseid=7"]
        );
        assert_eq!(labels(&[("BUILD_SOURCEVERSION", "")], false), [first]);
    }

    #[test]
    fn the_prefix_is_the_collections_host_from_last_to_first() {
        let prefix = |collection| {
            let labels = labels(&[("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", collection)], false);
            labels.first().map(|label| label.split(".image.").next().unwrap_or_default().to_owned())
        };
        for (collection, expected) in [
            ("https://contoso.visualstudio.com/", Some("com.visualstudio.contoso")),
            ("https://Dev.Azure.com/contoso/", Some("com.azure.dev")),
            ("http://tfs:8080/tfs/DefaultCollection/", Some("tfs")),
            ("http://127.0.0.1:8080/contoso/", Some("1.0.0.127")),
            ("http://[::1]:8080/contoso/", Some("::1")),
            ("no URL", None),
            ("", None),
        ] {
            assert_eq!(prefix(collection).as_deref(), expected, "{collection}");
        }
    }
}
