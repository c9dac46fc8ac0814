//! The documents keep to what is there: Dockerfiles are made of instructions, each claim of `SECURITY.md` names a test,
//! and each field of `task.json` has its reason. (Blocks of YAML are read by the unit tests.)

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};

use feedbuild_suites::repository_root;

/// Every document that users read.
fn documents() -> Vec<PathBuf> {
    let root = repository_root();
    let entries = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut documents: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    documents.extend(["README.md", "SECURITY.md", "extension/overview.md"].map(|name| root.join(name)));
    documents
}

/// The fenced blocks of these languages, each with where it begins.
fn blocks(document: &Path, languages: &[&str]) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(document).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<(usize, &str, String)>);
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some((start, language, content)), Some("")) => {
                if languages.contains(language) {
                    blocks.push((format!("{}:{start}", document.display()), std::mem::take(content)));
                }
                open = None;
            }
            (Some((_, _, content)), _) => content.extend([line, "\n"]),
            (None, Some(language)) => open = Some((number, language, String::new())),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block is not closed", document.display());
    blocks
}

#[test]
fn blocks_of_dockerfiles_are_made_of_instructions() {
    const KEYWORDS: [&str; 18] = [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
        "MAINTAINER",
    ];
    let mut instructions = 0;
    for document in documents() {
        for (place, block) in blocks(&document, &["docker", "dockerfile", "Dockerfile"]) {
            let mut continued = false;
            for line in block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                let keyword = line.split_whitespace().next().unwrap();
                assert!(continued || KEYWORDS.contains(&keyword), "{place}: `{keyword}` is no instruction");
                instructions += usize::from(!continued);
                continued = line.ends_with('\\');
            }
            assert!(!continued, "{place}: the last line goes on");
        }
    }
    assert!(instructions > 20, "the documents show {instructions} instructions only");
}

#[test]
fn each_claim_of_security_names_a_test() {
    let text = std::fs::read_to_string(repository_root().join("SECURITY.md")).unwrap();
    let suites = repository_root().join("tests/suites/tests");
    let mut claims = 0;
    for (suite, test) in text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")) {
        claims += 1;
        let file = suites.join(format!("{suite}.rs"));
        let files: Vec<PathBuf> = if file.exists() {
            vec![file]
        } else {
            suites.join(suite).read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let wanted = format!("#[test]\nfn {test}()");
        let is_there = files.iter().any(|file| std::fs::read_to_string(file).unwrap().contains(&wanted));
        assert!(is_there, "there is no test `{suite}::{test}`");
    }
    assert!(claims > 10, "{claims} claims only");
}

#[test]
fn each_field_of_the_task_is_justified() {
    let root = repository_root();
    let task: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("task.json")).unwrap()).unwrap();
    let page = std::fs::read_to_string(root.join("docs/task-json.md")).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(field, _)| field))
        .collect();
    let fields: Vec<&String> = task.as_object().unwrap().keys().collect();
    assert_eq!(rows, fields);
}

/// A page that is headed by texts that nobody says any more helps nobody.
#[test]
fn troubleshooting_is_headed_by_what_the_step_says() {
    let root = repository_root();
    let sources = walkdir::WalkDir::new(root.join("src")).into_iter().map(|entry| entry.unwrap().into_path());
    let sources = sources.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    // Literals go on in the next line behind a backslash.
    let said: String = sources
        .map(|path| std::fs::read_to_string(path).unwrap())
        .flat_map(|text| text.split("\\\n").map(|line| line.trim_start().to_owned()).collect::<Vec<_>>())
        .collect();
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(headings.len() > 10, "{} headings only", headings.len());
    for heading in headings {
        let longest = heading.split(['…', '`']).max_by_key(|part| part.len()).unwrap().trim();
        assert!(said.contains(longest), "the step does not say `{longest}`");
    }
}
