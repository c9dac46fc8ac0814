//! What is found in whole images, in each format in which an engine gives one, and what is no image.

use serde_json::{Value, json};

use super::fixture::{Oci, SECRET, gzip, searcher, sha256, tar, zstd};
use super::image::{Examined, Options, examine};

fn read(archive: &[u8]) -> anyhow::Result<Examined> {
    examine(archive, &searcher(), &Options::default())
}

fn findings(examined: &Examined) -> Vec<String> {
    examined.findings.iter().map(ToString::to_string).collect()
}

fn error(archive: &[u8]) -> String {
    format!("{:#}", read(archive).expect_err("it is no whole image"))
}

fn config() -> Value {
    json!({"os": "linux", "architecture": "amd64", "config": {}})
}

/// Three layers: one without the needle, one with it, one that deletes the file.
fn layers() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("COPY . / # buildkit", tar(&[("etc/os-release", b"-")])),
        (
            "RUN |1 TOKEN=s3cr3t-of-the-feed /bin/sh -c make # buildkit",
            tar(&[("app/.npmrc", format!("//host/:_authToken={SECRET}\n").as_bytes()), ("app/main", b"-")]),
        ),
        ("RUN /bin/sh -c rm /app/.npmrc # buildkit", tar(&[("app/.wh..npmrc", b"")])),
    ]
}

/// The image of [`layers`] as docker until 24 saves it, the second layer twice.
fn classic(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut config = config();
    let layers = layers();
    config["rootfs"] = json!({"diff_ids": layers.iter().map(|(_, layer)| sha256(layer)).collect::<Vec<_>>()});
    config["history"] = layers.iter().map(|(text, _)| json!({"created_by": text})).collect();
    let config = config.to_string().into_bytes();
    let name = format!("{}.json", &sha256(&config)[7..]);
    let mut files: Vec<(String, Vec<u8>)> = layers
        .into_iter()
        .enumerate()
        .flat_map(|(index, (_, layer))| {
            let v1 = format!(r#"{{"container_config":{{"Env":["TOKEN={SECRET}"]}}}}"#);
            [(format!("{index}/json"), v1.into_bytes()), (format!("{index}/layer.tar"), layer)]
        })
        .collect();
    let paths: Vec<String> = (0..3).map(|index| format!("{index}/layer.tar")).collect();
    let manifest = json!([{"Config": name, "RepoTags": null, "Layers": paths}]);
    files.push((name, config));
    files.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    change(&mut files);
    tar(&files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect::<Vec<_>>())
}

fn assert_found(archive: &[u8], layer: &str) -> Examined {
    let lines = |history: &[&str]| (0..history.len()).map(|entry| (entry == 1).then_some(7)).collect();
    let examined = examine(archive, &searcher(), &Options { lines: &lines, ..Options::default() });
    let examined = examined.expect("it is an image");
    let made = "made by line 7 of the Dockerfile, `RUN |1 TOKEN=*** /bin/sh -c make # buildkit`";
    let in_layer = format!(
        "feed token is in the image for linux/amd64, as it is, at byte 19 of `app/.npmrc` in layer 2 ({}), which \
         layer 3 only hides, {made}: a later layer hides the file and keeps its content; delete it in the \
         instruction that makes it, or mount it",
        &layer[..19],
    );
    let in_history = format!(
        "feed token is in the image for linux/amd64, as it is, in entry 2 of its history, {made}: a build argument \
         stays in the history; feed it as a secret, `RUN --mount=type=secret,id=… …`"
    );
    let mut found = findings(&examined);
    found.sort_unstable();
    assert_eq!(found, [in_layer, in_history]);
    assert_eq!((examined.layers_searched, examined.layers_skipped, examined.images.len()), (3, 0, 1));
    examined
}

#[test]
fn an_oci_layout_is_read_in_any_order() {
    let mut oci = Oci::default();
    let manifest = oci.image(config(), &layers());
    for index_first in [true, false] {
        let examined = assert_found(&oci.archive(index_first), &sha256(&gzip(&layers()[1].1)));
        assert_eq!(examined.images[0].manifest, Some(manifest.clone()));
        assert_eq!(examined.images[0].layers[1].diff_id, sha256(&layers()[1].1));
    }
}

#[test]
fn dockers_own_format_is_read() {
    let examined = assert_found(&classic(|_| ()), &sha256(&layers()[1].1));
    assert_eq!(examined.images[0].manifest, None);
}

#[test]
fn what_is_not_whole_is_an_error() {
    let mut oci = Oci::default();
    oci.image(config(), &layers());
    let whole = oci.archive(true);
    let layer = gzip(&layers()[1].1);
    let at = |needle: &[u8]| memchr::memmem::find(&whole, needle).expect("it is there");
    let change = |at: usize, byte: u8| {
        let mut changed = whole.clone();
        changed[at] = byte;
        changed
    };
    let digest = sha256(&layer);
    let hex = &digest[7..];
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "the image's archive has neither an `index.json` nor a `manifest.json`"),
        ("an end within a blob", whole[..at(&layer) + 10].to_vec(), "the image ends within `blobs/sha256/"),
        (
            "a changed byte of a layer",
            change(at(&layer) + 4, 1),
            "` of the image does not have the digest of its name, but `sha256:",
        ),
        ("a changed header", change(at(hex.as_bytes()), b'x'), "cannot read the image"),
        (
            "a layer that is another",
            classic(|files| {
                for file in files.iter_mut().filter(|file| file.0 == "0/layer.tar") {
                    file.1 = tar(&[]);
                }
            }),
            "of the image has the digest `",
        ),
        (
            "a config that is another",
            classic(|files| {
                for file in files.iter_mut().filter(|file| file.1.starts_with(b"{\"os")) {
                    file.1.push(b' ');
                }
            }),
            ".json` has the digest `sha256:",
        ),
        (
            "a missing layer",
            classic(|files| files.retain(|file| file.0 != "1/layer.tar")),
            "`1/layer.tar` is not in the image's archive",
        ),
    ];
    for (name, archive, expected) in table {
        let error = error(&archive);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn layers_that_cannot_be_read_are_named_with_their_type() {
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let build = |media_type: &str, content: Option<Vec<u8>>| {
        let mut oci = Oci::default();
        let mut own = config();
        own["rootfs"] = json!({"diff_ids": ["sha256:0"]});
        let config = oci.blob("application/vnd.oci.image.config.v1+json", own.to_string().into_bytes());
        let layer = match content {
            Some(content) => oci.blob(media_type, content),
            None => {
                json!({"mediaType": media_type, "digest": "sha256:1", "size": 3, "urls": ["https://host/x"]})
            }
        };
        oci.manifest(&json!({"config": config, "layers": [layer]}), &json!({}));
        error(&oci.archive(true))
    };
    let content = b"not a tar, whatever its name says".repeat(40);
    let digest = sha256(&content);
    assert_eq!(
        build(foreign, None),
        format!(
            "cannot read layer `sha256:1` of the image, of the type `{foreign}`: it is not in the image's archive"
        )
    );
    assert_eq!(
        build(encrypted, Some(content)),
        format!(
            "cannot read layer `{digest}` of the image, of the type `{encrypted}`: a header's checksum does not match"
        )
    );
}

#[test]
fn the_content_of_a_layer_tells_how_it_is_read_not_its_type() {
    let layer = tar(&[("x", SECRET.as_bytes())]);
    let types = [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.example.of.nobody",
        "",
    ];
    for media_type in types {
        for content in [layer.clone(), gzip(&layer), zstd(&layer)] {
            let mut oci = Oci::default();
            let mut own = config();
            own["rootfs"] = json!({"diff_ids": [sha256(&layer)]});
            let config = oci.blob("application/vnd.oci.image.config.v1+json", own.to_string().into_bytes());
            let mut descriptor = oci.blob(media_type, content);
            descriptor["urls"] = json!(["https://host/x"]);
            oci.manifest(&json!({"config": config, "layers": [descriptor]}), &json!({}));
            let examined = read(&oci.archive(true)).expect("it is an image");
            assert_eq!((examined.findings.len(), examined.layers_searched), (1, 1), "{media_type}");
        }
    }
}

#[test]
fn a_layer_may_begin_as_json_does() {
    for name in ["[id].js", "{}", "[1]"] {
        let mut oci = Oci::default();
        let mut own = config();
        let layer = tar(&[(name, SECRET.as_bytes())]);
        own["rootfs"] = json!({"diff_ids": [sha256(&layer)]});
        let config = oci.blob("application/vnd.oci.image.config.v1+json", own.to_string().into_bytes());
        let layer = oci.blob("application/vnd.oci.image.layer.v1.tar", layer);
        oci.manifest(&json!({"config": config, "layers": [layer]}), &json!({}));
        let examined = read(&oci.archive(true)).expect("it is an image");
        assert_eq!(examined.findings.len(), 1, "{name}");
    }
}

#[test]
fn empty_layers_are_layers() {
    let mut oci = Oci::default();
    oci.image(config(), &[("RUN true", vec![]), ("RUN true", vec![0; 1024])]);
    let mut own = config();
    own["rootfs"] = json!({"diff_ids": [sha256(b"")]});
    let config = oci.blob("application/vnd.oci.image.config.v1+json", own.to_string().into_bytes());
    let layer = oci.blob("application/vnd.oci.image.layer.v1.tar", vec![]);
    oci.manifest(&json!({"config": config, "layers": [layer]}), &json!({}));
    let examined = read(&oci.archive(true)).expect("there are two images");
    assert_eq!((examined.layers_searched, findings(&examined)), (3, vec![]));
}

#[test]
fn a_document_that_clients_read_in_different_ways_is_refused() {
    let of = |manifest: Value| {
        let mut oci = Oci::default();
        let digest = oci.manifest(&manifest, &json!({}));
        error(&oci.archive(true)).replace(&digest, "DIGEST")
    };
    let config = json!({"digest": "sha256:1"});
    assert_eq!(
        of(json!({"config": config, "layers": [], "manifests": []})),
        "`DIGEST` of the image is both a manifest and an index"
    );
    // Docker's schema 1.
    assert_eq!(
        of(json!({"schemaVersion": 1, "fsLayers": [{"blobSum": "sha256:1"}]})),
        "`DIGEST` of the image, of the type `application/vnd.oci.image.manifest.v1+json`, is neither a manifest nor an \
         index"
    );
}

#[test]
fn the_documents_of_an_image_are_searched() {
    let mut oci = Oci::default();
    let own = json!({
        "os": "linux", "architecture": "arm64", "variant": "v8",
        "config": {
            "Env": ["PATH=/bin", format!("NPM_TOKEN={SECRET}")],
            "Labels": {"a.b": format!("https://u:{SECRET}@host"), SECRET: "x"},
            "Entrypoint": ["sh", "-c", SECRET],
            "Cmd": [SECRET],
            "Healthcheck": {"Test": ["CMD", SECRET]},
            "WorkingDir": format!("/{SECRET}"),
        },
        "history": [{"created_by": format!("ENV NPM_TOKEN={SECRET}"), "empty_layer": true}],
    });
    oci.image(own, &[]);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"invocation": {"parameters": {"args": {"build-arg:TOKEN": SECRET}}}},
    });
    let statement = oci.blob("application/vnd.in-toto+json", statement.to_string().into_bytes());
    let empty = oci.blob("application/vnd.oci.image.config.v1+json", b"{}".to_vec());
    let attestation = oci.manifest(
        &json!({"config": empty, "layers": [statement], "annotations": {"note": SECRET}}),
        &json!({"vnd.docker.reference.type": "attestation-manifest", "of": SECRET}),
    );
    let examined = read(&oci.archive(true)).expect("it is an image");
    let mut places: Vec<String> = examined.findings.iter().map(|finding| finding.place.to_string()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "in `config.WorkingDir` of the config",
            "in `predicate.invocation.parameters.args.build-arg:TOKEN` of the provenance attestation",
            "in entry 1 of its history",
            "in the annotation `note` of its manifest",
            "in the annotation `of` of its index",
            "in the command",
            "in the entrypoint",
            "in the health check",
            "in the label `***`",
            "in the label `a.b`",
            "in the variable `NPM_TOKEN` of its config",
        ]
    );
    assert_eq!(examined.attestations, [attestation]);
    let texts = findings(&examined).join("\n");
    assert!(!texts.contains(SECRET), "{texts}");
    assert!(texts.contains("`RUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN …`"), "{texts}");
}

#[test]
fn a_value_that_a_parser_hides_is_found() {
    let mut oci = Oci::default();
    let own = format!(r#"{{"os":"linux","rootfs":{{}},"config":{{"User":"{SECRET}","User":"x"}}}}"#);
    let config = oci.blob("application/vnd.oci.image.config.v1+json", own.into_bytes());
    oci.manifest(&json!({"config": config, "layers": []}), &json!({}));
    let examined = read(&oci.archive(true)).expect("it is an image");
    assert_eq!(examined.findings[0].place.to_string(), "in byte 44 of the config");
}

#[test]
fn platforms_share_a_finding_and_absent_ones_are_named() {
    let mut oci = Oci::default();
    for architecture in ["amd64", "arm64"] {
        let mut own = config();
        own["architecture"] = architecture.into();
        oci.image(own, &[("RUN /bin/sh -c x # buildkit", tar(&[("x", SECRET.as_bytes())]))]);
    }
    let inner = json!({"manifests": [{"digest": "sha256:2"}]}).to_string().into_bytes();
    oci.index(inner);
    let examined = read(&oci.archive(false)).expect("it is an image");
    assert_eq!(examined.findings.len(), 1);
    assert_eq!(examined.findings[0].platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!((examined.absent.as_slice(), examined.images.len()), (&["sha256:2".to_owned()][..], 2));
    assert_eq!(examined.layers_searched, 1);
}

#[test]
fn skipped_layers_are_counted_and_not_searched() {
    let mut oci = Oci::default();
    oci.image(config(), &layers());
    let skipped = sha256(&gzip(&layers()[1].1));
    let options = Options { is_skipped: &|digest| digest == skipped, ..Options::default() };
    let examined = examine(oci.archive(true).as_slice(), &searcher(), &options).expect("it is an image");
    assert_eq!((examined.layers_searched, examined.layers_skipped), (2, 1));
    // The build argument in the history.
    assert_eq!(examined.findings.len(), 1);
}

#[test]
fn findings_are_bounded_and_allowed_ones_apart() {
    let files: Vec<(String, Vec<u8>)> = (0..1200)
        .map(|n| (format!("allowed/{n}"), SECRET.into()))
        .chain((0..1200).map(|n| (format!("x/{n}"), SECRET.into())))
        .collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    let mut oci = Oci::default();
    oci.image(config(), &[("COPY x /", tar(&files))]);
    let options = Options { is_allowed: &|path| path.starts_with("allowed/"), ..Options::default() };
    let examined = examine(oci.archive(true).as_slice(), &searcher(), &options).expect("it is an image");
    assert_eq!((examined.findings.len(), examined.more_findings), (100, 1100));
    assert_eq!((examined.allowed.len(), examined.more_allowed), (100, 1100));
}

#[test]
fn a_history_that_fits_no_layers_names_no_instruction() {
    // BuildKit takes layers for those of too many entries of a base image.
    let mut long = vec![json!({"created_by": "ADD x /"}); 127];
    long.push(json!({"created_by": "COPY x / # buildkit", "empty_layer": true}));
    for history in [json!([]), json!([{"created_by": "COPY x / # buildkit"}]), json!(null), json!(long)] {
        let mut oci = Oci::default();
        let mut own = config();
        own["history"] = history.clone();
        let layers: Vec<(&str, Vec<u8>)> =
            (0..127).map(|n| ("", tar(&[("x", format!("{n} {SECRET}").as_bytes())]))).collect();
        oci.image(own, &layers);
        let examined = read(&oci.archive(true)).expect("it is an image");
        assert_eq!((examined.findings.len(), examined.more_findings), (100, 27));
        let texts: Vec<_> =
            examined.findings.iter().filter_map(|finding| finding.instruction.clone()).collect();
        assert!(
            texts.iter().all(|instruction| history.is_null() && instruction.text.is_empty()),
            "{texts:?}"
        );
    }
}
