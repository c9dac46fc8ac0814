//! How fast one core searches an image for secrets: what its bytes go through besides their unpacking.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use feedbuild::form;
use feedbuild::guard::{Needle, Searcher};
use feedbuild_suites::{Store, engine, variable};

use crate::bound::Bound;

/// The image that is searched: programs, libraries, and the code of Python.
const IMAGE: &str = "python:3.12-slim";

/// How much of its tar, in bytes.
const MOST: u64 = 256 << 20;

/// As many bytes as the check searches at once.
const CHUNK: usize = 64 * 1024;

/// How often it is searched; the fastest counts, since other work on the machine only slows it down.
const ROUNDS: u32 = 10;

/// Jobs with some secrets: those with a sign that has many escapes, those of letters and digits as JWTs are, and short
/// ones. The first has the bound.
const JOBS: [[u64; 3]; 4] = [[1, 0, 0], [4, 3, 0], [8, 9, 0], [8, 6, 3]];

/// The least speed, in GiB a second.
const LEAST: f64 = 6.0;

/// The speeds as text, and the bound of the first.
pub(crate) fn speeds() -> Result<(String, Bound)> {
    let bytes = saved()?;
    let mut text = format!("Search of {} MB, GiB/s\n", bytes.len() / 1_000_000);
    let mut bound = None;
    for [signs, tokens, short] in JOBS {
        let values = secrets(signs, tokens, short);
        let patterns: usize = values.iter().map(|value| form::written(value.as_bytes()).len()).sum();
        let needles =
            values.iter().filter_map(|value| Needle::fed("secret", value.as_bytes()).ok()).collect();
        let seconds = seconds_a_gib(&bytes, &Searcher::new(needles));
        let kind = if short > 0 { ", some of them short" } else { "" };
        writeln!(text, "  {patterns:>4} patterns{kind}: {:.1}", 1.0 / seconds)?;
        bound.get_or_insert(Bound {
            what: format!("search of a GiB for {patterns} patterns"),
            measured: seconds * 1e3,
            at_best: None,
            limit: 1e3 / LEAST,
            unit: "ms",
        });
    }
    Ok((text, bound.context("there is a first")?))
}

/// The begin of the image as the classic store saves it: its layers as they are.
fn saved() -> Result<Vec<u8>> {
    let mut docker = Command::new(PathBuf::from(variable("FEEDBUILD_TEST_CLIENT")).join("bin/docker"))
        .args(["save", IMAGE])
        .env("DOCKER_HOST", engine(Store::Classic))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("docker cannot be started")?;
    let mut bytes = Vec::new();
    let output = docker.stdout.take().context("it was piped")?;
    output.take(MOST).read_to_end(&mut bytes).context("docker save ended early")?;
    // Whatever else it has to say is of no use.
    let _ = docker.kill();
    docker.wait().context("docker save")?;
    ensure!(bytes.len() > 64 << 20, "`{IMAGE}` has {} bytes only", bytes.len());
    Ok(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
fn seconds_a_gib(bytes: &[u8], searcher: &Searcher) -> f64 {
    let round = |_| {
        let (started, mut hits) = (Instant::now(), 0);
        let mut scan = searcher.scan();
        for chunk in bytes.chunks(CHUNK) {
            scan.push(chunk, &mut |_| hits += 1);
        }
        black_box(hits);
        started.elapsed().as_secs_f64()
    };
    let fastest = (0..ROUNDS).map(round).min_by(f64::total_cmp).unwrap_or_default();
    fastest * (1_u64 << 30) as f64 / bytes.len() as f64
}

fn secrets(signs: u64, tokens: u64, short: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise =
        |len: usize| -> String { std::iter::repeat_with(|| random.alphanumeric()).take(len).collect() };
    let mut secrets: Vec<String> = (0..signs).map(|_| format!("{}>{}", noise(12), noise(12))).collect();
    secrets.extend((0..tokens).map(|_| format!("{}.{}.{}", noise(19), noise(270), noise(342))));
    secrets.extend((0..short).map(|_| noise(10)));
    secrets
}
