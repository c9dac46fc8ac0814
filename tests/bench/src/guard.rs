//! What the check of an image costs, against `docker save IMAGE > /dev/null` in the same turns.
//!
//! The check is the step with it less the step without; both find everything in the cache.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use feedbuild_agent::{Step, Task, TaskResult};
use feedbuild_suites::{PASSWORD, Store, TOKEN, World, unique, variable};

use crate::bound::Bound;
use crate::contest::{has_ended, native_peak};
use crate::measure::Series;

/// 200,000 files of half text and half noise, 1 GiB together, in one layer.
const LARGE: &str = "FROM python:3.12-slim AS made\n\
    RUN python3 -c \"import os, random; r = random.Random(1); \
    [(os.makedirs('/data/%d' % d), [open('/data/%d/%d' % (d, f), 'wb').write(\
    r.randbytes(2650) + b'some text, code = 1;\\n' * 130) for f in range(1000)]) for d in range(200)]\"\n\
    FROM scratch\n\
    COPY --from=made /data /data\n";

/// How often everything is run: an image of 1 GiB takes its time.
const ROUNDS: u32 = 3;

/// How long before the token the large layer was made, by its own account.
const AGE: Duration = Duration::from_hours(2);

/// An image, and steps that find it in the cache.
struct Trial {
    world: World,
    checked: Step,
    unchecked: Step,
    image: String,
}

impl Trial {
    fn new(store: Store, task: &Task, dockerfile: &str, token: &str) -> Result<Self> {
        let world = World::with_secrets(store, token, PASSWORD);
        world.source("Dockerfile", dockerfile);
        world.source("new", &noise(1 << 20));
        let image = unique("checked");
        let step = |check: &str| -> Result<Step> {
            let inputs = [
                ("command", "build"),
                ("repository", image.as_str()),
                ("tags", "1"),
                ("network", "host"),
                ("addPipelineData", "false"),
                ("leakCheck", check),
            ];
            let step = world.job.step(task)?;
            Ok(inputs.into_iter().fold(step, |step, (name, value)| step.input(name, value)))
        };
        let (checked, unchecked) = (step("full")?, step("off")?);
        let trial = Self { checked, unchecked, image: format!("{image}:1"), world };
        time(&trial.unchecked)?;
        Ok(trial)
    }

    /// The medians of the check, and of saving `image`, in milliseconds.
    fn contest(&self, image: &str, rounds: u32) -> Result<(f64, f64)> {
        let (mut checked, mut unchecked, mut saves) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            checked.push(time(&self.checked)?);
            unchecked.push(time(&self.unchecked)?);
            saves.push(self.save(image)?);
        }
        let median = |times: &[Duration]| Series::new(times).median();
        Ok((median(&checked) - median(&unchecked), median(&saves)))
    }

    fn save(&self, image: &str) -> Result<Duration> {
        let started = Instant::now();
        let status = Command::new(PathBuf::from(variable("FEEDBUILD_TEST_CLIENT")).join("bin/docker"))
            .args(["save", image])
            .env("DOCKER_HOST", &self.world.engine)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("docker cannot be started")?;
        ensure!(status.success(), "docker save: {status}");
        Ok(started.elapsed())
    }

    /// Peak resident memory of the native process while it checks, in KiB.
    fn peak(&self) -> Result<u32> {
        let running = self.checked.start()?;
        let mut peak = None;
        while !has_ended(&running) {
            peak = native_peak(&running).or(peak);
        }
        ensure!(running.wait()?.result == TaskResult::Succeeded, "the step failed");
        peak.context("the native process was never seen")
    }
}

/// The bounds of the check on a store.
pub(crate) fn bounds(store: Store, task: &Task) -> Result<Vec<Bound>> {
    let large = large(store)?;
    let token = token();
    let bound = |what: &str, measured, limit, unit| Bound {
        what: format!("{what}, {store:?}"),
        measured,
        at_best: None,
        limit,
        unit,
    };

    let all = Trial::new(store, task, &format!("FROM {large}\n"), TOKEN)?;
    let (check, save) = all.contest(&all.image, ROUNDS)?;
    let peak = f64::from(all.peak()?) * 1024.0 / 1e6;

    let added = Trial::new(store, task, &format!("FROM {large}\nCOPY new /new\n"), &token)?;
    let alone = Trial::new(store, task, "FROM scratch\nCOPY new /new\n", &token)?;
    // The classic store has no layer of its own to read; there the whole image is the measure.
    let measure = if store == Store::Containerd { &alone.image } else { &added.image };
    let (added_check, added_save) = added.contest(measure, ROUNDS)?;

    let old = Trial::new(store, task, &format!("FROM {large}\n"), &token)?;
    let (old_check, _) = old.contest(&alone.image, 5 * ROUNDS)?;

    Ok(vec![
        bound("check of 1 GiB / docker save", check / save, 1.08, "×"),
        bound("check of 1 MiB more / docker save", added_check / added_save, 1.08, "×"),
        bound("check of layers older than the token", old_check, 15.0, "ms"),
        bound("peak resident memory of the check", peak, 40.0, "MB"),
    ])
}

/// Builds the large image, whose layer says that it is older than every token.
fn large(store: Store) -> Result<String> {
    let world = World::new(store);
    world.source("large/Dockerfile", LARGE);
    let folder = world.job.sources_dir().join("large");
    let made = SystemTime::now() - AGE;
    let epoch = format!("SOURCE_DATE_EPOCH={}", made.duration_since(UNIX_EPOCH)?.as_secs());
    let folder = folder.to_str().context("a path that is no text")?;
    let name = unique("large");
    let options = ["--network=host", "--provenance=false", "--build-arg", &epoch, "--tag", &name];
    world.docker(&[&["buildx", "build"], &options[..], &[folder]].concat());
    Ok(name)
}

/// A job access token of now.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let part = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"nameid":"bench-{}","iat":{now},"exp":{}}}"#, unique("token"), now + 3600);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#.into()), part(claims), part(noise(192)))
}

/// Letters without sense, `len` of them.
fn noise(len: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(len).collect()
}

fn time(step: &Step) -> Result<Duration> {
    let outcome = step.run()?;
    ensure!(outcome.result == TaskResult::Succeeded, "the step failed:\n{}", outcome.log_text());
    Ok(outcome.elapsed)
}
