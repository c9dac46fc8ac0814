//! The Maven repository, asked by hand and by real Maven.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::client::{anonymous, get, has};
use feedbuild_sandbox::{Artifact, Feed, Protocol, Sandbox};
use sha1::{Digest, Sha1};

fn contoso() -> Sandbox {
    let feed = Feed::org("shared").with(Artifact::new("com.example", "private-greeting", "1.1.0"));
    Sandbox::builder().token("job").feed(feed).start()
}

#[test]
fn files_have_checksums_and_want_a_token() {
    let sandbox = contoso();
    let module = format!("{}/com/example/private-greeting", sandbox.feed_url("shared", Protocol::Maven));
    for file in ["1.0.0/private-greeting-1.0.0.pom", "1.1.0/private-greeting-1.1.0.jar", "maven-metadata.xml"]
    {
        let url = format!("{module}/{file}");
        let answer = get(&url, "job");
        assert_eq!(answer.status, 200, "{file}");
        let sum =
            Sha1::digest(&answer.body).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(get(&format!("{url}.sha1"), "job").text(), sum);
        assert_eq!(anonymous("GET", &url).status, 401, "{file}");
    }
    let metadata = get(&format!("{module}/maven-metadata.xml"), "job");
    assert!(
        metadata.text().contains("<versions><version>1.0.0</version><version>1.1.0</version></versions>"),
        "{}",
        metadata.text()
    );
    assert_eq!(get(&format!("{module}/1.0.0/private-greeting-1.0.0.war"), "job").status, 404);
    assert_eq!(get(&format!("{module}/2.0.0/private-greeting-2.0.0.jar"), "job").status, 404);
}

/// A build extension is fetched as any artifact is, and needs no plugin, of which a machine may have none. Maven adds
/// a library of its own to it, and the mirror keeps it from asking for that elsewhere.
#[test]
fn maven_fetches_the_jar() {
    if !has("mvn", &["--version"]) {
        return;
    }
    let feed = Feed::org("shared").with(Artifact::new("org.codehaus.plexus", "plexus-utils", "1.1"));
    let sandbox = Sandbox::builder().token("job").feed(feed).start();
    let url = sandbox.feed_url("shared", Protocol::Maven);
    let folder = tempfile::tempdir().unwrap();
    let project = "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId>\
                   <version>1</version><packaging>pom</packaging><build><extensions><extension>\
                   <groupId>com.example</groupId><artifactId>private-greeting</artifactId>\
                   <version>1.0.0</version></extension></extensions></build></project>";
    fs::write(folder.path().join("pom.xml"), project).unwrap();
    let validate = |token| validate(folder.path(), &url, token);
    assert!(!validate("wrong").status.success(), "Maven got in with a wrong token");
    let output = validate("job");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let jar = folder.path().join("local/com/example/private-greeting/1.0.0/private-greeting-1.0.0.jar");
    assert_eq!(fs::read(jar).unwrap(), Artifact::new("com.example", "private-greeting", "1.0.0").jar());
}

fn validate(folder: &Path, url: &str, token: &str) -> Output {
    let settings = format!(
        "<settings><mirrors><mirror><id>shared</id><mirrorOf>*</mirrorOf><url>{url}</url></mirror></mirrors>\
         <servers><server><id>shared</id><username>AzureDevOps</username><password>{token}</password></server></servers>\
         </settings>"
    );
    fs::write(folder.join("settings.xml"), settings).unwrap();
    Command::new("mvn")
        .args(["--batch-mode", "--update-snapshots", "--settings=settings.xml"])
        .args(["-Dmaven.repo.local=local", "validate"])
        .current_dir(folder)
        .env("MAVEN_OPTS", "-XX:TieredStopAtLevel=1")
        .output()
        .unwrap()
}
