//! `docs/inputs.md`, whose tables are written from `task.json`.
//!
//! `UPDATE_DOCS=1 cargo test -p feedbuild-packer --test inputs_page` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

const BEGIN: &str = "<!-- written from task.json -->\n";
const END: &str = "<!-- end of what is written from task.json -->\n";

/// A table for each group: the input, what it is, its default and an example.
fn tables(task: &Value) -> String {
    let mut text = String::new();
    for group in task["groups"].as_array().unwrap() {
        writeln!(text, "\n## {}\n", group["displayName"].as_str().unwrap()).unwrap();
        writeln!(text, "| input | what it is | default | example |\n|---|---|---|---|").unwrap();
        let inputs = task["inputs"].as_array().unwrap().iter();
        for input in inputs.filter(|input| input["groupName"] == group["name"]) {
            let help = input["helpMarkDown"].as_str().unwrap().replace('|', "\\|");
            let (what, example) = help.rsplit_once("Example:").unwrap();
            let default = match &input["defaultValue"] {
                Value::String(text) if !text.is_empty() => format!("`{text}`"),
                Value::Bool(value) => format!("`{value}`"),
                _ => String::new(),
            };
            let example = example.trim_start().trim_start_matches("<br>");
            let name = input["name"].as_str().unwrap();
            writeln!(text, "| `{name}` | {} | {default} | {example} |", what.trim()).unwrap();
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_page_of_the_inputs_says_what_the_task_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let task: Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("task.json")).unwrap()).unwrap();
    let page = root.join("docs/inputs.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    let tables = tables(&task);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, format!("{head}{BEGIN}{tables}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        written == tables,
        "`docs/inputs.md` is out of date; `UPDATE_DOCS=1 cargo test -p feedbuild-packer --test inputs_page` writes it"
    );
}
