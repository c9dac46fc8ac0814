//! The check of images whose base no current builder makes: with times that cannot be, with a history of other layers,
//! with as many layers as an engine takes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use feedbuild_agent::Outcome;
use feedbuild_suites::canary::canary;
use feedbuild_suites::{PASSWORD, Store, World, succeeded, unique};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

/// A job access token that is issued so long after now.
fn token(later: Duration) -> String {
    let issued = (SystemTime::now() + later).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"nameid":"{}","iat":{issued},"exp":{}}}"#, unique("job"), issued + 3600);
    let signature = canary("signature");
    [r#"{"alg":"RS256"}"#, &claims, &signature].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// Long before any token of a test.
const OLD: &str = "2020-01-01T00:00:00Z";

/// The history of layers that were made at these times.
fn history(times: &[&str]) -> Value {
    times.iter().map(|time| json!({"created": time, "created_by": "ADD rootfs.tar /"})).collect()
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, content).unwrap();
}

/// Loads an image of so many layers, each with a file of its own, and returns its name.
fn load(world: &World, layers: usize, history: &Value) -> String {
    let name = unique("odd");
    let mut archive = tar::Builder::new(Vec::new());
    let (mut paths, mut diff_ids) = (Vec::new(), Vec::new());
    for number in 1..=layers {
        let mut layer = tar::Builder::new(Vec::new());
        append(&mut layer, &format!("file-{number}"), name.as_bytes());
        let layer = layer.into_inner().unwrap();
        let path = format!("{number}/layer.tar");
        append(&mut archive, &path, &layer);
        diff_ids.push(format!("sha256:{}", sha256(&layer)));
        paths.push(path);
    }
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": {}, "created": OLD, "history": history,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let file = format!("{}.json", sha256(&config));
    append(&mut archive, &file, &config);
    let manifest = json!([{"Config": file, "RepoTags": [format!("{name}:latest")], "Layers": paths}]);
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes());
    let path = world.job.root_dir().join("image.tar");
    std::fs::write(&path, archive.into_inner().unwrap()).unwrap();
    world.docker(&["load", "--input", path.to_str().unwrap()]);
    name
}

/// Builds a Dockerfile in a job whose only secret is its token.
fn build(world: &World, dockerfile: &str) -> Outcome {
    world.build_step(dockerfile).input("addPipelineData", "false").run().unwrap()
}

/// What the check says of layers.
fn layers(outcome: &Outcome) -> Vec<String> {
    let lines =
        outcome.log.iter().filter(|line| line.starts_with("Searched ") || line.starts_with("Skipped "));
    lines.map(|line| line.split(" (").next().unwrap().to_owned()).collect()
}

#[test]
fn no_layer_is_skipped_for_an_age_that_proves_nothing() {
    let table = [
        ("of 1970", 1, history(&["1970-01-01T00:00:00Z"])),
        ("of the future", 1, history(&["2199-01-01T00:00:00Z"])),
        ("with a clock that goes backwards", 2, history(&["2021-01-01T00:00:00Z", OLD])),
        ("without history", 2, json!([])),
        ("with a history of null", 2, json!(null)),
        ("with a history longer than its layers", 1, history(&[OLD, OLD, OLD])),
    ];
    for store in STORES {
        let token = token(Duration::ZERO);
        let world = World::with_secrets(store, &token, PASSWORD);
        world.source("leak", &format!("token={token}\n"));
        for (name, count, history) in &table {
            // The classic store takes no such image.
            if store == Store::Classic && name.contains("longer") {
                continue;
            }
            let base = load(&world, *count, history);
            let outcome = build(&world, &format!("FROM {base}\n\nCOPY leak /leak\n"));
            assert_eq!(layers(&outcome), [format!("Searched {} layers", count + 1)], "{store:?}, {name}");
            let leak = outcome.issues.iter().find(|issue| issue.message.contains("at byte 6 of `leak`"));
            let message = &leak.unwrap().message;
            // Of a history that is not of these layers nothing is believed.
            let line = message.contains("made by line 3 of the Dockerfile, `");
            assert_eq!(line, !name.contains("longer"), "{store:?}, {name}: {message}");
            assert_eq!(message.contains("made by"), line, "{store:?}, {name}: {message}");
        }
    }
}

#[test]
fn old_layers_are_skipped_where_the_history_tells_their_age() {
    let (searched, skipped) = (
        |count: &str| vec![format!("Searched {count}")],
        |count: &str, rest: &str| {
            vec![format!("Searched {count}"), format!("Skipped {rest}: older than every secret")]
        },
    );
    // BuildKit adds what a history lacks, with the times of its own.
    let (whole, short, long) = (history(&[OLD, OLD]), history(&[OLD]), history(&[OLD, OLD, OLD]));
    for (store, later, base, expected) in [
        (Store::Containerd, false, &whole, skipped("1 layer", "2 layers")),
        (Store::Containerd, false, &short, skipped("2 layers", "1 layer")),
        (Store::Containerd, false, &long, searched("3 layers")),
        (Store::Containerd, true, &whole, skipped("0 layers", "3 layers")),
        (Store::Containerd, true, &long, searched("3 layers")),
        (Store::Classic, false, &whole, skipped("1 layer", "2 layers")),
        (Store::Classic, true, &whole, skipped("0 layers", "3 layers")),
    ] {
        // A token of two hours later makes what is built now old.
        let token = token(if later { Duration::from_hours(2) } else { Duration::ZERO });
        let world = World::with_secrets(store, &token, PASSWORD);
        let base = load(&world, 2, base);
        let outcome = succeeded(build(&world, &format!("FROM {base}\nCOPY Dockerfile /x\n")));
        assert_eq!(layers(&outcome), expected, "{store:?}, {later}, {base}");
    }
}

#[test]
fn a_leak_in_the_last_of_127_layers_is_found() {
    // The classic store takes 125 (moby, `layer.MaxLayerDepth`).
    for (store, count) in [(Store::Containerd, 127), (Store::Classic, 125)] {
        let token = token(Duration::ZERO);
        let world = World::with_secrets(store, &token, PASSWORD);
        world.source("leak", &token);
        let base = load(&world, count - 1, &history(&vec!["2199-01-01T00:00:00Z"; count - 1]));
        let outcome = build(&world, &format!("FROM {base}\n\nCOPY leak /leak\n"));
        assert_eq!(layers(&outcome), [format!("Searched {count} layers")], "{store:?}");
        let message = &outcome.issues[0].message;
        assert!(
            message.contains(&format!("at byte 0 of `leak` in layer {count} ("))
                && message.contains("made by line 3 of the Dockerfile, `COPY leak /leak # buildkit`"),
            "{store:?}: {:#?}",
            outcome.issues
        );
    }
}
