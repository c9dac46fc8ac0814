//! Which variables reach the docker client, read from the client's own environment.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::Path;

use feedbuild_agent::Step;
use feedbuild_suites::canary::{Searcher, canary};
use feedbuild_suites::{
    Client, PASSWORD, REGISTRY_ID, Store, TOKEN, World, executable, only_error, succeeded, variable,
};

/// A secret of the pipeline that is a word, and a short one.
const WORDS: [(&str, &str); 2] = [("stage", "production"), ("pin", "1234")];

struct Trial {
    world: World,
    key: String,
}

impl Trial {
    fn new(store: Store) -> Self {
        let (world, key) = (World::new(store), canary("key"));
        world.job.set_secret_variable("apiKey", &key);
        for (name, value) in WORDS {
            world.job.set_secret_variable(name, value);
        }
        Self { world, key }
    }

    /// A step in whose environment is one of everything.
    fn step(&self) -> Step {
        self.world
            .build_step("FROM feedbuild-test/base\nARG GREETING\nRUN echo \"$GREETING\" | tr a-z A-Z\n")
            .input("containerRegistry", REGISTRY_ID)
            .input("artifactFeeds", "my-private-pypi")
            .input("secretEnvs", "own=OWN")
            .input("noCache", "true")
            .env("OWN", "value-of-my-own")
            .env("GREETING", "hello")
            .env("SYSTEM_ACCESSTOKEN", "$(System.AccessToken)")
            .env("SECUREFILE_TICKET_1", "canary-ticket-5b1f0c9e")
            .env("VSTS_TASKVARIABLE_STATE", "x")
            .env("MY_KEY", "$(apiKey)")
            .env("PIP_INDEX_URL", &format!("https://build:{TOKEN}@host/simple/"))
            .env("STAGE_OF_ALL", "$(stage)")
            .env("FOLDER", "/srv/$(stage)")
    }

    /// Gives the user clients that write down their environment before they do what `then` says.
    fn record(&self, client: Client, then: &str) {
        let script = |program: &Path| {
            format!(
                "cat /proc/$$/environ >>\"$HOME/environment\"\n{}\n",
                then.replace("CLIENT", &program.display().to_string())
            )
        };
        match client {
            Client::Buildx => {
                let real = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("cli-plugins/docker-buildx");
                self.world.use_plugin(&script(&real));
            }
            Client::Legacy => {
                self.world.use_client(Client::Legacy);
                let folder = self.world.job.root_dir().join("recording");
                let real = Path::new(&variable("FEEDBUILD_TEST_CLIENT_LEGACY")).join("bin/docker");
                executable(&folder.join("docker"), &format!("#!/bin/sh\n{}", script(&real)));
                self.world.set_path(&[&folder]);
            }
        }
    }

    /// What the client had, in all of its calls.
    fn recorded(&self) -> BTreeMap<String, String> {
        let environment = std::fs::read_to_string(self.world.job.home_dir().join("environment")).unwrap();
        let pairs = environment.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The names of the variables in which one of the secrets is, in any form.
    fn holding(&self, recorded: &BTreeMap<String, String>) -> Vec<String> {
        let searcher = Searcher::new([
            ("token", TOKEN),
            ("password", PASSWORD),
            ("key", self.key.as_str()),
            ("own", "value-of-my-own"),
            ("ticket", "canary-ticket-5b1f0c9e"),
        ]);
        let found = recorded.iter().filter(|(_, value)| !searcher.find(value.as_bytes()).is_empty());
        found.map(|(name, _)| name.clone()).collect()
    }
}

const EXEC: &str = "exec CLIENT \"$@\"";

fn is_for_tasks(name: &str) -> bool {
    ["INPUT_", "ENDPOINT_", "SECRET_", "SECUREFILE_", "VSTS_TASKVARIABLE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[test]
fn the_client_gets_what_is_not_secret_and_what_inputs_name() {
    for (store, client) in [(Store::Containerd, Client::Buildx), (Store::Classic, Client::Legacy)] {
        let trial = Trial::new(store);
        trial.record(client, EXEC);
        let socket = trial.world.job.root_dir().join("agent.sock");
        let _agent = UnixListener::bind(&socket).unwrap();
        trial.world.job.set_host_env("SSH_AUTH_SOCK", socket.to_str().unwrap());
        let step = trial.step().input("buildArgs", "GREETING\nOTHER=x").input("ssh", "default");
        let outcome = succeeded(step.run().unwrap());
        assert!(outcome.log_text().contains("HELLO"), "{}", outcome.log_text());
        let said: Vec<&String> =
            outcome.log.iter().filter(|line| line.starts_with("The docker client ")).collect();
        assert_eq!(
            said,
            [
                "The docker client gets variables that inputs name: `GREETING` (build argument), `SSH_AUTH_SOCK` (`ssh`)",
                "The docker client does not get variables that hold a secret of this job: `MY_KEY`, `PIP_INDEX_URL`, \
                 `STAGE_OF_ALL`",
            ]
        );
        let recorded = trial.recorded();
        let names: Vec<&String> = recorded.keys().filter(|name| is_for_tasks(name)).collect();
        assert_eq!(names, Vec::<&String>::new());
        for name in
            ["SYSTEM_ACCESSTOKEN", "VSTS_SECRET_VARIABLES", "MY_KEY", "OWN", "PIP_INDEX_URL", "STAGE_OF_ALL"]
        {
            assert_eq!(recorded.get(name), None, "{name}");
        }
        assert_eq!(trial.holding(&recorded), Vec::<String>::new());
        for (name, value) in [("GREETING", "hello"), ("FOLDER", "/srv/production"), ("TF_BUILD", "True")] {
            assert_eq!(recorded.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(recorded.get("SSH_AUTH_SOCK").map(String::as_str), socket.to_str());
    }
}

#[test]
fn a_cache_gets_the_credentials_that_its_backend_reads() {
    let table = [
        ("type=s3,region=r,bucket=b", "AWS_SECRET_ACCESS_KEY", "ACTIONS_RUNTIME_TOKEN"),
        ("type=gha", "ACTIONS_RUNTIME_TOKEN", "AWS_SECRET_ACCESS_KEY"),
    ];
    for (cache, named, other) in table {
        let trial = Trial::new(Store::Containerd);
        // The engines have no such caches.
        trial.record(Client::Buildx, "exit 1");
        let step = trial.step().input("cacheFrom", cache).env(named, "$(apiKey)").env(other, "$(apiKey)");
        let outcome = step.run().unwrap();
        let kind = cache.split(',').next().unwrap();
        let said = format!("The docker client gets variables that inputs name: `{named}` (cache `{kind}`)");
        assert!(outcome.log.contains(&said), "{}", outcome.log_text());
        let recorded = trial.recorded();
        assert_eq!(trial.holding(&recorded), [named]);
        assert_eq!(recorded[named], trial.key);
    }
}

#[test]
fn a_build_argument_gets_no_variable_of_a_secret() {
    let trial = Trial::new(Store::Containerd);
    let failed = |argument: &str| {
        let step =
            trial.step().input("secretEnvs", "pin=PIN").env("PIN", "$(pin)").input("buildArgs", argument);
        only_error(&step.run().unwrap())
    };
    let mount = "mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`";
    for argument in ["PIN", "MY_KEY"] {
        assert_eq!(
            failed(argument),
            format!(
                "build argument `{argument}` holds a secret of this job; everybody who has the image, or an account on the \
                 agent, could read it\n\nhint: {mount}"
            )
        );
    }
    assert_eq!(
        failed("SECRET_PIN"),
        "build argument `SECRET_PIN` asks for a variable that the agent lays for tasks only, so docker does not get it\n\n\
         hint: write the value, as in `NAME=VALUE`; give a secret by `secrets` or `secretEnvs` and mount it in the Dockerfile \
         (`RUN --mount=type=secret,id=ID`)"
    );
}

#[test]
fn an_address_of_the_engine_that_is_a_secret() {
    let trial = Trial::new(Store::Containerd);
    trial.world.job.set_secret_variable("engine", &trial.world.engine);
    assert_eq!(
        only_error(&trial.step().run().unwrap()),
        "variable `DOCKER_HOST` holds a secret of this job, so the docker client does not get it\n\nhint: an engine's \
         address is no secret: make the pipeline variable that it comes from a plain one"
    );
}
