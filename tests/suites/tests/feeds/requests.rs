//! What is asked for, and that the indexes that come of it open.

use feedbuild_sandbox::{Builder, Feed, Flavour};
use feedbuild_suites::unique;

use crate::{FEED, at_once, built, indexes, organization, server, services, step, step_and, world};

#[test]
fn two_requests_settle_any_number_of_feeds() {
    at_once([1, 10], |count| {
        let names: Vec<String> = (0..count).map(|number| format!("feed-{number}")).collect();
        let feeds = names.iter().map(|name| Feed::org(name)).fold(organization(), Builder::feed);
        let world = world(feeds);
        let outcome = built(&step(&world, &names.join("\n")));
        assert_eq!(indexes(&outcome).len(), count);

        let requests = world.sandbox.requests();
        let mut targets: Vec<&str> = requests.iter().map(|request| request.target.as_str()).collect();
        targets.sort_unstable();
        assert_eq!(
            targets,
            [
                "/contoso/_apis/packaging/feeds?includeUrls=false&api-version=5.0-preview.1",
                "/contoso/_apis/resourceAreas/92F0314B-06C5-46E0-ABE7-15FD9D13276A?api-version=5.0-preview.1",
            ]
        );
        for request in &requests {
            assert_eq!(request.header("X-TFS-FedAuthRedirect"), Some("Suppress"));
            assert_eq!(request.status, Some(200));
        }
    });
}

#[test]
fn a_server_is_asked_for_its_feeds_alone() {
    let world = server();
    built(&step(&world, FEED));
    let requests = world.sandbox.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path(), "/tfs/DefaultCollection/_apis/packaging/feeds");
    assert_eq!(requests[0].header("X-TFS-FedAuthRedirect"), Some("Suppress"));
}

#[test]
fn feeds_that_no_mount_uses_are_not_asked_for() {
    let world = services();
    let dockerfile = format!("FROM feedbuild-test/base\nRUN : {}\n", unique("build"));
    let outcome = built(&world.build_step(&dockerfile).input("artifactFeeds", FEED));
    assert_eq!(world.sandbox.requests().len(), 0);
    let notice = "notice: `artifactFeeds` is not used: no mounted secret is left for a feed to provide";
    assert!(outcome.log.iter().any(|line| line == notice), "the log:\n{}", outcome.log_text());
}

#[test]
fn the_index_of_every_kind_of_feed_opens() {
    at_once([Flavour::Services, Flavour::Server], |flavour| {
        let world = world(
            organization()
                .flavour(flavour)
                .feed(Feed::project("My Project", "web"))
                .feed(Feed::project("Grüße & Co", "pakete")),
        );
        let feeds = "my-private-pypi@Release, my project/WEB ,\n Grüße & Co/pakete@Local\n";
        let outcome = built(&step_and(&world, feeds, "wget -q -O - \"$url\""));
        let base = world.sandbox.packaging_url();
        assert_eq!(
            indexes(&outcome),
            [
                format!("{base}_packaging/my-private-pypi@Release/pypi/simple/"),
                format!("{base}my%20project/_packaging/WEB/pypi/simple/"),
                format!("{base}Gr%C3%BC%C3%9Fe%20&%20Co/_packaging/pakete@Local/pypi/simple/"),
            ]
        );
        let opened = world.sandbox.requests_to("/pypi/simple/");
        assert_eq!(opened.iter().map(|request| request.status).collect::<Vec<_>>(), [Some(200); 3]);
    });
}
