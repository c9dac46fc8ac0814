//! What a build that failed is told of its feeds.

use feedbuild_agent::{Outcome, Step, TaskResult};
use feedbuild_sandbox::{Application, Builder, Feed, Sandbox, Token};
use feedbuild_suites::{Store, TOKEN, World, unique};

use crate::{
    APPLICATION, FEED, Federation, IDENTITY, at_once, built, nothing_leaks, organization, told, with,
};

const INDEX: &str = "GET …/nuget/v3/index.json";

const SCOPE: &str = "`Limit job authorization scope to current project` switched off";

/// A step whose build fails where it would use the feed.
fn failing(world: &World) -> Step {
    world.build_step(&format!(
        "FROM feedbuild-test/base:latest\nENV BUILD={}\n\
         RUN --mount=type=secret,id=FEED_TOKEN test -s /run/secrets/FEED_TOKEN && exit 3\n",
        unique("build")
    ))
}

/// What the step warned of; the sandbox's address is `SANDBOX`.
fn warnings(world: &World, step: &Step) -> Vec<String> {
    let outcome: Outcome = step.run().unwrap();
    nothing_leaks(world, &outcome);
    assert_eq!(outcome.result, TaskResult::Failed, "the log:\n{}", outcome.log_text());
    let error = "Dockerfile(3,): error : the build failed (exit code 1)\n  caused by: process \"/bin/sh -c test -s /run/secrets/FEED_TOKEN && \
                 exit 3\" did not complete successfully: exit code: 3";
    assert_eq!(outcome.errors(), [error]);
    outcome.warnings().iter().map(|text| text.replace(&world.sandbox.authority(), "SANDBOX")).collect()
}

fn world(builder: Builder) -> World {
    World::with_sandbox(Store::Containerd, builder.start())
}

#[test]
fn a_feed_that_refuses_the_identity_names_the_role() {
    let token = Token::new(TOKEN).reader_of(&["another"]);
    let world = world(Sandbox::builder().token(token).feed(Feed::org(FEED)));
    let step = failing(&world).input("feedUrl", &world.sandbox.index_url(FEED));
    let who = "Project Collection Build Service (contoso)";
    assert_eq!(
        warnings(&world, &step),
        [format!(
            "feed `{FEED}` refuses `{who}` (403): User '{who}' lacks permission to complete this action. You need to \
             have 'ReadPackages'.\n\n\
             hint: give `{who}` the role `Feed Reader` in Artifacts > feed settings > Permissions, or `Feed and \
             Upstream Reader (Collaborator)` if a package comes from an upstream; a feed of another project also needs \
             {SCOPE}"
        )]
    );
    assert_eq!(world.sandbox.requests_to(INDEX).len(), 1);
}

#[test]
fn a_feed_without_its_project_is_told() {
    let world = world(Sandbox::builder().token(TOKEN).feed(Feed::project("web", "private")));
    let step = failing(&world).input("feedUrl", &world.sandbox.index_url("private"));
    assert_eq!(
        warnings(&world, &step),
        [format!(
            "feed `private` does not exist for `Project Collection Build Service (contoso)` (404): The feed with ID \
             'private' doesn't exist.\n\n\
             hint: check the spelling; a feed of a project is `project/feed`, and one of another project also needs \
             {SCOPE}"
        )]
    );
}

#[test]
fn an_application_that_is_no_user_is_told() {
    let federation = Federation::of(with(Application::new(APPLICATION, IDENTITY).stranger()));
    let world = &federation.world;
    let step = failing(world)
        .input("feedUrl", &world.sandbox.index_url(FEED))
        .input("workloadIdentityServiceConnection", IDENTITY)
        .input("feedToken", "job");
    assert_eq!(
        warnings(world, &step),
        [format!(
            "feed `{FEED}` does not know the token that the build had (401): TF400813: The user '' is not authorized to \
             access this resource.\n\n\
             hint: the token may have ended, or its identity is no user of the feed's organization: add the application \
             in Organization settings > Users"
        )]
    );
}

#[test]
fn a_feed_that_answers_is_not_at_fault() {
    at_once(["artifactFeeds", "feedUrl"], |input| {
        let world = world(organization());
        let url = world.sandbox.index_url(FEED);
        let feed = if input == "feedUrl" { &url } else { FEED };
        assert_eq!(warnings(&world, &failing(&world).input(input, feed)), [""; 0]);
        assert_eq!(world.sandbox.requests_to(INDEX).len(), 1, "{input}");
    });
}

#[test]
fn a_build_that_did_well_asks_nothing() {
    let world = world(organization());
    built(&world, &told(&world, &["FEED_TOKEN"]).input("artifactFeeds", FEED));
    assert_eq!(world.sandbox.requests_to(INDEX).len(), 0);
}
