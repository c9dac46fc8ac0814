//! The fuzz targets over their saved corpus, and over a million cheap mutations of it: the same ones in every run.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the crate of the fuzz targets is another")]
mod targets;

use std::path::Path;

use fastrand::Rng;

/// Mutations of each target; together a million.
const ARCHIVES: u32 = 400_000;
const LOGS: u32 = 150_000;
const COMMANDS: u32 = 450_000;

/// The files below `fuzz/corpus/NAME`.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        folder.read_dir().expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the corpus in {} is poor", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Runs a target over its corpus, then over mutations: each begins with a file and has a few changes.
fn run(name: &str, count: u32, mend: impl Fn(&mut Rng, &mut Vec<u8>), target: fn(&[u8])) {
    let corpus = corpus(name);
    for file in &corpus {
        target(file);
    }
    let mut rng = Rng::with_seed(0x0005_eed0);
    let mut bytes = Vec::new();
    for _ in 0..count {
        bytes.clear();
        bytes.extend_from_slice(rng.choice(&corpus).expect("there are files"));
        for _ in 0..rng.u32(1..6) {
            mutate(&mut rng, &mut bytes, &corpus);
        }
        mend(&mut rng, &mut bytes);
        target(&bytes);
    }
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'#', b'%'];
    if bytes.is_empty() {
        return bytes.push(rng.u8(..));
    }
    let at = rng.usize(..bytes.len());
    let end = (at + rng.usize(1..40)).min(bytes.len());
    match rng.u8(..8) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = *rng.choice(&TELLING).expect("there are some"),
        2 => bytes[at] = rng.u8(..),
        3 => bytes.insert(at, rng.u8(..)),
        4 => drop(bytes.drain(at..end)),
        5 => bytes.truncate(at),
        6 => bytes.extend_from_within(at..end),
        _ => {
            let other = rng.choice(corpus).expect("there are files");
            let from = rng.usize(..=other.len());
            bytes.splice(at..end, other[from..].iter().take(60).copied());
        }
    }
}

/// A tar whose headers have wrong checksums is not looked into, so in every second one they are made right.
fn mend_checksums(rng: &mut Rng, bytes: &mut [u8]) {
    if rng.bool() {
        return;
    }
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
}

#[test]
fn archives() {
    run("archive", ARCHIVES, |rng, bytes| mend_checksums(rng, bytes), targets::archive);
}

#[test]
fn logs() {
    run("log", LOGS, |_, _| (), targets::log);
}

#[test]
fn commands() {
    run("command", COMMANDS, |_, _| (), targets::command);
}
