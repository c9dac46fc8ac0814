//! Agents without a docker client, engines that are not there, that go away or that must not be trusted, and a
//! client in a sandbox.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use feedbuild_agent::{Outcome, Step};
use feedbuild_sandbox::{Entry, Gateway};
use feedbuild_suites::{
    Gate, REGISTRY_ID, Relay, Store, World, executable, only_error, succeeded, unique, variable,
};

const PLAIN: &str = "FROM feedbuild-test/base\nRUN true\n";

/// Mounts two secrets: the first one reaches the client by its standard input, the second by a descriptor of ours.
const SECRET: &str = "FROM feedbuild-test/base\n\
    RUN --mount=type=secret,id=PIP_EXTRA_URL --mount=type=secret,id=FEED_TOKEN \
    test -s /run/secrets/PIP_EXTRA_URL -a -s /run/secrets/FEED_TOKEN && echo both are there | tr a-z A-Z\n";

fn secret_step(world: &World) -> Step {
    world
        .build_step(SECRET)
        .input("artifactFeeds", "my-private-pypi")
        .input("onlyAddExtraIndex", "true")
        .input("noCache", "true")
}

/// The one error of the step, without what is by chance in it.
fn error(world: &World, outcome: &Outcome) -> String {
    plain(world, &only_error(outcome))
}

/// `text` with the job's folder as `JOB`, and with the names that the step makes up.
fn plain(world: &World, text: &str) -> String {
    let text = text.replace(&world.job.root_dir().display().to_string(), "JOB");
    let name = |part: &str| match part.split_once('-') {
        Some(("feedbuild", rest)) => format!("PRIVATE{}", &rest[rest.len() - 1..]),
        Some(("DockerBuildWithFeeds", rest)) => format!("SUMMARY{}", &rest[rest.len() - 1..]),
        _ => part.to_owned(),
    };
    text.split_inclusive(['/', '`']).map(name).collect()
}

/// Lets steps start `node` in a mount namespace of their own, after a shell script has changed it.
fn in_namespace_after(world: &World, script: &str) {
    let path = std::env::var("PATH").unwrap();
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file());
    let unshare = "unshare --mount $([ \"$(id -u)\" = 0 ] || echo --map-root-user)";
    let wrapper = format!(
        "#!/bin/sh\nexec {unshare} /bin/sh -ec '{script}\nexec {} \"$@\"' node \"$@\"\n",
        node.unwrap().display()
    );
    executable(&world.job.root_dir().join("namespace/node"), &wrapper);
}

/// Hides the plugins that the machine has for all of its users.
const HIDE_PLUGINS: &str = "for folder in /usr/local/lib /usr/local/libexec /usr/lib /usr/libexec; do
    [ ! -d $folder/docker/cli-plugins ] || mount -t tmpfs none $folder/docker/cli-plugins
done";

#[test]
fn without_any_docker_client() {
    let world = World::new(Store::Containerd);
    in_namespace_after(&world, HIDE_PLUGINS);
    world.set_path(&[&world.job.root_dir().join("namespace")]);
    std::fs::remove_file(world.docker_config().join("cli-plugins")).unwrap();
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "neither the buildx plugin nor `docker` was found on this agent\n\nhint: install Docker with buildx on the agent; in \
         a container job, use an image that has the docker client and set `mapDockerSocket: true` on the container"
    );
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[test]
fn without_the_plugin_that_a_current_client_needs() {
    let world = World::new(Store::Containerd);
    in_namespace_after(&world, HIDE_PLUGINS);
    let client = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    world.set_path(&[&world.job.root_dir().join("namespace"), &client]);
    std::fs::remove_file(world.docker_config().join("cli-plugins")).unwrap();
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "this docker client cannot build without the buildx plugin\n  caused by: BuildKit is enabled but the buildx component \
         is missing or broken.\n\nhint: install it on the agent: package `docker-buildx-plugin` of Docker, or \
         `docker-buildx` of the distribution"
    );
}

const DOWN: &str = "no Docker engine answers at `unix://JOB/docker.sock`\n  caused by: error sending request\n  \
    caused by: client error (Connect)\n  caused by: REASON\n\nhint: start Docker on the agent and let the agent's user \
    reach its socket (group `docker`); in a container job set `mapDockerSocket: true` on the container";

#[test]
fn an_engine_that_is_down() {
    let world = World::new(Store::Containerd);
    let socket = world.job.root_dir().join("docker.sock");
    world.job.set_host_env("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(error(&world, &outcome), DOWN.replace("REASON", "No such file or directory (os error 2)"));

    // The socket of an engine that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(error(&world, &outcome), DOWN.replace("REASON", "Connection refused (os error 111)"));
}

#[test]
fn an_engine_without_buildkit() {
    let world = World::new(Store::Containerd);
    let socket = world.job.root_dir().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The head of a request comes in one piece.
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = "HTTP/1.1 200 OK\r\nBuilder-Version: 1\r\nOstype: windows\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: 2\r\n\r\nOK").unwrap();
        }
    });
    world.job.set_host_env("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "the Docker engine at `unix://JOB/docker.sock` has no BuildKit (windows containers)\n\nhint: use an engine that runs \
         Linux containers, Docker 18.09 or later"
    );
}

#[test]
fn an_engine_that_dies_in_mid_build() {
    for store in [Store::Containerd, Store::Classic] {
        let (world, gate) = (World::new(store), Gate::new());
        let relay = Relay::on_socket(&world.engine, &world.job.root_dir().join("relay.sock"));
        world.job.set_host_env("DOCKER_HOST", relay.address());
        let running =
            world.build_step(&format!("FROM feedbuild-test/base\nRUN {}\n", gate.command())).start().unwrap();
        let waiting = gate.reached();
        relay.cut();
        let outcome = running.wait().unwrap();
        // The client words it in either way.
        let error = error(&world, &outcome)
            .replace("failed to receive status: rpc error: code = Unavailable desc = ", "Unavailable: ");
        assert_eq!(
            error,
            "the Docker engine went away during the build (exit code 1)\n  caused by: Unavailable: error reading from \
             server: EOF\n\nhint: see the engine's own log (`journalctl -u docker`), and whether the agent ran out of \
             memory or disk; then run the job again"
        );
        waiting.killed();
    }
}

#[test]
fn secrets_cross_no_network_in_clear() {
    let world = World::new(Store::Containerd);
    // On Linux a connection to 0.0.0.0 reaches loopback, but the address is not one of loopback.
    let relay = Relay::on_port(&world.engine);
    let address = relay.address().replace("127.0.0.1", "0.0.0.0");
    world.job.set_host_env("DOCKER_HOST", &address);
    let outcome = secret_step(&world).run().unwrap();
    assert_eq!(
        error(&world, &outcome).replace(&address.replace("tcp:", "http:"), "ENGINE"),
        "the engine at `ENGINE/` is reached in clear, so secrets would be readable on the network\n\nhint: reach \
         it by TLS (`DOCKER_TLS_VERIFY`), ssh (`DOCKER_HOST: ssh://…`) or a socket; if you trust the network, set \
         `allowInsecureBuilder: true`"
    );
    assert_eq!((relay.connections(), world.sandbox.requests().len()), (0, 0));

    // Without secrets, or with a user who knows, it serves as any engine.
    succeeded(world.build_step(PLAIN).run().unwrap());
    assert_ne!(relay.connections(), 0);
    let outcome = succeeded(secret_step(&world).input("allowInsecureBuilder", "true").run().unwrap());
    assert!(outcome.log_text().contains("BOTH ARE THERE"));
}

#[test]
fn an_engine_on_loopback_needs_no_leave() {
    let world = World::new(Store::Containerd);
    let relay = Relay::on_port(&world.engine);
    world.job.set_host_env("DOCKER_HOST", relay.address());
    succeeded(secret_step(&world).run().unwrap());
    assert_ne!(relay.connections(), 0);
}

#[test]
fn a_client_in_a_sandbox_gets_private_files() {
    let world = World::new(Store::Containerd);
    let base = pushed_base(&world);
    let namespaces = "unshare --user --map-current-user --pid --fork --kill-child --mount-proc";
    world.use_plugin(&format!("exec {namespaces} \"$BUILDX\" \"$@\""));
    let step = secret_step(&world).input("containerRegistry", REGISTRY_ID);
    world.source("Dockerfile", &SECRET.replace("feedbuild-test/base", &base));
    let outcome = succeeded(step.run().unwrap());
    assert_eq!(
        outcome.warnings(),
        [
            "the docker client cannot open secrets in memory (it runs as another user or in a sandbox); they are in private \
          files while it runs"
        ]
    );
    assert!(outcome.log_text().contains("BOTH ARE THERE"));
    let left: Vec<PathBuf> =
        world.job.temp_dir().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    // What stays is for later steps.
    assert!(left.iter().all(|path| path.is_file() || path.ends_with("task_outputs")), "{left:?}");
}

/// An image in the registry that the engine does not hold.
fn pushed_base(world: &World) -> String {
    let name = unique("base");
    let step = world
        .build_step(PLAIN)
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", &name);
    let outcome = succeeded(step.run().unwrap());
    let reference = outcome.output("imageReferences").unwrap().to_owned();
    world.docker(&["image", "rm", "--force", &reference]);
    reference
}

const NO_SUMMARY: &str = "there is no summary of this step\n  caused by: cannot write `JOB/_work/_temp/SUMMARY`\n  \
    caused by: No space left on device (os error 28)";

#[test]
fn a_full_disk_stops_the_step_before_the_build() {
    let world = World::new(Store::Containerd);
    let temp = world.job.temp_dir();
    let tmpfs = |options: &str, fill: &str| {
        in_namespace_after(
            &world,
            &format!("mount -t tmpfs -o size=4k{options} none {0}\n{fill}", temp.display()),
        );
    };
    let client = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    world.set_path(&[&world.job.root_dir().join("namespace"), &client]);

    tmpfs(",nr_inodes=1", "");
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "cannot make a private folder in `JOB/_work/_temp`\n  caused by: No space left on device (os error 28)\n\nhint: free \
         some disk space there, and let the agent's user write to it (`Agent.TempDirectory`)"
    );
    assert_eq!(plain(&world, &outcome.warnings().concat()), NO_SUMMARY);

    tmpfs("", &format!("head -c 4096 /dev/zero >{}/full", temp.display()));
    let outcome = world.build_step(PLAIN).run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "cannot write `JOB/_work/_temp/PRIVATE/config.json`\n  caused by: No space left on device (os error 28)\n\n\
         hint: free some disk space in the agent's temp folder (`Agent.TempDirectory`)"
    );
    assert_eq!(plain(&world, &outcome.warnings().concat()), NO_SUMMARY);
}

#[test]
fn an_engine_behind_tls() {
    for (store, by_context) in [(Store::Containerd, false), (Store::Classic, true)] {
        let world = World::new(store);
        let gateway = Gateway::with_tls(&world.engine, Entry::Api);
        // No address of loopback, so it is TLS that lets secrets go there.
        let address = gateway.address("0.0.0.0");
        let files = gateway.certificates().display();
        if by_context {
            let endpoint =
                format!("host={address},ca={files}/ca.pem,cert={files}/cert.pem,key={files}/key.pem");
            world.docker(&["context", "create", "far", "--docker", &endpoint]);
            world.job.set_host_env("DOCKER_HOST", "");
            world.job.set_host_env("DOCKER_CONTEXT", "far");
        } else {
            world.job.set_host_env("DOCKER_HOST", &address);
            world.job.set_host_env("DOCKER_TLS_VERIFY", "1");
            world.job.set_host_env("DOCKER_CERT_PATH", &files.to_string());
        }
        let step = secret_step(&world)
            .input("command", "buildAndPush")
            .input("containerRegistry", REGISTRY_ID)
            .input("tags", "1");
        let outcome = succeeded(step.run().unwrap());
        assert!(outcome.log_text().contains("BOTH ARE THERE"));
        assert_ne!(gateway.connections(), 0);
    }
}

#[test]
fn an_engine_behind_tls_that_is_not_to_be_trusted() {
    let world = World::new(Store::Containerd);
    let gateway = Gateway::with_tls(&world.engine, Entry::Api);
    let empty = world.job.root_dir().join("empty");
    std::fs::create_dir(&empty).unwrap();
    world.job.set_host_env("DOCKER_HOST", &gateway.address("127.0.0.1"));
    world.job.set_host_env("DOCKER_CERT_PATH", empty.to_str().unwrap());
    let failed = |variable: &str| {
        world.job.set_host_env("DOCKER_TLS", "");
        world.job.set_host_env(variable, "1");
        let outcome = world.build_step(PLAIN).run().unwrap();
        error(&world, &outcome).replace(&gateway.address("127.0.0.1").replace("tcp", "https"), "ENGINE")
    };
    assert_eq!(
        failed("DOCKER_TLS"),
        "the engine at `ENGINE/`\n  caused by: its certificate is not to be verified (`DOCKER_TLS` without \
         `DOCKER_TLS_VERIFY`, or `SkipTLSVerify` of the docker context), so anybody on the way could be it\n\nhint: set \
         `DOCKER_TLS_VERIFY: 1` and put the engine's CA as `ca.pem` into the folder that `DOCKER_CERT_PATH` names"
    );
    let no_answer = |cause: &str| {
        format!(
            "no Docker engine answers at `ENGINE/`\n  caused by: error sending request\n  caused by: client error (Connect)\n  \
             caused by: {cause}\n\nhint: start Docker there, let this agent reach it, and put the `ca.pem`, `cert.pem` and \
             `key.pem` for it into the folder that `DOCKER_CERT_PATH` names, or into the docker context"
        )
    };
    assert_eq!(failed("DOCKER_TLS_VERIFY"), no_answer("invalid peer certificate: UnknownIssuer"));
    // Trusted by us, but not the other way round.
    std::fs::copy(gateway.certificates().join("ca.pem"), empty.join("ca.pem")).unwrap();
    assert!(failed("DOCKER_TLS_VERIFY").contains("received fatal alert: CertificateRequired"));
}

#[test]
fn an_engine_behind_ssh() {
    let world = World::new(Store::Containerd);
    let (folder, client) =
        (world.job.root_dir().join("ssh"), Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin"));
    world.set_path(&[&folder, &client]);
    world.job.set_host_env("DOCKER_HOST", "ssh://me@far.example:2222");
    // What sshd would run at the other end.
    let there = format!("exec {}/docker --host={} system dial-stdio", client.display(), world.engine);
    executable(
        &folder.join("ssh"),
        &format!("#!/bin/sh\necho \"$@\" >>{}/calls\n{there}\n", folder.display()),
    );
    let outcome = succeeded(secret_step(&world).run().unwrap());
    assert!(outcome.log_text().contains("BOTH ARE THERE"));
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
    let ours = "-l me -p 2222 -o ConnectTimeout=30 -T -- far.example docker system dial-stdio";
    assert_eq!(calls.lines().next(), Some(ours));

    executable(
        &folder.join("ssh"),
        "#!/bin/sh\necho 'me@far.example: Permission denied (publickey).' >&2\nexit 255\n",
    );
    assert_eq!(
        error(&world, &secret_step(&world).run().unwrap()),
        "no Docker engine answers at `ssh://me@far.example:2222`\n  caused by: the connection by ssh ended\n  caused by: \
         me@far.example: Permission denied (publickey).\n\nhint: let the agent's user log in there by ssh without a password \
         (`ssh HOST docker version`), with the host's key in its `known_hosts`"
    );
}
