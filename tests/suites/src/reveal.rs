//! What a secret held inside a build, told by the build itself.
//!
//! Rule: contents leave the build in hexadecimal with letters for digits, which no masker knows, so they can be compared
//! whole.

use std::collections::BTreeMap;

use feedbuild_agent::Outcome;

/// A `RUN` that mounts these ids and prints what each of them holds.
#[must_use]
pub fn reveal(ids: &[&str]) -> String {
    let mounts: Vec<String> =
        ids.iter().map(|id| format!("--mount=type=secret,id={id},target=/secrets/{id}")).collect();
    let print = |id| {
        format!(
            "(test ! -e /secrets/{id} || echo \"holds {id} $(od -An -v -tx1 </secrets/{id} | tr -d ' \\n' | tr 0-9a-f g-v).\")"
        )
    };
    let prints: Vec<String> = ids.iter().map(print).collect();
    format!("RUN {} \\\n    {}\n", mounts.join(" "), prints.join(" && \\\n    "))
}

/// What the ids held, as far as they were there. The `RUN`s of one build may print the same id: it is the same.
#[must_use]
pub fn contents(outcome: &Outcome) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for line in &outcome.raw {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, time, "holds", id, hex] = words[..] else { continue };
        if time.parse::<f64>().is_err() {
            continue;
        }
        let hex = hex.strip_suffix('.').expect("the line is whole");
        let digit = |letter: u8| letter.checked_sub(b'g').filter(|digit| *digit < 16).expect("a digit");
        let content: Vec<u8> =
            hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        if let Some(earlier) = contents.insert(id.to_owned(), content.clone()) {
            assert_eq!(earlier, content, "{id}");
        }
    }
    contents
}

/// [`contents`] that are all text.
#[must_use]
pub fn texts(outcome: &Outcome) -> BTreeMap<String, String> {
    contents(outcome)
        .into_iter()
        .map(|(id, content)| (id, String::from_utf8(content).expect("text")))
        .collect()
}
