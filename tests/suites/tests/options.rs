//! The options of docker/build-push-action, each by what it does in a build on a real engine, and what an engine or a
//! client cannot do.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use feedbuild_agent::{Outcome, Step};
use feedbuild_suites::{Client, REGISTRY_ID, Store, World, notices, only_error, succeeded, unique};
use serde_json::{Value, json};

const BASE: &str = "FROM feedbuild-test/base:latest\n";
const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

fn with(step: Step, inputs: &[(&str, &str)]) -> Step {
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value))
}

/// Builds anew: a cached `RUN` prints nothing.
fn built(world: &World, dockerfile: &str, inputs: &[(&str, &str)]) -> Outcome {
    succeeded(with(world.build_step(dockerfile).input("noCache", "true"), inputs).run().unwrap())
}

/// The one error, with the sources folder as `SOURCES`.
fn refused(world: &World, dockerfile: &str, inputs: &[(&str, &str)]) -> String {
    let outcome = with(world.build_step(dockerfile), inputs).run().unwrap();
    only_error(&outcome).replace(world.job.sources_dir().to_str().unwrap(), "SOURCES")
}

/// What `RUN`s printed after `said `.
fn said(outcome: &Outcome) -> Vec<&str> {
    let said = |line: &'_ String| {
        let (step, text) = line.split_once(" said ")?;
        let time = step.split_once(' ')?.1;
        time.parse::<f64>().ok().map(|_| line.len() - text.len())
    };
    outcome.log.iter().filter_map(|line| said(line).map(|at| &line[at..])).collect()
}

/// Runs git in a folder.
fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    let identity = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"];
    git.arg("-C").arg(folder).args(identity).args(arguments);
    git.env("GIT_COMMITTER_DATE", "2024-02-03T04:05:06Z").env("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z");
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A job on an agent of its own that checked `repository` out at a time of its own.
fn checked_out(store: Store, repository: &Path, time: SystemTime) -> World {
    let world = World::new(store);
    let source = format!("file://{}", repository.display());
    git(repository, &["clone", "-q", "--depth=1", &source, world.job.sources_dir().to_str().unwrap()]);
    // Each world's stand-in for the service has an address of its own, which is a label of the image.
    world.job.set_variable("System.TeamFoundationCollectionUri", "https://dev.azure.com/contoso/");
    world.job.set_variable("Build.Repository.Uri", "https://dev.azure.com/contoso/p/_git/app");
    File::open(world.job.sources_dir().join("file")).unwrap().set_modified(time).unwrap();
    world
}

#[test]
fn two_builds_of_a_commit_are_one_image() {
    let repository = tempfile::tempdir().unwrap();
    let folder = repository.path();
    // Files of an instruction have the time of the checkout or of the build.
    let dockerfile =
        format!("{BASE}COPY file /copied\nRUN cp -p /copied /made && touch /touched && rm /copied\n");
    std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(folder.join("file"), "x").unwrap();
    git(folder, &["init", "-q"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "all"]);
    let (now, name) = (SystemTime::now(), unique("reproducible"));
    let image = |inputs: &[(&str, &str)], time| {
        let world = checked_out(Store::Containerd, folder, time);
        let step = world.step().input("command", "build").input("noCache", "true").input("repository", &name);
        let outcome = succeeded(with(step, inputs).run().unwrap());
        let created =
            ["image", "inspect", "--format", "{{.Created}}", outcome.output("imageReferences").unwrap()];
        (
            outcome.output("imageDigest").unwrap().to_owned(),
            world.docker(&created),
            notices(&outcome).concat(),
        )
    };
    let (hour, commit) = (Duration::from_hours(1), [("sourceDateEpoch", "commit"), ("ociLabels", "true")]);
    let (digest, created, notice) = image(&commit, now);
    assert_eq!(created, "2024-02-03T04:05:06Z");
    assert_eq!(
        notice,
        "the labels of `addPipelineData` that differ from run to run are left out: `sourceDateEpoch` asks for the same \
         image in every run of a commit"
    );
    assert_eq!(image(&commit, now - hour), (digest.clone(), created, notice));
    let seconds = [("sourceDateEpoch", "1706933106"), ("ociLabels", "true"), ("addPipelineData", "false")];
    assert_eq!(image(&seconds, now), (digest, "2024-02-03T04:05:06Z".to_owned(), String::new()));
    let (first, second) = (image(&[], now).0, image(&[], now - hour).0);
    assert_ne!(first, second, "without it, no two builds are alike");
}

#[test]
fn the_time_of_a_commit_needs_a_commit() {
    let world = World::new(Store::Containerd);
    assert_eq!(
        refused(&world, BASE, &[("sourceDateEpoch", "commit")]),
        "`sourceDateEpoch: commit`: git cannot tell the commit of `SOURCES`\n  caused by: fatal: not a git repository (or \
         any of the parent directories): .git\n\nhint: check the sources out with git on the agent's `PATH`, or give the \
         time in seconds, e.g. `sourceDateEpoch: 1700000000`"
    );
}

/// Labels of an image that the user gave.
fn labels(world: &World, outcome: &Outcome) -> BTreeMap<String, String> {
    let format = [
        "image",
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        outcome.output("imageReferences").unwrap(),
    ];
    let labels: BTreeMap<String, String> = serde_json::from_str(&world.docker(&format)).unwrap();
    labels.into_iter().filter(|(key, _)| key.starts_with("my.")).collect()
}

const ODD: &str = r#"my.plain=1
my.comma=a, b,c
my.equals=a=b==c
my.quotes="say" "hi" 'bye' `cmd`
my.json={"a": ["b", "c"], "d": "\n"}
"my.lines=one
 ""two""
three"
my.odd=é ☃ 100% $HOME ${X} $(date) <&> \ #;
my.empty=
my.bare
"#;

const ODD_VALUES: [(&str, &str); 9] = [
    ("my.plain", "1"),
    ("my.comma", "a, b,c"),
    ("my.equals", "a=b==c"),
    ("my.quotes", r#""say" "hi" 'bye' `cmd`"#),
    ("my.json", r#"{"a": ["b", "c"], "d": "\n"}"#),
    ("my.lines", "one\n \"two\"\nthree"),
    ("my.odd", r"é ☃ 100% $HOME ${X} $(date) <&> \ #;"),
    ("my.empty", ""),
    ("my.bare", ""),
];

#[test]
fn labels_arrive_as_they_are() {
    let odd: BTreeMap<String, String> =
        ODD_VALUES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    for store in STORES {
        for client in [Client::Buildx, Client::Legacy] {
            let world = World::new(store);
            world.use_client(client);
            let outcome =
                built(&world, BASE, &[("labels", ODD), ("arguments", "--label \"my.flag=a \\\"b\\\", c\"")]);
            let mut labels = labels(&world, &outcome);
            assert_eq!(labels.remove("my.flag").as_deref(), Some("a \"b\", c"));
            assert_eq!(labels, odd, "{store:?} {client:?}");
        }
    }
}

#[test]
fn annotations_arrive_as_they_are() {
    let (world, repository) = (World::new(Store::Containerd), unique("annotated"));
    let odd = ODD.replace("my.bare\n", "");
    succeeded(
        with(
            world.build_step(BASE),
            &[
                ("command", "buildAndPush"),
                ("containerRegistry", REGISTRY_ID),
                ("repository", &repository),
                ("tags", "1"),
                ("annotations", &odd),
                ("arguments", "--annotation manifest:my.flag=x"),
            ],
        )
        .run()
        .unwrap(),
    );
    let (_, manifest) = world.manifest(&repository, "1").unwrap();
    let mut expected: BTreeMap<&str, &str> = ODD_VALUES.into_iter().collect();
    expected.remove("my.bare");
    expected.insert("my.flag", "x");
    assert_eq!(manifest["annotations"], json!(expected));
}

#[test]
fn what_run_instructions_find_around_them() {
    let dockerfile = format!(
        "{BASE}RUN echo \"said $(grep internal /etc/hosts | tr '\\t\\n' ' |')\"; echo \"said $(grep -o 'shm .*size=[0-9]*k' /proc/mounts)\"; \\
         echo \"said $(ulimit -Sn) $(ulimit -Hn) $(ulimit -Sc)\"; echo \"said $(head -1 /proc/self/cgroup)\"\n"
    );
    for store in STORES {
        let world = World::new(store);
        let inputs = [
            ("addHosts", "db.internal:10.1.2.3, web.internal:10.1.2.4\nv6.internal:[2001:db8::1]"),
            ("shmSize", "3m"),
            ("ulimit", "nofile=123:456\ncore=0"),
            ("cgroupParent", "feedbuild-test"),
        ];
        let outcome = built(&world, &dockerfile, &inputs);
        let said = said(&outcome);
        assert_eq!(
            said[..3],
            [
                "10.1.2.3 db.internal|10.1.2.4 web.internal|2001:db8::1 v6.internal|",
                "shm tmpfs rw,nosuid,relatime,size=3072k",
                "123 456 0"
            ]
        );
        assert!(said[3].contains(":/feedbuild-test/"), "{said:?}");
    }
}

#[test]
fn more_contexts_are_folders_of_the_sources_or_elsewhere() {
    let world = World::new(Store::Containerd);
    world.source("lib/marker", "of a folder");
    world.source("other place/marker", "of another");
    let absolute = world.job.sources_dir().join("other place");
    let contexts =
        format!("lib=lib\nother={}\nimage=docker-image://feedbuild-test/base:latest", absolute.display());
    let dockerfile = "FROM image
COPY --from=lib marker /lib
COPY --from=other marker /other
RUN echo \"said $(cat /lib), $(cat /other)\"\n";
    let outcome = built(&world, dockerfile, &[("buildContexts", &contexts)]);
    assert_eq!(said(&outcome), ["of a folder, of another"]);
    assert_eq!(
        refused(&world, dockerfile, &[("buildContexts", "lib=no/such")]),
        "input `buildContexts`: the context `lib` is no folder: `SOURCES/no/such`\n\nhint: give a folder's path from \
         `SOURCES`, or a URL"
    );
}

#[test]
fn stages_are_built_anew_one_by_one() {
    let world = World::new(Store::Containerd);
    let name = unique("filter");
    let dockerfile = format!(
        "{BASE}RUN echo said first {name}\nFROM feedbuild-test/base AS second\nRUN echo said second {name}\nFROM \
         feedbuild-test/base AS third\nRUN echo said third {name}\nCOPY --from=0 /bin/sh /x\nCOPY --from=second /bin/sh /y\n"
    );
    let runs = |inputs: &[(&str, &str)]| {
        let outcome = succeeded(with(world.build_step(&dockerfile), inputs).run().unwrap());
        let mut said: Vec<_> =
            said(&outcome).iter().map(|said| said.split_once(' ').unwrap().0.to_owned()).collect();
        said.sort();
        said
    };
    assert_eq!(runs(&[]), ["first", "second", "third"]);
    assert_eq!(runs(&[("load", "true")]), [""; 0]);
    assert_eq!(runs(&[("noCacheFilters", "second")]), ["second"]);
    assert_eq!(runs(&[("noCacheFilters", "second,third")]), ["second", "third"]);
    assert_eq!(
        runs(&[("noCacheFilters", "third"), ("arguments", "--no-cache-filter=second")]),
        ["second", "third"]
    );
}

#[test]
fn an_ssh_agent_is_forwarded() {
    let world = World::new(Store::Containerd);
    let socket = world.job.root_dir().join("ssh-agent");
    let _agent = UnixListener::bind(&socket).unwrap();
    let dockerfile = format!(
        "{BASE}RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo said default\nRUN --mount=type=ssh,id=deploy test -S \
         $SSH_AUTH_SOCK && echo said deploy\n"
    );
    let deploy = format!("default\ndeploy={}", socket.display());
    let step = world.build_step(&dockerfile).input("noCache", "true").input("ssh", &deploy);
    let outcome = succeeded(step.env("SSH_AUTH_SOCK", socket.to_str().unwrap()).run().unwrap());
    assert_eq!(said(&outcome), ["default", "deploy"]);
    assert_eq!(
        refused(&world, &dockerfile, &[("ssh", "default")]),
        "there is no ssh agent to forward (`ssh: default`)\n  caused by: failed to convert agent config {default [] false}: \
         invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set\n\nhint: start one before this step by the task \
         `InstallSSHKey@0`, or name a key: `ssh: default=$(deployKey.secureFilePath)`"
    );
}

#[test]
fn an_image_for_other_platforms() {
    let scratch = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /for-$TARGETARCH\n";
    let both = [("platforms", "linux/arm64,linux/amd64")];
    for store in STORES {
        let world = World::new(store);
        let outcome = built(&world, scratch, &[("platforms", "linux/arm64")]);
        let image = outcome.output("imageReferences").unwrap();
        assert_eq!(
            world.docker(&["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image]),
            "linux/arm64"
        );
    }
    let (world, repository) = (World::new(Store::Containerd), unique("platforms"));
    let push = [
        ("command", "buildAndPush"),
        ("containerRegistry", REGISTRY_ID),
        ("repository", &repository),
        ("tags", "1"),
    ];
    let outcome = succeeded(with(with(world.build_step(scratch), &push), &both).run().unwrap());
    let (digest, index) = world.manifest(&repository, "1").unwrap();
    assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()));
    let platforms: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|manifest| &manifest["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, ["arm64", "amd64"]);
    world.source("program", "no program");
    let foreign = "FROM scratch\nCOPY --chmod=755 program /bin/sh\nRUN anything\n";
    assert_eq!(
        refused(&world, foreign, &[("platforms", "linux/arm64")]),
        "Dockerfile(3,): error : a program is for another kind of processor than that of the machine that builds\n  caused by: process \"/bin/sh -c \
         anything\" did not complete successfully: exit code: 1\n\nhint: install emulators on that machine (`docker run \
         --privileged --rm tonistiigi/binfmt --install all`), name a builder with a machine of that kind in `builder`, or \
         let the stage run on the builder's own kind (`FROM --platform=$BUILDPLATFORM …`)"
    );
}

#[test]
fn images_that_are_pulled_need_their_registry() {
    let world = World::new(Store::Containerd);
    for inputs in [[("pull", "true")], [("arguments", "--pull")]] {
        let error = refused(&world, BASE, &inputs);
        assert!(error.contains("feedbuild-test/base:latest: failed to resolve source metadata"), "{error}");
    }
}

#[test]
fn provenance_is_attested_where_it_is_asked_for() {
    let (world, repository) = (World::new(Store::Containerd), unique("attested"));
    let push = [
        ("command", "buildAndPush"),
        ("containerRegistry", REGISTRY_ID),
        ("repository", &repository),
        ("tags", "1"),
    ];
    for (inputs, manifests) in [
        (&[][..], 0),
        (&[("provenance", "true")], 2),
        (&[("provenance", "mode=max")], 2),
        (&[("provenance", "false"), ("attests", "type=provenance")], 0),
        (&[("attests", "type=provenance,mode=min")], 2),
        (&[("arguments", "--provenance=mode=min")], 2),
    ] {
        let outcome = succeeded(with(with(world.build_step(BASE), &push), inputs).run().unwrap());
        let (digest, manifest) = world.manifest(&repository, "1").unwrap();
        assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()), "{inputs:?}");
        assert_eq!(manifest["manifests"].as_array().map_or(0, Vec::len), manifests, "{inputs:?}: {manifest}");
    }
}

#[test]
fn what_is_not_allowed_is_refused_by_the_engine() {
    let world = World::new(Store::Containerd);
    assert_eq!(
        refused(&world, BASE, &[("allow", "security.insecure")]),
        "the builder's own configuration does not allow what `allow` asks for\n  caused by: granting entitlement \
         security.insecure is not allowed by build daemon configuration\n\nhint: allow it there: for a docker engine in its \
         `daemon.json`, e.g. `\"builder\": {\"entitlements\": {\"security-insecure\": true}}`; for a container by `docker \
         buildx create --buildkitd-flags \"--allow-insecure-entitlement security.insecure\"`"
    );
    built(&world, BASE, &[("allow", "network.host")]);
}

#[test]
fn a_call_asks_and_builds_nothing() {
    let world = World::new(Store::Containerd);
    let clean = format!("{BASE}ARG A=1\nRUN --mount=type=secret,id=PIP_INDEX_URL false\n");
    for (call, expected) in [
        ("check", "Check complete, no warnings found."),
        ("outline", "BUILD ARG   VALUE   DESCRIPTION"),
        ("targets", "(default) "),
    ] {
        let step = world
            .build_step(&clean)
            .input("command", "buildAndPush")
            .input("repository", "")
            .input("call", call);
        let outcome = succeeded(step.run().unwrap());
        assert!(outcome.log.iter().any(|line| line == expected), "{call}: {}", outcome.log_text());
        assert_eq!(outcome.output_variables, []);
    }
    assert_eq!(world.sandbox.requests().len(), 0, "no feed is asked");
    let shabby = "from feedbuild-test/base as x\nRUN false\n";
    let outcome = world.build_step(shabby).input("call", "check").run().unwrap();
    assert_eq!(
        only_error(&outcome),
        "`call: check` found a mistake in the Dockerfile\n  line 1: Command 'from' should match the case of the command \
         majority (uppercase) (ConsistentInstructionCasing)\n\nhint: mend it, or leave a check out by a line `# \
         check=skip=ConsistentInstructionCasing` at the top of the Dockerfile"
    );
    let warnings = outcome.warnings();
    assert!(warnings[0].starts_with("Dockerfile(1,): warning ConsistentInstructionCasing: "), "{warnings:?}");
    assert_eq!(
        refused(&world, "FROM a\nNOPE\n", &[("arguments", "--check")]),
        "`call: check` failed (exit code 1)\n  caused by: dockerfile parse error on line 2: unknown instruction: NOPE (did \
         you mean COPY?)"
    );
}

#[test]
fn files_are_written_besides_the_image() {
    for store in STORES {
        let world = World::new(store);
        let archive = world.job.root_dir().join("out, side.tar");
        let outputs = format!("out/files\ntype=tar,\"dest={}\"", archive.display());
        let outcome = built(&world, "FROM scratch\nCOPY Dockerfile /here\n", &[("outputs", &outputs)]);
        assert!(world.job.sources_dir().join("out/files/here").is_file());
        let mut tar = tar::Archive::new(File::open(&archive).unwrap());
        let names: Vec<_> =
            tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [Path::new("here")]);
        assert!(outcome.output("imageId").is_some());
    }
}

#[test]
fn what_the_classic_store_cannot_do_is_refused_before_the_build() {
    let world = World::new(Store::Classic);
    let table = [
        ("annotations", "a=b", "annotations (`annotations`)"),
        ("provenance", "true", "attestations (`provenance`)"),
        ("sbom", "true", "attestations (`sbom`)"),
        ("attests", "type=x", "attestations (`attests`)"),
        ("platforms", "linux/amd64,linux/arm64", "several platforms (`platforms`)"),
        ("cacheTo", "type=local,dest=c", "caches other than `type=inline` (`cacheTo`)"),
        ("outputs", "type=oci,dest=x.tar", "archives of the image (`outputs`)"),
        ("outputs", "type=image,compression=zstd", "attributes of an image's output (`outputs`)"),
        ("sourceDateEpoch", "1700000000", "the time of files (`sourceDateEpoch`)"),
    ];
    for (input, value, what) in table {
        assert_eq!(
            refused(&world, BASE, &[(input, value)]),
            format!(
                "the engine's classic image store cannot do {what}\n\nhint: switch the engine to the containerd image \
                 store (`\"features\": {{\"containerd-snapshotter\": true}}` in its `daemon.json`), or name a builder of \
                 another driver in `builder` (`docker buildx create --driver docker-container`)"
            ),
        );
    }
    built(
        &world,
        BASE,
        &[("provenance", "false"), ("sbom", "false"), ("cacheTo", "type=inline"), ("outputs", "type=docker")],
    );
}

#[test]
fn the_older_client_says_what_it_does_not_have() {
    let world = World::new(Store::Classic);
    world.use_client(Client::Legacy);
    for (input, value, what) in [
        ("call", "check", "`call`"),
        ("shmSize", "1g", "`shmSize`"),
        ("cacheFrom", "type=local,src=c", "caches other than images in a registry (`cacheFrom`)"),
        ("provenance", "true", "`provenance`"),
    ] {
        assert_eq!(
            refused(&world, BASE, &[(input, value)]),
            format!(
                "a docker client without the buildx plugin does not have {what}\n\nhint: install it on the agent: package \
                 `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution"
            )
        );
    }
    let dockerfile = format!("{BASE}RUN echo \"said $(grep internal /etc/hosts)\"\n");
    let inputs = [
        ("addHosts", "db.internal:10.1.2.3"),
        ("provenance", "false"),
        ("cacheTo", "type=inline"),
        ("platforms", "linux/amd64"),
    ];
    assert_eq!(said(&built(&world, &dockerfile, &inputs)), ["10.1.2.3\tdb.internal"]);
}
