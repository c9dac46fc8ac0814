//! The simple index, asked by hand and by real pip.

use std::{fs, path::Path, process::Command};

use crate::client::{client, get, say_skipped, sha256};
use feedbuild_sandbox::{Feed, Sandbox, Wheel};

fn contoso() -> Sandbox {
    Sandbox::builder()
        .token("job")
        .feed(Feed::org("shared"))
        .feed(Feed::project("My Web", "private").empty().with(Wheel::new("Inner.Tool", "2.1")))
        .start()
}

#[test]
fn the_index_wants_a_token_and_says_401_to_every_client() {
    let sandbox = contoso();
    for method in ["GET", "HEAD"] {
        let request =
            ureq::http::Request::builder().method(method).uri(sandbox.index_url("shared")).body(()).unwrap();
        let response = client().run(request).unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("x-vss-resourcetenant"));
    }
}

#[test]
fn a_project_page_links_to_the_wheel_by_ids_and_hash() {
    let sandbox = contoso();
    let feed = Feed::project("My Web", "private");
    assert_eq!(
        sandbox.index_url("My Web/private@Local"),
        format!("{}My%20Web/_packaging/private%40Local/pypi/simple/", sandbox.packaging_url())
    );
    let page = get(&format!("{}inner-tool/", sandbox.index_url("My Web/private@Local")), "job");
    let (project, id) = (feed.project_id().unwrap(), feed.id());
    let path = format!(
        "/pkgs/contoso/{project}/_packaging/{id}/pypi/download/inner-tool/2.1/inner_tool-2.1-py3-none-any.whl"
    );

    let file = get(&format!("http://{}{path}", sandbox.authority()), "job");
    assert_eq!(file.status, 200);
    let link = format!("<a href=\"{path}#sha256={}\">", sha256(&file.body));
    assert!(page.text().contains(&link), "{}", page.text());
    assert_eq!(file.body, Wheel::new("Inner.Tool", "2.1").bytes());
}

#[test]
fn the_index_lists_its_packages() {
    let sandbox = contoso();
    let page = get(&sandbox.index_url("shared"), "job");
    assert!(page.text().contains("<a href=\"private-greeting/\">private-greeting</a>"), "{}", page.text());
}

#[test]
fn other_spellings_are_redirected_on_the_same_host() {
    let sandbox = contoso();
    let simple = "/pkgs/contoso/_packaging/Shared/pypi/simple";
    for (asked, led_to) in [
        (String::new(), "/".to_owned()),
        ("/private-greeting".to_owned(), "/private-greeting/".to_owned()),
        ("/Private_Greeting/".to_owned(), "/private-greeting/".to_owned()),
        ("/private.greeting".to_owned(), "/private-greeting/".to_owned()),
    ] {
        let answer = get(&format!("http://{}{simple}{asked}", sandbox.authority()), "job");
        assert_eq!((answer.status, answer.header("location")), (301, format!("{simple}{led_to}").as_str()));
    }
}

#[test]
fn names_are_found_in_any_case_by_id_and_percent_encoded() {
    let sandbox = contoso();
    let feed = Feed::project("My Web", "private");
    let base = sandbox.packaging_url();
    for (path, status) in [
        ("_packaging/SHARED/pypi/simple/".to_owned(), 200),
        ("_packaging/sh%61red/pypi/simple/".to_owned(), 200),
        ("_packaging/shared@release/pypi/simple/".to_owned(), 200),
        (format!("{}/_packaging/{}/pypi/simple/", feed.project_id().unwrap(), feed.id()), 200),
        ("my%20web/_Packaging/Private/PyPI/simple/".to_owned(), 200),
        ("_packaging/private/pypi/simple/".to_owned(), 404),
        ("My%20Web/_packaging/shared/pypi/simple/".to_owned(), 404),
        ("other/_packaging/private/pypi/simple/".to_owned(), 404),
        ("_packaging/missing/pypi/simple/".to_owned(), 404),
        ("_packaging/shared@nightly/pypi/simple/".to_owned(), 404),
        ("_packaging/shared/pypi/simple/missing/".to_owned(), 404),
        ("_packaging/shared/gopher/".to_owned(), 404),
    ] {
        assert_eq!(get(&format!("{base}{path}"), "job").status, status, "{path}");
    }
}

#[test]
fn pip_installs_the_wheel() {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !pip.is_ok_and(|output| output.status.success()) {
        say_skipped("no `python3 -m pip` on this machine");
        return;
    }
    let sandbox = contoso();
    let folder = tempfile::tempdir().unwrap();
    let install = |url: &str, target: &Path| {
        Command::new("python3")
            .args(["-m", "pip", "install", "--isolated", "--no-input", "--no-cache-dir", "--retries=0"])
            .args(["--disable-pip-version-check", "--target"])
            .arg(target)
            .args(["--index-url", url, "private-greeting==1.0.0"])
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("NO_PROXY", "*")
            .env("NETRC", "/dev/null")
            .output()
            .unwrap()
    };
    let url = sandbox.index_url("shared");
    let output = install(&url, &folder.path().join("refused"));
    assert!(!output.status.success(), "pip got in without a token");

    let target = folder.path().join("installed");
    let output = install(&url.replacen("://", "://build:job@", 1), &target);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let code = "import private_greeting; print(private_greeting.greet())";
    let output = Command::new("python3").args(["-c", code]).env("PYTHONPATH", &target).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello from private-greeting 1.0.0!\n");
    assert!(fs::exists(target.join("private_greeting-1.0.0.dist-info")).unwrap());
}
