//! The program that scripts start.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

fn start(args: &[&str]) -> (Child, serde_json::Value) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_feedbuild-sandbox"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (program, serde_json::from_str(&line).unwrap())
}

#[test]
fn it_says_its_urls_and_ends_with_stdin() {
    let (mut program, urls) = start(&["--token", "job", "--feed", "shared", "--feed", "web/private"]);
    let index = urls["indexUrls"]["web/private"].as_str().unwrap();
    assert_eq!(crate::client::get(index, "job").status, 200);
    let npm = urls["feedUrls"]["shared"]["npm"].as_str().unwrap();
    assert_eq!(crate::client::get(&format!("{npm}private-greeting"), "job").status, 200);
    assert_eq!(urls["token"], "job");
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}

#[test]
fn it_ends_on_sigterm() {
    let (mut program, urls) = start(&["--server"]);
    assert!(urls["collectionUrl"].as_str().unwrap().ends_with("/tfs/DefaultCollection/"));
    let sent = Command::new("kill").args(["-TERM", &program.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(program.wait().unwrap().success());
}
