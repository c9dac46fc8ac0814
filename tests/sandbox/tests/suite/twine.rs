//! Uploads of Python packages, by hand and by real twine.

use std::{fs, process::Command};

use crate::client::{Answer, basic, get, has, post, sha256};
use feedbuild_sandbox::{Feed, Protocol, Sandbox, Token, Wheel};

fn contoso() -> Sandbox {
    Sandbox::builder()
        .token("job")
        .token(Token::new("reader").read_only().owned_by("web Build Service (contoso)"))
        .feed(Feed::org("shared"))
        .start()
}

/// A form as twine sends it, with a source archive that needs not be one.
fn upload(url: &str, token: &str, digest: &str) -> Answer {
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = [
        field(":action", "file_upload"),
        field("name", "New.Tool"),
        field("version", "0.1"),
        field("sha256_digest", digest),
        "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"new_tool-0.1.tar.gz\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nthe file\r\n--b--\r\n"
            .to_owned(),
    ];
    post(url, &basic("build", token), "multipart/form-data; boundary=b", &form.concat())
}

#[test]
fn an_upload_is_recorded_and_listed() {
    let sandbox = contoso();
    let url = sandbox.feed_url("shared", Protocol::PyPiUpload);
    assert_eq!(upload(&url, "job", &sha256(b"the file")).status, 200);
    let uploads = sandbox.uploads();
    assert_eq!(uploads.len(), 1);
    assert_eq!((uploads[0].feed.as_str(), uploads[0].file_name.as_str()), ("shared", "new_tool-0.1.tar.gz"));
    assert_eq!((uploads[0].field("name"), &*uploads[0].file), (Some("New.Tool"), &b"the file"[..]));
    let page = get(&format!("{}new-tool/", sandbox.index_url("shared")), "job");
    let (_, href) = page.text().split_once("href=\"").unwrap();
    let href = href.split('#').next().unwrap();
    assert_eq!(get(&format!("http://{}{href}", sandbox.authority()), "job").body, b"the file");
    let without_slash = url.trim_end_matches('/');
    assert_eq!(upload(without_slash, "job", &sha256(b"the file")).status, 409);
}

#[test]
fn what_may_not_be_uploaded_is_not() {
    let sandbox = contoso();
    let url = sandbox.feed_url("shared", Protocol::PyPiUpload);
    let digest = sha256(b"the file");
    assert_eq!(upload(&url, "wrong", &digest).status, 401);
    let refused = upload(&url, "reader", &digest);
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["message"],
        "User 'web Build Service (contoso)' lacks permission to complete this action. You need to have 'AddPackage'."
    );
    assert_eq!(upload(&sandbox.feed_url("shared@Release", Protocol::PyPiUpload), "job", &digest).status, 403);
    assert_eq!(upload(&url, "job", &sha256(b"another file")).status, 400);
    assert_eq!(upload(&sandbox.index_url("shared"), "job", &digest).status, 405);
    assert_eq!(post(&url, &basic("build", "job"), "application/json", "{}").status, 400);
    assert!(sandbox.uploads().is_empty());
}

#[test]
fn twine_uploads_a_wheel() {
    if !has("python3", &["-m", "twine", "--version"]) {
        return;
    }
    let sandbox = contoso();
    let folder = tempfile::tempdir().unwrap();
    let wheel = Wheel::new("new-tool", "0.2");
    let path = folder.path().join(wheel.file_name());
    fs::write(&path, wheel.bytes()).unwrap();
    let run = |password: &str| {
        Command::new("python3")
            .args(["-m", "twine", "upload", "--non-interactive", "--config-file", "/dev/null"])
            .arg(&path)
            .env("TWINE_REPOSITORY_URL", sandbox.feed_url("shared", Protocol::PyPiUpload))
            .env("TWINE_USERNAME", "build")
            .env("TWINE_PASSWORD", password)
            .output()
            .unwrap()
    };
    assert!(!run("wrong").status.success(), "twine got in with a wrong token");
    let output = run("job");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(sandbox.uploads()[0].file, wheel.bytes());
}
