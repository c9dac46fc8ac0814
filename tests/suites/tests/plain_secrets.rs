//! Secrets of a job that no one drew by lot: a word of the image, one character.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use feedbuild_suites::{Store, World, notices, succeeded};

const DOCKERFILE: &str = "FROM feedbuild-test/base\nENV MODE=production\nRUN echo production >/etc/mode\n";

/// The agent masks the value wherever it shows it.
fn told(text: &str) -> String {
    let layer = |text: &str| {
        let (before, rest) = text.split_once(" (sha256:").unwrap();
        format!("{before}{}", rest.split_once(')').unwrap().1)
    };
    if text.contains(" (sha256:") { layer(text) } else { text.to_owned() }
}

#[test]
fn a_word_of_the_image_is_told_with_the_line_that_allows_it() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        world.job.set_secret_variable("stage", "production");
        let outcome = succeeded(world.build_step(DOCKERFILE).run().unwrap());
        let found = "secret variable `stage` is in the image for linux/amd64, as it is,";
        let env = "made by line 2 of the Dockerfile, `ENV MODE=***`";
        let run = "made by line 3 of the Dockerfile, `RUN /bin/sh -c echo *** >/etc/mode # buildkit`";
        let if_word = "if the value is also a mere word, set `leakCheckAllow";
        let history = "the history holds every instruction; take the value out of it";
        let mut warnings: Vec<String> = outcome.warnings().into_iter().map(told).collect();
        warnings.sort_unstable();
        assert_eq!(
            warnings,
            [
                format!(
                    "Dockerfile(2,): warning : {found} in entry 2 of its history, {env}: {if_word}: history = a word`; if not, {history}"
                ),
                format!(
                    "Dockerfile(2,): warning : {found} in the variable `MODE` of its config, {env}: {if_word}: env:MODE = a word`; if \
                     not, give it to the `RUN` that needs it alone, `RUN --mount=type=secret,id=MODE,env=MODE …`, in place of `ENV`"
                ),
                format!(
                    "Dockerfile(3,): warning : {found} at byte 0 of `etc/mode` in layer 2, {run}: {if_word}: /etc/mode = a word`; if \
                     not, mount the secret, `RUN --mount=type=secret,id=… …`, and write nothing of it to a file, or do it in a \
                     stage of which only the result is copied, `COPY --from=…`"
                ),
                format!(
                    "Dockerfile(3,): warning : {found} in entry 3 of its history, {run}: {if_word}: history = a word`; if not, a build \
                     argument stays in the history; feed it as a secret, `RUN --mount=type=secret,id=… …`"
                ),
            ],
            "{store:?}"
        );

        let allow = "history = a word\nenv:MODE = a word\n/etc/mode = a word";
        let outcome = succeeded(world.build_step(DOCKERFILE).input("leakCheckAllow", allow).run().unwrap());
        assert_eq!(outcome.warnings(), [""; 0], "{store:?}");
        let allowed = outcome.summaries().concat().matches("; allowed: ").count();
        assert_eq!(allowed, 4, "{store:?}: {}", outcome.summaries().concat());
    }
}

#[test]
fn a_word_that_is_fed_is_a_leak_unless_its_place_is_allowed() {
    let world = World::new(Store::Containerd);
    let build = |allow: &str| {
        let dockerfile =
            "FROM feedbuild-test/base\nRUN --mount=type=secret,id=MODE cp /run/secrets/MODE /etc/mode\n";
        let step = world.build_step(dockerfile).input("secrets", "MODE=production").input("noCache", "true");
        step.input("leakCheckAllow", allow).run().unwrap()
    };
    let leaked = build("");
    assert_eq!(leaked.errors().len(), 2, "{:#?}", leaked.errors());
    assert_eq!(
        leaked.errors()[1],
        "the image holds a secret of this job; it gets no name and is not pushed\n\nhint: change the instructions as the errors \
         on their lines say; a place that is no leak can be named in `leakCheckAllow`, a `GLOB = REASON` a line"
    );
    succeeded(build("/etc/mode = it names an environment"));
}

#[test]
fn a_secret_of_one_character_hides_nothing_and_is_not_searched_for() {
    let world = World::new(Store::Containerd);
    world.job.set_secret_variable("flag", "Q");
    let dockerfile =
        "FROM feedbuild-test/base\nRUN --mount=type=secret,id=ONE cat /run/secrets/ONE >/one && echo done\n";
    let step = world.build_step(dockerfile).input("secrets", "ONE=d").input("noCache", "true");
    let outcome = succeeded(step.run().unwrap());
    let mut said = notices(&outcome);
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "secret `ONE` has fewer than 8 characters and is not searched for",
            "secret variable `flag` has fewer than 8 characters and is not searched for",
        ]
    );
    assert!(outcome.log.iter().any(|line| line.ends_with(" done")), "{}", outcome.log_text());
}
