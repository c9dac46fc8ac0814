//! The corpus in `tests/leaks`: a folder a case, with the build context as it is and secrets as placeholders.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use feedbuild_agent::Outcome;
use feedbuild_suites::canary::canary;
use feedbuild_suites::{Relay, Store, World, repository_root, unique};

/// A Dockerfile and what belongs to it.
pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
    /// Line of the Dockerfile and place of the image, from its comments `# leaks: LINE PLACE`; `-` where the image does
    /// not tell what made it.
    pub(crate) leaks: Vec<(String, String)>,
}

/// All cases of a kind, `leaking` or `clean`.
pub(crate) fn cases(kind: &str) -> Vec<Case> {
    let folder = repository_root().join("tests/leaks").join(kind);
    let mut cases: Vec<Case> =
        folder.read_dir().unwrap().map(|entry| Case::read(entry.unwrap().path())).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 40, "a corpus has forty cases and more");
    cases
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("Dockerfile")).unwrap();
        let leak = |line: &str| {
            let (number, place) = line.strip_prefix("# leaks: ")?.split_once(' ')?;
            Some((number.to_owned(), place.to_owned()))
        };
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, folder, leaks: text.lines().filter_map(leak).collect() }
    }
}

/// A world whose job has the secrets that the cases leak.
pub(crate) struct Trial {
    world: World,
    token: String,
    key: String,
    relay: Option<Relay>,
}

impl Trial {
    pub(crate) fn new(store: Store) -> Self {
        let token = canary("token");
        let world = World::with_secrets(store, &token, &canary("password"));
        // Characters that URLs, JSON and XML write in their own ways.
        let key = format!("{}+&<>\"/%=", canary("key"));
        world.job.set_secret_variable("apiKey", &key);
        Self { world, token, key, relay: None }
    }

    /// The engine is reached by a port.
    pub(crate) fn behind_a_relay(store: Store) -> Self {
        let mut trial = Self::new(store);
        let relay = Relay::on_port(&trial.world.engine);
        trial.world.job.set_host_env("DOCKER_HOST", relay.address());
        trial.relay = Some(relay);
        trial
    }

    /// Builds a case with every secret at hand; nothing is pushed.
    pub(crate) fn run(&self, case: &Case) -> Outcome {
        let sources = self.world.job.sources_dir();
        std::fs::remove_dir_all(&sources).unwrap();
        self.copy(&case.folder, &sources);
        let step = self.world.step().input("command", "build").input("repository", &unique("corpus"));
        let step = step
            .input("artifactFeeds", "my-private-pypi")
            .input("missingSecrets", "warn")
            .input("noCache", "true");
        step.input("secrets", "API_KEY=$(apiKey)").run().unwrap()
    }

    pub(crate) fn holds_a_secret(&self, line: &str) -> bool {
        [&self.token, &self.key].into_iter().any(|secret| line.contains(secret.as_str()))
    }

    fn copy(&self, from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                self.copy(&path, &target);
            } else {
                std::fs::write(target, self.fill_in(&std::fs::read_to_string(path).unwrap())).unwrap();
            }
        }
    }

    fn fill_in(&self, text: &str) -> String {
        let xml =
            self.key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let dockerfile = self.key.replace('"', "\\\"");
        [
            ("@TOKEN@", self.token.clone()),
            ("@TOKEN64@", BASE64_STANDARD.encode(&self.token)),
            ("@BASIC@", BASE64_STANDARD.encode(format!("someone:{}", self.token))),
            ("@API_KEY@", dockerfile),
            ("@API_KEY_XML@", xml),
            ("@UNIQUE@", unique("cache")),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, &value))
    }
}
