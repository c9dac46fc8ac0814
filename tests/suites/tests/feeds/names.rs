//! Names in `artifactFeeds`, and feeds that are not where the name says.

use feedbuild_sandbox::{Feed, Sandbox, Token};
use feedbuild_suites::TOKEN;

use crate::{FEED, error, organization, services, step, world};

const FEED_READER: &str = "\n\nhint: check the spelling, or give the build identity the role `Feed Reader` in Artifacts > feed settings > \
     Permissions (a feed of another project also needs `Limit job authorization scope to current project` switched off)";
const NAME_FORM: &str = "\n\nhint: write each feed as `feed` (organization-scoped) or `project/feed` \
                         (project-scoped), with `@view` behind it if you want a view";

#[test]
fn a_name_that_is_none_is_told_before_any_request() {
    let table = [
        ("a/b/c", "`a/b/c` has too many parts"),
        ("https://pkgs.dev.azure.com/contoso/", "`https://pkgs.dev.azure.com/contoso/` has too many parts"),
        ("/feed", "`/feed` has an empty project"),
        ("shared, project/", "`project/` has an empty feed name"),
        ("@Release", "`@Release` has an empty feed name"),
        ("feed@", "`feed@` has an empty view"),
        ("feed@Local@Release", "`feed@Local@Release` has more than one view"),
    ];
    let world = services();
    for (feeds, wrong) in table {
        let expected = format!("input `artifactFeeds`: {wrong}{NAME_FORM}");
        assert_eq!(error(&world, &step(&world, feeds)), expected);
    }
    assert_eq!(
        error(&world, &step(&world, "shared\n$(myFeed)")),
        "input `artifactFeeds` holds `$(myFeed)`, but no variable `myFeed` exists\n\n\
         hint: define the variable `myFeed`, or write the feed's name"
    );
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[test]
fn a_feed_elsewhere_is_told_from_one_that_is_not_there() {
    let world = world(
        organization()
            .feed(Feed::project("My Project", "web"))
            .feed(Feed::project("My Project", "api"))
            .feed(Feed::project("Grüße", "web")),
    );
    let table = [
        (
            "api",
            "`api` is a feed of a project, not of the organization\n\nhint: write it as `My Project/api`"
                .to_owned(),
        ),
        (
            "my-private-pypi, WEB@Release",
            "`WEB@Release` is a feed of a project, not of the organization\n\n\
             hint: write it as `My Project/web@Release` or `Grüße/web@Release`"
                .to_owned(),
        ),
        ("Other/api", "project `Other` has no feed `api`\n\nhint: write it as `My Project/api`".to_owned()),
        (
            "My Project/my-private-pypi",
            "project `My Project` has no feed `my-private-pypi`\n\nhint: write it as `my-private-pypi`"
                .to_owned(),
        ),
        ("nope", format!("`nope` is none of the 4 feeds that the build identity sees{FEED_READER}")),
    ];
    for (feeds, wrong) in table {
        assert_eq!(error(&world, &step(&world, feeds)), format!("input `artifactFeeds`: {wrong}"));
    }
}

#[test]
fn an_identity_that_sees_no_feed_is_told_so() {
    let world = world(Sandbox::builder().token(Token::new(TOKEN).reader_of(&[])).feed(Feed::org(FEED)));
    let wrong = format!("the build identity sees no feed, so not `{FEED}` either");
    assert_eq!(error(&world, &step(&world, FEED)), format!("input `artifactFeeds`: {wrong}{FEED_READER}"));
}
