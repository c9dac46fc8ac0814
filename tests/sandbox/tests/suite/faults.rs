//! Faults as a client sees them, latency, and what the record says of both.

use std::time::{Duration, Instant};

use crate::client::{Answer, basic, client, get, try_get};
use feedbuild_sandbox::{Fault, Feed, Sandbox, Trap};

fn contoso() -> Sandbox {
    Sandbox::builder().token("job").feed(Feed::org("shared")).start()
}

fn feeds(sandbox: &Sandbox) -> String {
    format!("{}_apis/packaging/feeds", sandbox.collection_url())
}

#[test]
fn a_fault_happens_as_often_as_ordered_and_only_where_ordered() {
    let sandbox = contoso();
    sandbox.fault("…/packaging/feeds", Fault::Status(503), 2);
    assert_eq!(get(&sandbox.index_url("shared"), "job").status, 200);
    let statuses = [0; 3].map(|_| get(&feeds(&sandbox), "job").status);
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(sandbox.faults_left(), 0);
}

#[test]
fn only_the_nth_request_can_be_hit() {
    let sandbox = contoso();
    sandbox.fault_nth("packaging/feeds", 2, Fault::Status(500));
    sandbox.fault_nth("packaging/feeds", 3, Fault::Status(403));
    assert_eq!([0; 4].map(|_| get(&feeds(&sandbox), "job").status), [200, 500, 403, 200]);
}

#[test]
fn faults_can_be_taken_back() {
    let sandbox = contoso();
    sandbox.fault("", Fault::Status(404), usize::MAX);
    assert_eq!(get(&feeds(&sandbox), "job").status, 404);
    sandbox.clear_faults();
    assert_eq!(get(&feeds(&sandbox), "job").status, 200);
}

#[test]
fn answers_go_wrong_in_many_ways() {
    let sandbox = contoso();
    let meet = |fault: Fault| {
        sandbox.fault("packaging/feeds", fault, 1);
        get(&feeds(&sandbox), "job")
    };
    let throttled = meet(Fault::RetryAfter(429, 7));
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, "7"));
    assert!(!meet(Fault::Status(401)).header("www-authenticate").is_empty());
    for status in [200, 203] {
        let page = meet(Fault::SignIn(status));
        assert_eq!((page.status, page.header("content-type")), (status, "text/html; charset=utf-8"));
        assert!(page.text().contains("Sign In"), "{}", page.text());
    }
    let page = meet(Fault::Html);
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let broken = meet(Fault::Json("{\"value\":".to_owned()));
    assert_eq!(
        (broken.header("content-type"), broken.text()),
        ("application/json; charset=utf-8", "{\"value\":")
    );
}

#[test]
fn a_truncated_body_has_a_head_and_breaks_off() {
    let sandbox = contoso();
    let whole = get(&feeds(&sandbox), "job").body.len();
    sandbox.fault("packaging/feeds", Fault::Truncated, 1);
    let response = client().get(feeds(&sandbox)).header("Authorization", basic("", "job")).call().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], whole.to_string());
    let error = Answer::read(response).err().expect("a body that breaks off is an error");
    assert!(matches!(error, ureq::Error::Io(_)), "{error:?}");
}

#[test]
fn connections_are_closed_or_reset_without_an_answer() {
    let sandbox = contoso();
    for (fault, kind) in [
        (Fault::Close, std::io::ErrorKind::UnexpectedEof),
        (Fault::Reset, std::io::ErrorKind::ConnectionReset),
    ] {
        sandbox.fault("packaging/feeds", fault.clone(), 1);
        let Err(ureq::Error::Io(error)) = try_get(&feeds(&sandbox), "job") else {
            panic!("{fault:?} is answered")
        };
        assert_eq!(error.kind(), kind, "{fault:?}");
    }
    assert!(sandbox.requests().iter().all(|request| request.status.is_none()));
    assert_eq!(get(&feeds(&sandbox), "job").status, 200);
}

#[test]
fn a_redirect_leads_into_the_trap() {
    let sandbox = contoso();
    let trap = Trap::on([127, 0, 0, 2]);
    sandbox.fault("packaging/feeds", Fault::Redirect(trap.url()), 1);
    let answer = get(&feeds(&sandbox), "job");
    assert_eq!((answer.status, answer.header("location")), (302, trap.url().as_str()));
    assert!(trap.caught().is_empty());

    assert_eq!(get(answer.header("location"), "leaked").text(), "{}");
    assert_eq!(trap.caught().len(), 1);
    assert!(trap.holds("GET / HTTP/1.1"));
    assert!(trap.holds(&basic("vsts", "leaked")));
    assert!(!trap.holds(&basic("vsts", "job")));
}

#[test]
fn a_trap_keeps_what_comes_after_its_answer_too() {
    let trap = Trap::start();
    let response = client().post(trap.url()).send("the body of a request").unwrap();
    assert_eq!(Answer::read(response).unwrap().text(), "{}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !trap.holds("the body of a request") {
        assert!(Instant::now() < deadline, "{:?}", trap.caught());
        std::thread::yield_now();
    }
}

#[test]
fn time_is_added_to_one_request_or_to_all() {
    let sandbox = contoso();
    let time = || {
        let start = Instant::now();
        assert_eq!(get(&feeds(&sandbox), "job").status, 200);
        start.elapsed()
    };
    sandbox.fault("packaging/feeds", Fault::Delay(Duration::from_millis(80)), 1);
    assert!(time() >= Duration::from_millis(80));
    sandbox.set_latency(Duration::from_millis(40));
    assert!(time() >= Duration::from_millis(40));
    let recorded = sandbox.requests();
    assert!(recorded[1].answered.unwrap() - recorded[1].arrived >= Duration::from_millis(40));
}

#[test]
fn a_request_can_be_waited_for_while_it_is_open() {
    let sandbox = contoso();
    sandbox.fault("packaging/feeds", Fault::Delay(Duration::from_millis(200)), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| get(&feeds(&sandbox), "job"));
        let seen = sandbox.wait_for("packaging/feeds", 1, Duration::from_secs(10));
        assert_eq!((seen[0].method.as_str(), seen[0].status), ("GET", None));
    });
    assert_eq!(sandbox.requests()[0].status, Some(200));
}

#[test]
#[should_panic(expected = "fewer than 1 requests for `packaging/feeds`")]
fn waiting_ends_at_the_deadline() {
    contoso().wait_for("packaging/feeds", 1, Duration::from_millis(1));
}

#[test]
fn a_record_keeps_target_headers_and_body() {
    let sandbox = contoso();
    let url = format!("{}?a=b", feeds(&sandbox));
    client()
        .post(&url)
        .header("Authorization", basic("", "job"))
        .header("X-Mark", "one")
        .send("text")
        .unwrap();
    let requests = sandbox.requests();
    assert_eq!(requests[0].target, "/contoso/_apis/packaging/feeds?a=b");
    assert_eq!(requests[0].path(), "/contoso/_apis/packaging/feeds");
    assert_eq!(requests[0].header("x-mark"), Some("one"));
    assert_eq!(requests[0].body, "text");
    assert_eq!(requests[0].status, Some(404));
}
