//! The feeds' secrets: what is behind each id when a `RUN` reads it, in every spelling and for every order of feeds, and
//! what is asked for at all.

use std::collections::BTreeMap;

use feedbuild_agent::Step;
use feedbuild_sandbox::{Feed, Wheel};
use feedbuild_suites::reveal::{contents, reveal, texts};
use feedbuild_suites::{REGISTRY_ID, Store, TOKEN, World, notices, only_error, succeeded, unique};

/// The first feed of the job: the organization's, with the package `private-greeting`.
const A: &str = "a";

/// The second one: a project's, with the package `other-greeting`.
const B: &str = "web team/b";

fn two_feeds() -> World {
    let b = Feed::project("web team", "b").empty().with(Wheel::new("other-greeting", "2.0.0"));
    World::with_feeds(Store::Containerd, [Feed::org(A), b])
}

/// A step that builds anew: a cached `RUN` reads no secret.
fn step(world: &World, dockerfile: &str) -> Step {
    world.build_step(dockerfile).input("noCache", "true")
}

fn dockerfile(ids: &[&str]) -> String {
    format!("FROM feedbuild-test/base:latest\n{}", reveal(ids))
}

/// A feed's index URL with the job's credentials.
fn url(world: &World, feed: &str) -> String {
    let url = world.sandbox.index_url(feed);
    url.replacen("://", &format!("://build:{TOKEN}@"), 1)
}

fn pairs<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(id, text)| (id.to_owned(), text)).into()
}

/// The inputs of `PipAuthenticate@1` and both `Docker@2` steps of the article, as they stand there.
fn merged(world: &World, command: &str) -> Step {
    world
        .step()
        .input("artifactFeeds", "$(artifactFeed)")
        .input("onlyAddExtraIndex", "true")
        .input("command", command)
        .input("repository", "$(imageRepository)")
        .input("containerRegistry", "$(dockerRegistryServiceConnection)")
        .input("arguments", "--secret id=PIP_EXTRA_URL")
        .input("tags", "$(tag)\n")
        .env("DOCKER_BUILDKIT", "1")
}

fn article_world() -> World {
    let world = World::new(Store::Containerd);
    world.article();
    world.job.set_variable("artifactFeed", "my-private-pypi");
    world.job.set_variable("imageRepository", &unique("my-service"));
    world.job.set_variable("dockerRegistryServiceConnection", REGISTRY_ID);
    world.job.set_variable("tag", "$(Build.BuildId)");
    world
}

#[test]
fn the_articles_inputs_work_merged_literally() {
    let world = article_world();
    // Another text of the file, so that pip runs although another test built the same.
    world.source("requirements.txt", &format!("# {}\nprivate-greeting\n", unique("requirements")));
    let build = merged(&world, "build").env("PIP_EXTRA_URL", "$(artifactoryUrl)").run().unwrap();
    let build = succeeded(build);
    assert_eq!(
        notices(&build),
        ["`--secret id=PIP_EXTRA_URL` in `arguments` has no value of its own; the feeds provide this secret"]
    );
    assert_eq!(build.warnings(), [""; 0]);

    let push = succeeded(merged(&world, "push").input("arguments", "").run().unwrap());
    let reference = push.output("imageReferences").unwrap();
    assert_eq!(build.output("imageReferences"), Some(reference));
    assert_eq!(
        world.docker(&["run", "--rm", "--network=host", reference]),
        "Hello from private-greeting 1.0.0!"
    );
}

#[test]
fn a_value_of_the_users_own_wins_over_the_feeds() {
    let world = article_world();
    let own = "https://someone:own-s3cret@pypi.invalid/simple/";
    world.source("Dockerfile", &dockerfile(&["PIP_EXTRA_URL"]));
    let outcome = merged(&world, "build").input("noCache", "true").env("PIP_EXTRA_URL", own).run().unwrap();
    let outcome = succeeded(outcome);
    assert_eq!(texts(&outcome), pairs([("PIP_EXTRA_URL", own.to_owned())]));
    assert_eq!(
        notices(&outcome),
        ["`artifactFeeds` is not used: no mounted secret is left for a feed to provide"]
    );
    assert_eq!(world.sandbox.requests().len(), 0, "no feed is looked up");
}

#[test]
fn every_spelling_of_an_id_means_the_same() {
    let world = two_feeds();
    let host = world.sandbox.authority().rsplit_once(':').unwrap().0.to_owned();
    let (a, b) = (url(&world, A), url(&world, B));
    let conf = format!("[global]\nindex-url = {a}\nextra-index-url =\n    {b}\n");
    let netrc = format!("machine {host} login build password {TOKEN}\n");
    let expected = pairs([
        ("PIP_INDEX_URL", a.clone()),
        ("pip_index_url", a.clone()),
        ("pip-index-url", a),
        ("PIP_EXTRA_INDEX_URL", b.clone()),
        ("pip_extra_index_url", b.clone()),
        ("PIP_EXTRA_URL", b.clone()),
        ("pip_extra_url", b),
        ("pip.conf", conf.clone()),
        ("pip_conf", conf.clone()),
        ("pipconf", conf.clone()),
        ("PIP_CONF", conf),
        ("netrc", netrc.clone()),
        (".netrc", netrc.clone()),
        ("NETRC", netrc),
        ("FEED_TOKEN", TOKEN.to_owned()),
        ("feed_token", TOKEN.to_owned()),
    ]);
    let ids: Vec<&str> = expected.keys().map(String::as_str).collect();
    let step = step(&world, &dockerfile(&ids)).input("artifactFeeds", &format!("{A}, {B}"));
    let outcome = succeeded(step.run().unwrap());
    assert_eq!(texts(&outcome), expected);
    assert_eq!(notices(&outcome), [""; 0]);
    assert!(world.sandbox.requests().len() <= 2, "{:#?}", world.sandbox.requests());
}

#[test]
fn feeds_are_shared_as_pip_authenticate_shares_them() {
    let world = two_feeds();
    let (a, b, view) = (url(&world, A), url(&world, B), url(&world, A).replace("/a/", "/a@Release/"));
    let both = format!("{a} {b}");
    let all = "secret `PIP_EXTRA_INDEX_URL` holds all feeds: the Dockerfile mounts no `PIP_INDEX_URL` that would hold \
               the first one"
        .to_owned();
    let two = |id: &str| {
        format!(
            "secret `{id}` holds 2 URLs with a space between them: pip reads that from `PIP_EXTRA_INDEX_URL`, but \
             `--extra-index-url` takes only one"
        )
    };
    let (index, extra, short) = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_EXTRA_URL");
    let table = [
        ("a, web team/b", "false", vec![(index, a.clone()), (extra, b.clone())], vec![]),
        ("a@Release\nweb team/b\n", "false", vec![(index, view), (extra, b.clone())], vec![]),
        ("a, web team/b", "false", vec![(extra, both.clone())], vec![all.clone(), two(extra)]),
        ("a", "false", vec![(extra, a.clone())], vec![all]),
        (
            "a",
            "false",
            vec![(index, a.clone()), (extra, String::new())],
            vec!["secret `PIP_EXTRA_INDEX_URL` is empty: the only feed is the index".to_owned()],
        ),
        ("a", "true", vec![(short, a.clone())], vec![]),
        (
            "a,web team/b",
            "true",
            vec![
                (short, both.clone()),
                ("pip.conf", format!("[global]\nextra-index-url =\n    {a}\n    {b}\n")),
            ],
            vec![two(short)],
        ),
        (
            "a,web team/b",
            "false",
            vec![
                (short, b.clone()),
                ("pip.conf", format!("[global]\nindex-url = {a}\nextra-index-url =\n    {b}\n")),
            ],
            vec![],
        ),
    ];
    for (feeds, only_extra, held, told) in table {
        let ids: Vec<&str> = held.iter().map(|(id, _)| *id).collect();
        let step = step(&world, &dockerfile(&ids))
            .input("artifactFeeds", feeds)
            .input("onlyAddExtraIndex", only_extra);
        let outcome = succeeded(step.run().unwrap());
        let expected: BTreeMap<_, _> = held.into_iter().map(|(id, text)| (id.to_owned(), text)).collect();
        assert_eq!(texts(&outcome), expected, "{feeds}, {only_extra}");
        assert_eq!(notices(&outcome), told, "{feeds}, {only_extra}");
    }
}

#[test]
fn pip_installs_by_every_entry() {
    let world = two_feeds();
    let plain = world.sandbox.index_url(A);
    let dockerfile = format!(
        "FROM python:3.12-slim
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL \\
    pip install --target /1 private-greeting
RUN --mount=type=secret,id=PIP_EXTRA_INDEX_URL,env=PIP_EXTRA_INDEX_URL \\
    pip install --target /2 other-greeting
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \\
    pip install --target /3 private-greeting other-greeting
RUN --mount=type=secret,id=netrc,target=/root/.netrc \\
    pip install --target /4 --index-url {plain} private-greeting
RUN for n in 1 3 4; do PYTHONPATH=/$n python -c 'import private_greeting as p; print(\"'$n'\", p.greet())'; done
RUN for n in 2 3; do PYTHONPATH=/$n python -c 'import other_greeting as p; print(\"'$n'\", p.greet())'; done
"
    );
    let step = step(&world, &dockerfile).input("artifactFeeds", &format!("{A}\n{B}"));
    let outcome = succeeded(step.run().unwrap());
    for said in [
        "1 Hello from private-greeting 1.0.0!",
        "3 Hello from private-greeting 1.0.0!",
        "4 Hello from private-greeting 1.0.0!",
        "2 Hello from other-greeting 2.0.0!",
        "3 Hello from other-greeting 2.0.0!",
    ] {
        assert!(outcome.log.iter().any(|line| line.ends_with(said)), "{said}: {}", outcome.log_text());
    }
}

#[test]
fn only_what_the_target_reaches_is_fed_and_asked_for() {
    let world = two_feeds();
    let dockerfile = format!(
        "ARG BASE=plain
FROM feedbuild-test/base:latest AS plain
RUN echo nothing
FROM plain AS indexed
{}
FROM plain AS keyed
{}
FROM ${{BASE}} AS final
RUN echo done
",
        reveal(&["PIP_INDEX_URL"]),
        reveal(&["api_key"]),
    );
    let build = |inputs: &[(&str, &str)]| {
        let step = step(&world, &dockerfile).input("artifactFeeds", A);
        inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run().unwrap()
    };
    let unused = "`artifactFeeds` is not used: no mounted secret is left for a feed to provide";
    for inputs in [&[][..], &[("target", "plain")], &[("arguments", "--target=plain")]] {
        let outcome = succeeded(build(inputs));
        assert_eq!((contents(&outcome).len(), notices(&outcome)), (0, vec![unused]), "{inputs:?}");
    }
    let outcome = succeeded(build(&[("target", "keyed"), ("secrets", "api_key=own")]));
    assert_eq!(texts(&outcome), pairs([("api_key", "own".to_owned())]));
    assert_eq!(world.sandbox.requests().len(), 0, "no feed was looked up");

    for inputs in [
        &[("buildArgs", "BASE=indexed")][..],
        &[("arguments", "--build-arg BASE=indexed")],
        &[("target", "indexed")],
    ] {
        let outcome = succeeded(build(inputs));
        assert_eq!(texts(&outcome), pairs([("PIP_INDEX_URL", url(&world, A))]), "{inputs:?}");
        assert_eq!(notices(&outcome), [""; 0], "{inputs:?}");
    }
    assert_eq!(
        only_error(&build(&[("buildArgs", "BASE=keyed")])),
        "the Dockerfile mounts secrets that nothing provides: `api_key` (line 9)\n\nhint: for `api_key` add \
         `api_key=VARIABLE` to `secretEnvs` or `api_key=PATH` to `secretFiles`, or, if it is a feed's, \
         `api_key=CATALOGUE_ID` to `secretIds`, e.g. `api_key=PIP_EXTRA_INDEX_URL`; or set `missingSecrets: warn` to build without"
    );
}

#[test]
fn what_nothing_provides_stops_the_step_or_is_warned_of() {
    let dockerfile = dockerfile(&["PIP_INDEX_URL", "netrc"]);
    let table = [
        (
            vec![("artifactFeeds", "a"), ("onlyAddExtraIndex", "true")],
            "`PIP_INDEX_URL` (line 2)",
            "for `PIP_INDEX_URL` leave out `onlyAddExtraIndex`, which makes every feed an extra index, or mount \
             `PIP_EXTRA_INDEX_URL`",
            vec!["netrc"],
        ),
        (
            vec![],
            "`PIP_INDEX_URL` (line 2), `netrc` (line 2)",
            "for `PIP_INDEX_URL` set `artifactFeeds`; for `netrc` set `artifactFeeds`",
            vec![],
        ),
    ];
    for (inputs, missing, way, fed) in table {
        let world = two_feeds();
        let step =
            || inputs.iter().fold(step(&world, &dockerfile), |step, (name, value)| step.input(name, value));
        let outcome = step().run().unwrap();
        let message = format!("the Dockerfile mounts secrets that nothing provides: {missing}");
        assert_eq!(
            only_error(&outcome),
            format!("{message}\n\nhint: {way}; or set `missingSecrets: warn` to build without")
        );
        assert_eq!(world.sandbox.requests().len(), 0, "the step stopped before it");
        let outcome = succeeded(step().input("missingSecrets", "warn").run().unwrap());
        assert_eq!(outcome.warnings(), [format!("{message}; the build goes on without")]);
        assert_eq!(contents(&outcome).keys().collect::<Vec<_>>(), fed);
    }
}

#[test]
fn secret_ids_give_an_entry_another_id() {
    let world = two_feeds();
    let step = step(&world, &dockerfile(&["my_url", "PIP_INDEX_URL", "team/token"]))
        .input("artifactFeeds", "a, web team/b")
        .input(
            "secretIds",
            "my_url = pip_extra_url\n PIP_INDEX_URL=FEED_TOKEN\nteam/token=feed-token\nunused=netrc",
        );
    let outcome = succeeded(step.run().unwrap());
    let expected = [
        ("my_url", format!("{} {}", url(&world, A), url(&world, B))),
        ("PIP_INDEX_URL", TOKEN.to_owned()),
        ("team/token", TOKEN.to_owned()),
    ];
    assert_eq!(texts(&outcome), pairs(expected));
    let told = notices(&outcome);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("secret `my_url` holds all feeds"), "{told:#?}");
    assert!(told[1].starts_with("secret `my_url` holds 2 URLs"), "{told:#?}");
    assert_eq!(told[2], "secret `unused` is given, but no `RUN` that the target reaches mounts it");
}
