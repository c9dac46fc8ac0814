//! Any split of any text: neither a secret nor a logging command of a child gets into the log, and how what it says is
//! cut into reads or messages changes no line.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::agent::logging::neutralise;
use crate::form;
use crate::guard::{Needle, Searcher};
use crate::lines::LineBuffer;

/// Longer than 45 bytes, so that it is also found in lines, and with characters that every escape treats in its way.
const SECRET: &str = "canary <5ecret>&\"value\" of/the+feed, of 64 bytes and one quote '";

/// A part of what a program prints.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let forms: Vec<Vec<u8>> = form::written(SECRET.as_bytes()).into_iter().map(|(_, form)| form).collect();
    let pieces = (prop::sample::select(forms.clone()), any::<Index>())
        .prop_map(|(form, at)| form[..at.index(form.len())].to_vec());
    let command =
        prop::sample::select(vec!["##vso[task.x]", "##VsO[task.x]y", "####vso[", "#", "##v", "so[a.b]"]);
    prop_oneof![
        prop::sample::select(forms),
        pieces,
        command.prop_map(|text| text.as_bytes().to_vec()),
        prop::sample::select(vec!["\n", "\r", "\r\n", "#1 0.1 ", "é"])
            .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

/// What each of three outputs says.
fn texts() -> impl Strategy<Value = [Vec<u8>; 3]> {
    prop::array::uniform3(prop::collection::vec(part(), 0..8).prop_map(|parts| parts.concat()))
}

/// Cuts each text anywhere, and takes the pieces in any order that keeps each text's own.
fn pieces<'a>(texts: &'a [Vec<u8>; 3], cuts: &[(usize, Index)]) -> Vec<(usize, &'a [u8])> {
    let mut left = texts.each_ref().map(Vec::as_slice);
    let mut pieces = Vec::new();
    for (which, cut) in cuts {
        let (piece, rest) = left[*which].split_at(cut.index(left[*which].len() + 1));
        pieces.push((*which, piece));
        left[*which] = rest;
    }
    pieces.extend(left.into_iter().enumerate());
    pieces
}

/// A console that knows the secret.
static CONSOLE: LazyLock<Arc<Console>> = LazyLock::new(|| {
    let console = Console::default();
    console.know("a secret", &SecretString::from(SECRET));
    Arc::new(console)
});

static SEARCHER: LazyLock<Searcher> =
    LazyLock::new(|| Searcher::new(Needle::fed("secret", SECRET.as_bytes()).into_iter().collect()));

/// What the console shows of lines that a client says, in the order of the alphabet.
fn shown(say: impl FnOnce(&mut dyn FnMut(&str))) -> Vec<String> {
    let mut progress = Progress::new(Arc::clone(&CONSOLE));
    let mut shown = Vec::new();
    let mut tell = |told: Told<'_>| {
        if let Told::Line(line) = told {
            shown.push(neutralise(&CONSOLE.redact(line)).into_owned());
        }
    };
    say(&mut |line| progress.take(line, &mut tell));
    let _ = progress.end(false, &mut tell);
    shown.sort_unstable();
    shown
}

/// As `--progress=rawjson` tells it: the first two are the outputs of one step, the third is another one's.
fn in_messages(pieces: &[(usize, &[u8])]) -> Vec<String> {
    use base64::Engine as _;
    let encode = |piece| base64::engine::general_purpose::STANDARD.encode(piece);
    let time = "2026-11-24T11:00:00Z";
    shown(|say| {
        for (name, vertex) in [("[1/2] RUN a", "a"), ("[2/2] RUN b", "b")] {
            say(&json!({"vertexes": [{"digest": vertex, "name": name, "started": time}]}).to_string());
        }
        for (which, piece) in pieces {
            let (vertex, stream) = [("a", 1), ("a", 2), ("b", 1)][*which];
            let log = json!({"vertex": vertex, "stream": stream, "data": encode(piece), "timestamp": time});
            say(&json!({"logs": [log]}).to_string());
        }
    })
}

/// As a client says it on its two outputs.
fn in_reads(pieces: &[(usize, &[u8])]) -> Vec<String> {
    shown(|say| {
        let buffer = || LineBuffer::new(|bytes| CONSOLE.redactor().safe_cut(bytes));
        let mut outputs = [buffer(), buffer()];
        for (which, piece) in pieces.iter().filter(|(which, _)| *which < 2) {
            outputs[*which].push(piece, &mut |line: &str| say(line));
        }
        for output in &mut outputs {
            output.flush(&mut |line: &str| say(line));
        }
    })
}

fn assert_clean(lines: &[String]) {
    for line in lines {
        assert!(!line.contains(['\n', '\r']) && !line.to_ascii_lowercase().contains("##vso"), "{line:?}");
        SEARCHER.find(line.as_bytes(), &mut |hit| panic!("{hit:?} in {line:?}"));
    }
}

proptest! {
    #[test]
    fn messages_of_every_step_and_output(
        texts in texts(),
        cuts in prop::collection::vec((0..3usize, any::<Index>()), 0..20),
    ) {
        let lines = in_messages(&pieces(&texts, &cuts));
        assert_clean(&lines);
        prop_assert_eq!(lines, in_messages(&pieces(&texts, &[])));
    }

    #[test]
    fn reads_of_both_outputs(
        texts in texts(),
        cuts in prop::collection::vec((0..2usize, any::<Index>()), 0..20),
    ) {
        let lines = in_reads(&pieces(&texts, &cuts));
        assert_clean(&lines);
        prop_assert_eq!(lines, in_reads(&pieces(&texts, &[])));
    }
}
