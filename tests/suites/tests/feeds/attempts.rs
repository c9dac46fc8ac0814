//! Faults that pass, faults that stay, and how often and when the step tries again.

use std::time::Duration;

use feedbuild_sandbox::Fault;

use crate::{AREA, FEED, LIST, NOBODY, NOWHERE, at_once, built, error, impatient, server_at, services, step};

#[test]
fn a_fault_that_passes_costs_another_attempt() {
    let cases = [
        (LIST, Fault::Status(429), 1),
        (AREA, Fault::Status(500), 2),
        (LIST, Fault::Status(502), 1),
        (LIST, Fault::Status(503), 3),
        (AREA, Fault::Status(504), 1),
        (LIST, Fault::Truncated, 2),
        (AREA, Fault::Reset, 1),
        (LIST, Fault::Close, 1),
        (LIST, Fault::Delay(Duration::from_mins(1)), 1),
    ];
    at_once(cases, |(pattern, fault, times)| {
        let world = services();
        world.sandbox.fault(pattern, fault.clone(), times);
        built(&impatient(step(&world, FEED), &fault));
        assert_eq!(world.sandbox.requests_to(pattern).len(), times + 1, "{fault:?}");
        assert_eq!(world.sandbox.requests().len(), times + 2, "{fault:?}");
    });
}

#[test]
fn the_pause_is_the_one_that_the_service_asks_for() {
    at_once([429, 503], |status| {
        let world = services();
        world.sandbox.fault(LIST, Fault::RetryAfter(status, 2), 1);
        built(&step(&world, FEED));
        let requests = world.sandbox.requests_to(LIST);
        let pause = requests[1].arrived - requests[0].answered.unwrap();
        assert!(pause >= Duration::from_secs(2), "{status}: {pause:?}");
        assert_eq!(requests.len(), 2);
    });
}

#[test]
fn a_fault_that_stays_is_told_after_four_attempts() {
    let no_answer = "cannot get the list of feeds\n  caused by: `SANDBOX` ended the connection without an answer \
                     (4 attempts)\n  caused by: ";
    let cases = [
        (
            Fault::Status(500),
            "`SANDBOX` failed to answer the request for the list of feeds (500, 4 attempts): Internal Server Error \
             (by order)"
                .to_owned(),
        ),
        (
            Fault::Status(503),
            "`SANDBOX` failed to answer the request for the list of feeds (503, 4 attempts): Service Unavailable \
             (by order)"
                .to_owned(),
        ),
        (
            Fault::RetryAfter(429, 1),
            "`SANDBOX` limits the requests of the build identity (429, 4 attempts): Too Many Requests (by order); it \
             asks to wait 1 s\n\n\
             hint: run the job again later; Organization settings > Usage shows what used up the limit"
                .to_owned(),
        ),
        (
            Fault::Truncated,
            "cannot get the list of feeds\n  caused by: `SANDBOX` broke off its answer (4 attempts)\n  caused by: \
             end of file before message length reached"
                .to_owned(),
        ),
        (Fault::Close, format!("{no_answer}connection closed before message completed")),
        (Fault::Reset, format!("{no_answer}Connection reset by peer (os error 104)")),
        (
            Fault::Delay(Duration::from_mins(1)),
            "cannot get the list of feeds\n  caused by: `SANDBOX` did not answer within 2 s (4 attempts)\n  caused \
             by: operation timed out"
                .to_owned(),
        ),
    ];
    at_once(cases, |(fault, expected)| {
        let world = services();
        world.sandbox.fault(LIST, fault.clone(), usize::MAX);
        assert_eq!(error(&world, &impatient(step(&world, FEED), &fault)), expected);
        assert_eq!(world.sandbox.requests_to(LIST).len(), 4, "{expected}");
        assert_eq!(world.sandbox.requests_to(AREA).len(), 1, "{expected}");
    });
}

#[test]
fn a_pause_of_more_than_a_minute_is_told_and_not_waited_for() {
    let world = services();
    world.sandbox.fault(LIST, Fault::RetryAfter(429, 3600), usize::MAX);
    assert_eq!(
        error(&world, &step(&world, FEED)),
        "`SANDBOX` limits the requests of the build identity (429): Too Many Requests (by order); it asks to wait \
         3600 s\n\n\
         hint: run the job again later; Organization settings > Usage shows what used up the limit"
    );
    assert_eq!(world.sandbox.requests_to(LIST).len(), 1);
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let cases = [
        (
            format!("http://{NOBODY}/tfs/DefaultCollection/"),
            "`127.0.0.1:9` refused the connection (4 attempts)\n  caused by: Connection refused (os error 111)",
            "127.0.0.1:9",
        ),
        (
            NOWHERE.to_owned(),
            "`tfs.invalid` is unknown to the name service (4 attempts)\n  caused by: failed to lookup address \
             information: Name or service not known",
            "tfs.invalid",
        ),
    ];
    at_once(cases, |(url, wrong, host)| {
        let world = server_at(&url);
        // A machine that reaches no name service has other words for it.
        let error = error(&world, &step(&world, FEED))
            .replace("Temporary failure in name resolution", "Name or service not known");
        assert_eq!(
            error,
            format!(
                "cannot get the list of feeds\n  caused by: {wrong}\n\n\
                 hint: let this agent reach `{host}`, or configure it with the proxy that does (`--proxyurl`)"
            )
        );
    });
}
