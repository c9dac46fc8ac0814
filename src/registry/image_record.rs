//! The record of a pushed image that the service keeps for environments and traceability (`imagedetails`). Pure.
//!
//! Rule: the fields are those of `Docker@2` (`DockerV2/dockerpush.ts`, `docker-common/dockercommandutils.ts`). Better
//! than there: sizes are exact, an instruction of BuildKit is told from its arguments, and URLs are encoded.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::reference::Repository;
use crate::agent::env::Env;
use crate::agent::pipeline_labels::is_build;
use crate::buildx::image_details::HistoryEntry;

/// The instructions by which BuildKit begins an entry of the history.
const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What is recorded of an image besides the run that pushed it.
#[derive(Debug)]
pub struct ImageRecord<'a> {
    /// Where it is.
    pub repository: &'a Repository,
    /// Its digest there, `sha256:…`.
    pub digest: &'a str,
    /// Its tags there.
    pub tags: &'a [String],
    /// What it was built from; none if an earlier step built it.
    pub source: Option<Source<'a>>,
    /// The labels of the pipeline.
    pub labels: &'a [String],
    /// Its history, the latest first; empty if no engine has the image.
    pub history: &'a [HistoryEntry],
    /// The digests of its layers, unpacked; the lowest first.
    pub layers: &'a [String],
}

/// What an image was built from.
#[derive(Debug)]
pub struct Source<'a> {
    /// The Dockerfile.
    pub dockerfile: &'a Path,
    /// The build context.
    pub context: &'a str,
    /// The base image, if the Dockerfile tells.
    pub base: Option<&'a str>,
}

impl ImageRecord<'_> {
    /// The image's name for the service, as in `https://registry.example/team/app@sha256:…`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("https://{}/{}@{}", self.repository.registry(), self.repository.path(), self.digest)
    }

    /// Where the record goes: to the project's own address in the collection.
    #[must_use]
    pub fn address(collection: &Url, project: &str) -> Url {
        let mut url = in_project(collection, project, &["_apis", "deployment", "imagedetails"]);
        url.set_query(Some("api-version=5.0-preview.1"));
        url
    }

    /// The record; a variable that is not set gives no field, as `undefined` in JavaScript.
    #[must_use]
    pub fn body(&self, env: &Env, collection: &Url, project: &str) -> Value {
        let variable = |name: &str| env.variable(name).map(Value::from);
        let either = |build: &str, release: &str| variable(if is_build(env) { build } else { release });
        let run_id = either("Build.BuildId", "Release.ReleaseId");
        let run_id = run_id.and_then(|id| id.as_str()?.parse::<u64>().ok());
        let (logs, id) = if is_build(env) {
            (in_project(collection, project, &["_build", "results"]), "buildId")
        } else {
            (in_project(collection, project, &["_releaseProgress"]), "releaseId")
        };
        let pipeline = in_project(collection, project, &[if is_build(env) { "_build" } else { "_release" }]);
        let scheduled = env.variable("Build.Reason").is_some_and(|it| it.eq_ignore_ascii_case("schedule"));
        let creator =
            if is_build(env) && !scheduled { "Build.RequestedForEmail" } else { "Release.RequestedForEmail" };
        let size: u64 = self.history.iter().map(|entry| entry.size).sum();
        let layers: Vec<Value> = self.history.iter().rev().map(layer).collect();
        let source = self.source.as_ref();
        let base = source.map_or(Some("NA"), |source| source.base);
        let fields = [
            ("imageName", Some(json!(self.uri()))),
            ("imageUri", Some(json!(self.uri()))),
            ("hash", Some(json!(bare(self.digest)))),
            ("baseImageName", Some(json!(base))),
            ("distance", Some(json!(layers.len()))),
            ("imageType", Some(json!(""))),
            ("mediaType", Some(json!(""))),
            ("tags", Some(json!(self.tags))),
            ("layerInfo", Some(Value::Array(layers))),
            ("runId", Some(json!(run_id))),
            ("pipelineVersion", either("Build.BuildNumber", "Release.ReleaseName")),
            ("pipelineName", variable("System.DefinitionName")),
            ("pipelineId", variable("System.DefinitionId")),
            ("jobName", variable("System.PhaseDisplayName")),
            ("imageSize", Some(json!(format!("{size}B")))),
            ("creator", variable(creator)),
            ("logsUri", Some(json!(with_id(logs, id, run_id.map(|id| id.to_string()).as_deref())))),
            (
                "artifactStorageSourceUri",
                Some(json!(with_id(pipeline, "definitionId", env.variable("System.DefinitionId")))),
            ),
            ("contextUrl", Some(json!(env.variable("Build.Repository.Uri").unwrap_or_default()))),
            ("revisionId", Some(json!(env.variable("Build.SourceVersion").unwrap_or_default()))),
            (
                "buildOptions",
                Some(json!({
                    "dockerFilePath": source.map(|source| source.dockerfile.display().to_string()).unwrap_or_default(),
                    "labels": self.labels.join(", "),
                    "tags": self.tags.join(", "),
                    "context": source.map(|source| source.context).unwrap_or_default(),
                })),
            ),
            ("repositoryTypeName", variable("Build.Repository.Provider")),
            ("repositoryId", variable("Build.Repository.ID")),
            ("repositoryName", variable("Build.Repository.Name")),
            ("branch", variable("Build.SourceBranchName")),
            ("imageFingerPrint", Some(self.fingerprint())),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(fields.collect::<Map<_, _>>())
    }

    /// The layers' name after Grafeas: the hash of all of them.
    fn fingerprint(&self) -> Value {
        if self.layers.is_empty() {
            return json!({});
        }
        let id = self.history.first().map(|entry| bare(&entry.id)).filter(|id| *id != "<missing>");
        let blobs: Vec<&str> = self.layers.iter().map(|layer| bare(layer)).collect();
        let name = hex::encode(Sha256::digest(blobs.join(" ")));
        json!({ "v1Name": id.unwrap_or_default(), "v2Blobs": blobs, "v2Name": name })
    }
}

/// An entry of the history: the older builder writes `/bin/sh -c #(nop)  CMD ["sh"]`, BuildKit `CMD ["sh"]`, or with a
/// shell `RUN /bin/sh -c make # buildkit`.
fn layer(entry: &HistoryEntry) -> Value {
    let text = entry.created_by.trim();
    let (directive, arguments) = match text.split_once("#(nop)") {
        Some((_, instruction)) => {
            let instruction = instruction.trim();
            instruction.split_once(' ').unwrap_or((instruction, ""))
        }
        None => match text.split_once(' ') {
            Some((word, rest)) if INSTRUCTIONS.contains(&word) => {
                (word, rest.strip_suffix("# buildkit").unwrap_or(rest))
            }
            _ => ("RUN", text),
        },
    };
    json!({
        "directive": directive,
        "arguments": arguments.trim(),
        "createdOn": Timestamp::from_second(entry.created).unwrap_or_default().to_string(),
        "size": format!("{}B", entry.size),
    })
}

/// A digest without its algorithm.
fn bare(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

fn in_project(collection: &Url, project: &str, path: &[&str]) -> Url {
    let mut url = collection.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(project).extend(path);
    }
    url
}

fn with_id(mut url: Url, name: &str, value: Option<&str>) -> String {
    url.set_query(Some(&format!("{name}={}", value.unwrap_or_default())));
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [(&str, &str); 20] = [
        ("SYSTEM_HOSTTYPE", "build"),
        ("SYSTEM_DEFINITIONID", "12"),
        ("SYSTEM_DEFINITIONNAME", "web"),
        ("SYSTEM_PHASEDISPLAYNAME", "Build the image"),
        ("BUILD_BUILDID", "20240"),
        ("BUILD_BUILDNUMBER", "20260105.3"),
        ("BUILD_REASON", "IndividualCI"),
        ("BUILD_REQUESTEDFOREMAIL", "jo@contoso.example"),
        ("BUILD_REPOSITORY_URI", "https://dev.azure.com/contoso/my%20project/_git/web"),
        ("BUILD_REPOSITORY_PROVIDER", "TfsGit"),
        ("BUILD_REPOSITORY_ID", "5febef5a"),
        ("BUILD_REPOSITORY_NAME", "web"),
        ("BUILD_SOURCEVERSION", "6dcb09b5"),
        ("BUILD_SOURCEBRANCHNAME", "main"),
        ("RELEASE_RELEASEID", "7"),
        ("RELEASE_RELEASENAME", "Release-7"),
        ("RELEASE_REQUESTEDFOREMAIL", "al@contoso.example"),
        ("RELEASE_DEFINITIONID", "99"),
        ("BUILD_DEFINITIONNAME", "web"),
        ("SYSTEM_JOBDISPLAYNAME", "Build the image linux"),
    ];

    fn body(changes: &[(&str, &str)], change: impl FnOnce(&mut ImageRecord<'_>)) -> Value {
        let repository =
            Repository::parse("team/app", Some("https://contoso.azurecr.io")).expect("a repository");
        let history: Vec<HistoryEntry> = serde_json::from_value(json!([
            {"Id": "sha256:11ff", "Created": 1_700_000_060, "CreatedBy": "CMD [\"python\"]", "Size": 0},
            {"Id": "<missing>", "Created": 1_700_000_059, "CreatedBy": "RUN |1 A=b /bin/sh -c make # buildkit", "Size": 1234},
            {"Id": "<missing>", "Created": 1_700_000_001, "CreatedBy": "/bin/sh -c #(nop)  ENV LANG=C.UTF-8", "Size": 0},
            {"Id": "<missing>", "Created": 1_700_000_000, "CreatedBy": "/bin/sh -c apt-get update", "Size": 70_000_000},
        ]))
        .expect("as an engine tells it");
        let mut record = ImageRecord {
            repository: &repository,
            digest: "sha256:abcd",
            tags: &["1".to_owned(), "latest".to_owned()],
            source: Some(Source {
                dockerfile: Path::new("/s/app/Dockerfile"),
                context: "/s/app",
                base: Some("python:3.12-slim"),
            }),
            labels: &["com.azure.dev.image.build.sourceversion=6dcb09b5".to_owned(), "a=b".to_owned()],
            history: &history,
            layers: &["sha256:aa".to_owned(), "sha256:bb".to_owned()],
        };
        change(&mut record);
        let collection = Url::parse("https://dev.azure.com/contoso/").expect("a URL");
        let env = VARIABLES.iter().chain(changes).copied().collect();
        record.body(&env, &collection, "my project")
    }

    #[test]
    fn the_record_of_a_build() {
        let expected = json!({
            "imageName": "https://contoso.azurecr.io/team/app@sha256:abcd",
            "imageUri": "https://contoso.azurecr.io/team/app@sha256:abcd",
            "hash": "abcd",
            "baseImageName": "python:3.12-slim",
            "distance": 4,
            "imageType": "",
            "mediaType": "",
            "tags": ["1", "latest"],
            "layerInfo": [
                {"directive": "RUN", "arguments": "/bin/sh -c apt-get update", "createdOn": "2023-11-14T22:13:20Z", "size": "70000000B"},
                {"directive": "ENV", "arguments": "LANG=C.UTF-8", "createdOn": "2023-11-14T22:13:21Z", "size": "0B"},
                {"directive": "RUN", "arguments": "|1 A=b /bin/sh -c make", "createdOn": "2023-11-14T22:14:19Z", "size": "1234B"},
                {"directive": "CMD", "arguments": "[\"python\"]", "createdOn": "2023-11-14T22:14:20Z", "size": "0B"},
            ],
            "runId": 20240,
            "pipelineVersion": "20260105.3",
            "pipelineName": "web",
            "pipelineId": "12",
            "jobName": "Build the image",
            "imageSize": "70001234B",
            "creator": "jo@contoso.example",
            "logsUri": "https://dev.azure.com/contoso/my%20project/_build/results?buildId=20240",
            "artifactStorageSourceUri": "https://dev.azure.com/contoso/my%20project/_build?definitionId=12",
            "contextUrl": "https://dev.azure.com/contoso/my%20project/_git/web",
            "revisionId": "6dcb09b5",
            "buildOptions": {
                "dockerFilePath": "/s/app/Dockerfile",
                "labels": "com.azure.dev.image.build.sourceversion=6dcb09b5, a=b",
                "tags": "1, latest",
                "context": "/s/app",
            },
            "repositoryTypeName": "TfsGit",
            "repositoryId": "5febef5a",
            "repositoryName": "web",
            "branch": "main",
            "imageFingerPrint": {
                "v1Name": "11ff",
                "v2Blobs": ["aa", "bb"],
                "v2Name": hex::encode(Sha256::digest("aa bb")),
            },
        });
        let text = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
        assert_eq!(text(&body(&[], |_| {})), text(&expected));
    }

    #[test]
    fn a_release_that_pushes_what_was_built_before() {
        let record = body(&[("SYSTEM_HOSTTYPE", "release"), ("BUILD_SOURCEVERSION", "")], |record| {
            record.source = None;
            (record.history, record.layers) = (&[], &[]);
        });
        for (key, value) in [
            ("baseImageName", json!("NA")),
            ("distance", json!(0)),
            ("layerInfo", json!([])),
            ("imageSize", json!("0B")),
            ("runId", json!(7)),
            ("pipelineVersion", json!("Release-7")),
            ("creator", json!("al@contoso.example")),
            ("logsUri", json!("https://dev.azure.com/contoso/my%20project/_releaseProgress?releaseId=7")),
            (
                "artifactStorageSourceUri",
                json!("https://dev.azure.com/contoso/my%20project/_release?definitionId=12"),
            ),
            ("revisionId", json!("")),
            ("imageFingerPrint", json!({})),
        ] {
            assert_eq!(record[key], value, "{key}");
        }
        assert_eq!(record["buildOptions"]["dockerFilePath"], "");
    }

    #[test]
    fn what_is_not_known_is_null_or_left_out() {
        let record = body(
            &[("BUILD_REASON", "Schedule"), ("RELEASE_REQUESTEDFOREMAIL", ""), ("BUILD_BUILDID", "x")],
            |record| {
                record.source = record.source.take().map(|source| Source { base: None, ..source });
            },
        );
        assert_eq!((&record["baseImageName"], &record["runId"]), (&Value::Null, &Value::Null));
        assert_eq!(record.get("creator"), None);
    }

    #[test]
    fn the_address_is_the_projects_own() {
        let address = |collection: &str, project| {
            ImageRecord::address(&Url::parse(collection).expect("a URL"), project).to_string()
        };
        assert_eq!(
            address("https://dev.azure.com/contoso/", "my project/ü?"),
            "https://dev.azure.com/contoso/my%20project%2F%C3%BC%3F/_apis/deployment/imagedetails?api-version=5.0-preview.1"
        );
        assert_eq!(
            address("https://tfs.corp:8080/tfs/DefaultCollection", "web"),
            "https://tfs.corp:8080/tfs/DefaultCollection/web/_apis/deployment/imagedetails?api-version=5.0-preview.1"
        );
    }

    #[test]
    fn docker_hub_is_named_whole() {
        let uri = |name| {
            let repository =
                Repository::parse(name, Some("https://index.docker.io/v1/")).expect("a repository");
            let (history, layers) = (&[], &[]);
            ImageRecord {
                repository: &repository,
                digest: "sha256:1",
                tags: &[],
                source: None,
                labels: &[],
                history,
                layers,
            }
            .uri()
        };
        assert_eq!(uri("app"), "https://docker.io/library/app@sha256:1");
        assert_eq!(uri("team/app"), "https://docker.io/team/app@sha256:1");
    }
}
