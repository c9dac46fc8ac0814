//! The Dockerfiles of `docs/secrets.md`: what the suite runs is what a user reads.

use feedbuild_suites::repository_root;

/// A `RUN` of a section, and the user that it runs as.
pub(crate) struct Example {
    /// The user; none for root.
    pub user: Option<String>,
    /// The options, all of them mounts.
    pub mounts: Vec<String>,
    /// The command.
    pub command: String,
}

/// The headings of the sections that have examples.
pub(crate) fn headings() -> Vec<String> {
    sections().into_iter().map(|(heading, _)| heading).collect()
}

/// The examples of the section with this heading.
pub(crate) fn examples(heading: &str) -> Vec<Example> {
    let sections = sections();
    let section = sections.iter().find(|(known, _)| known == heading);
    let (_, text) = section.unwrap_or_else(|| panic!("docs/secrets.md has no section `{heading}`"));
    let mut user = None;
    let mut examples = Vec::new();
    for line in dockerfiles(text).replace("\\\n", " ").lines() {
        match line.split_once(' ').expect("an instruction has arguments") {
            ("USER", name) => user = Some(name.to_owned()),
            ("RUN", rest) => examples.push(example(user.clone(), rest)),
            (other, _) => panic!("`{other}` in the section `{heading}`"),
        }
    }
    examples
}

fn example(user: Option<String>, run: &str) -> Example {
    let mut words = run.split_whitespace().peekable();
    let mut mounts = Vec::new();
    while let Some(mount) = words.next_if(|word| word.starts_with("--mount=type=secret,")) {
        mounts.push(mount.to_owned());
    }
    Example { user, mounts, command: words.collect::<Vec<_>>().join(" ") }
}

/// Each section that has a Dockerfile: its heading and its text.
fn sections() -> Vec<(String, String)> {
    let docs =
        std::fs::read_to_string(repository_root().join("docs/secrets.md")).expect("the docs are there");
    docs.split("\n### ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .filter(|(_, text)| !dockerfiles(text).is_empty())
        .map(|(heading, text)| (heading.to_owned(), text.to_owned()))
        .collect()
}

/// The Dockerfile blocks of a text.
fn dockerfiles(text: &str) -> String {
    let blocks = text.split("```dockerfile\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("a split has a first part")).collect()
}
