//! Answers that are none: refusals, sign-in pages, and what is not the API's JSON.

use feedbuild_sandbox::Fault;
use feedbuild_suites::TOKEN;

use crate::{AREA, FEED, LIST, NO_GATEWAY, at_once, error, server, services, step};

#[test]
fn a_refusal_is_explained_and_final() {
    let list = "the list of feeds";
    let area = "the location of Azure Artifacts";
    let hints = [
        (
            401,
            "the token may have expired (a job's token ends with its timeout) or belong to another organization; \
             run the job again, and use feeds of the pipeline's own organization",
        ),
        (
            403,
            "give the build identity (`{project} Build Service ({organization})`, or `Project Collection Build \
             Service` where job authorization scope is not limited) the role `Feed Reader` in Artifacts > feed \
             settings > Permissions",
        ),
        (
            404,
            "check that Artifacts is switched on (Project settings > Overview > Azure DevOps services), or on a \
             Server that the extension Package Management is installed in the collection",
        ),
    ];
    let cases = hints.into_iter().flat_map(|hint| [(LIST, list, hint), (AREA, area, hint)]);
    at_once(cases, |(pattern, what, (status, hint))| {
        let message = match status {
            401 => format!(
                "`SANDBOX` did not accept the job access token for {what} (401): Unauthorized (by order)"
            ),
            403 => format!("`SANDBOX` refused {what} to the build identity (403): Forbidden (by order)"),
            _ => format!("`SANDBOX` does not offer {what} (404): Not Found (by order)"),
        };
        let world = services();
        world.sandbox.fault(pattern, Fault::Status(status), usize::MAX);
        assert_eq!(error(&world, &step(&world, FEED)), format!("{message}\n\nhint: {hint}"));
        assert_eq!(world.sandbox.requests_to(pattern).len(), 1, "{status} for {pattern}");
    });
}

#[test]
fn a_token_that_the_service_does_not_know_is_told_in_its_words() {
    let world = server();
    world.sandbox.revoke(TOKEN);
    assert_eq!(
        error(&world, &step(&world, FEED)),
        "`SANDBOX` did not accept the job access token for the list of feeds (401): TF400813: The user '' is not \
         authorized to access this resource.\n\n\
         hint: the token may have expired (a job's token ends with its timeout) or belong to another organization; \
         run the job again, and use feeds of the pipeline's own organization"
    );
    assert_eq!(world.sandbox.requests().len(), 1);
}

#[test]
fn a_sign_in_page_is_seen_for_what_it_is() {
    let faults = [
        (200, Fault::SignIn(200)),
        (203, Fault::SignIn(203)),
        (302, Fault::Redirect("/_signin".into())),
        (302, Fault::Redirect("https://login.example/oauth2".into())),
    ];
    at_once(faults, |(status, fault)| {
        let world = services();
        world.sandbox.fault(LIST, fault, usize::MAX);
        assert_eq!(
            error(&world, &step(&world, FEED)),
            format!(
                "`SANDBOX` answered the request for the list of feeds with its sign-in page ({status})\n\n\
                 hint: the job access token is not valid here; run the job again, and check that no gateway in \
                 between strips the `Authorization` header"
            )
        );
        assert_eq!(world.sandbox.requests_to(LIST).len(), 1);
    });
}

#[test]
fn an_answer_that_is_not_the_api_s_is_told() {
    let strange = "`SANDBOX` answered the request for the list of feeds with something other than the JSON of this API\n  caused by: ";
    let cases = [
        (
            LIST,
            Fault::Html,
            format!("`SANDBOX` answered the request for the list of feeds with an HTML page (200){NO_GATEWAY}"),
        ),
        (LIST, Fault::Json("{}".into()), format!("{strange}missing field `value` at line 1 column 2")),
        (
            LIST,
            Fault::Json(r#"{"value": ["#.into()),
            format!("{strange}EOF while parsing a list at line 1 column 11"),
        ),
        (LIST, Fault::Json(String::new()), format!("{strange}EOF while parsing a value at line 1 column 0")),
        (
            AREA,
            Fault::Json("null".into()),
            "`SANDBOX` does not offer the location of Azure Artifacts (null)\n\n\
             hint: check that Artifacts is switched on (Project settings > Overview > Azure DevOps services), or on \
             a Server that the extension Package Management is installed in the collection"
                .to_owned(),
        ),
    ];
    at_once(cases, |(pattern, fault, expected)| {
        let world = services();
        world.sandbox.fault(pattern, fault, usize::MAX);
        assert_eq!(error(&world, &step(&world, FEED)), expected);
        assert_eq!(world.sandbox.requests_to(pattern).len(), 1);
    });
}
