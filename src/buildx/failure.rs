//! Why a call of the client failed, from what it said last.

use super::builder::{Builder, Driver};
use super::progress::Failure;
use crate::error::{hint_context, hinted};

/// The error for an argument of the client that holds a secret.
#[must_use]
pub fn exposed(argument: &str) -> anyhow::Error {
    hinted(
        format!(
            "{argument} holds a secret of this job; everybody who has the image, or an account on the agent, could \
             read it"
        ),
        "mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`",
    )
}

/// The step in which buildx waits for a remote builder (`driver/remote/driver.go`).
const CONNECTION: &str = "[internal] waiting for connection";

/// A connection to the builder that broke, in the client's words.
#[derive(Debug)]
pub struct BuilderLost(String);

impl std::fmt::Display for BuilderLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BuilderLost {}

/// What a user can mend: a sign in what was said, what that means, and the hint.
const KNOWN: [(&str, &str, &str); 7] = [
    (
        // How buildx writes a file in one piece (`util/atomicwriter` of moby/sys).
        "/.tmp-result",
        "the docker client cannot write down what it built",
        "free some disk space in the agent's temp folder (`Agent.TempDirectory`)",
    ),
    (
        // Of the engine and of a program in the build, which begin it in either case.
        "o space left on device",
        "no disk space is left where the image is built",
        "free some there: `docker buildx prune` removes build caches, `docker system df` tells what takes the space",
    ),
    (
        "the buildx component is missing or broken",
        "this docker client cannot build without the buildx plugin",
        "install it on the agent: package `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution",
    ),
    (
        "exec format error",
        "a program is for another kind of processor than that of the machine that builds",
        "install emulators on that machine (`docker run --privileged --rm tonistiigi/binfmt --install all`), name a \
         builder with a machine of that kind in `builder`, or let the stage run on the builder's own kind (`FROM \
         --platform=$BUILDPLATFORM …`)",
    ),
    (
        "invalid empty ssh agent socket",
        "there is no ssh agent to forward (`ssh: default`)",
        "start one before this step by the task `InstallSSHKey@0`, or name a key: `ssh: \
         default=$(deployKey.secureFilePath)`",
    ),
    (
        "is not allowed by build daemon configuration",
        "the builder's own configuration does not allow what `allow` asks for",
        "allow it there: for a docker engine in its `daemon.json`, e.g. `\"builder\": {\"entitlements\": \
         {\"security-insecure\": true}}`; for a container by `docker buildx create --buildkitd-flags \
         \"--allow-insecure-entitlement security.insecure\"`",
    ),
    (
        "unknown flag: --",
        "the buildx plugin of this agent is too old for an option",
        "install a current one: package `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution",
    ),
];

/// The error for a client that a signal killed.
pub(super) fn killed(said: Option<&Failure>, what: &str, signal: Option<i32>) -> anyhow::Error {
    // The same number on every Unix, sent by no program but the kernel's out-of-memory killer unless somebody means it.
    const KILL: i32 = 9;
    let signal_name = match signal {
        Some(KILL) => "SIGKILL".to_owned(),
        Some(number) => format!("signal {number}"),
        None => "a signal".to_owned(),
    };
    let text = format!("the docker client was killed by {signal_name} during {what}");
    let hint = match signal {
        Some(KILL) => {
            "look for an out-of-memory kill in the machine's kernel log (`dmesg`), and give the agent more memory"
        }
        _ => "see the log above, and the machine's kernel log: `dmesg`",
    };
    match said.and_then(|said| said.message.as_deref()) {
        Some(message) => anyhow::anyhow!("{message}").context(hint_context(text, hint)),
        None => hinted(text, hint),
    }
}

/// One concise error from what the client said last.
pub(super) fn failed(said: Option<&Failure>, what: &str, how: &str, builder: &Builder) -> anyhow::Error {
    let text = said.and_then(|said| said.message.as_deref()).unwrap_or("it said nothing; see the log above");
    // buildx repeats what it was doing before the cause.
    let cause = ["failed to build: ", "failed to solve: "]
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    let error = anyhow::anyhow!("{cause}");
    if said.and_then(|said| said.step.as_deref()) == Some(CONNECTION) {
        return error.context(hint_context(
            format!("builder `{}` does not answer ({how})", builder.name),
            format!(
                "see whether it runs and speaks as the builder says: `docker buildx inspect {}`",
                builder.name
            ),
        ));
    }
    let printed = said.map_or(&[][..], |said| &said.last_lines);
    let tells = |sign: &str| text.contains(sign) || printed.iter().any(|line| line.contains(sign));
    if let Some((_, means, hint)) = KNOWN.iter().find(|(sign, ..)| tells(sign)) {
        return error.context(hint_context(*means, *hint));
    }
    let refused = ["401 Unauthorized", "403 Forbidden", "pull access denied", "authorization failed"];
    if text.contains("failed to resolve source metadata") && refused.iter().any(|sign| text.contains(sign)) {
        return error.context(hint_context(
            format!("a base image cannot be pulled ({how})"),
            "add a service connection for its registry to `containerRegistry`, behind the one that is pushed to, or log in \
             to it before this step by `Docker@2` with `command: login`",
        ));
    }
    let (who, log, place) = match builder.driver {
        Driver::Docker => {
            let log = "the engine's own log (`journalctl -u docker`)".to_owned();
            ("the Docker engine".to_owned(), log, "the agent")
        }
        _ => (
            format!("builder `{}`", builder.name),
            format!("its own log, or `docker buildx inspect {}`", builder.name),
            "its machine",
        ),
    };
    // A cancel of ours is told apart before; this one is that of a session whose connection broke.
    let lost = [
        "code = Unavailable",
        "Unavailable: ",
        "error reading from server",
        "closing transport",
        "transport is closing",
        "context canceled",
        "Cannot connect to the Docker daemon",
    ];
    if lost.iter().any(|sign| text.contains(sign)) {
        return anyhow::Error::new(BuilderLost(cause.to_owned())).context(hint_context(
            format!("{who} went away during {what} ({how})"),
            format!("see {log}, and whether {place} ran out of memory or disk; then run the job again"),
        ));
    }
    error.context(format!("{what} failed ({how})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::env::Env;
    use crate::error;
    use crate::registry::config::DockerConfig;

    fn builder() -> Builder {
        Builder::find(None, &Env::default(), &DockerConfig::default()).expect("the default one").0
    }

    fn said(message: &str) -> Failure {
        Failure { message: Some(message.to_owned()), ..Failure::default() }
    }

    #[test]
    fn a_builder_that_only_accepts_connections() {
        let failure = Failure {
            step: Some(CONNECTION.to_owned()),
            ..said("failed to build: context deadline exceeded")
        };
        assert_eq!(
            error::render(&failed(Some(&failure), "the build", "exit code 1", &builder())),
            "builder `default` does not answer (exit code 1)\n  caused by: context deadline exceeded\n\nhint: see whether it \
             runs and speaks as the builder says: `docker buildx inspect default`"
        );
    }

    #[test]
    fn a_client_that_was_killed_is_told_from_one_that_failed() {
        let text = |said, signal| error::render(&killed(said, "the build", signal));
        assert_eq!(
            text(None, Some(9)),
            "the docker client was killed by SIGKILL during the build\n\nhint: look for an out-of-memory kill in the \
             machine's kernel log (`dmesg`), and give the agent more memory"
        );
        assert_eq!(
            text(Some(&said("it was about to")), Some(11)),
            "the docker client was killed by signal 11 during the build\n  caused by: it was about to\n\nhint: see the log \
             above, and the machine's kernel log: `dmesg`"
        );
    }

    #[test]
    fn a_failure_is_one_concise_message() {
        let builder = builder();
        let said = said(
            "failed to build: failed to solve: process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3",
        );
        assert_eq!(
            error::render(&failed(Some(&said), "the build", "exit code 1", &builder)),
            "the build failed (exit code 1)\n  caused by: process \"/bin/sh -c exit 3\" did not complete successfully: \
             exit code: 3"
        );
    }

    #[test]
    fn what_a_step_printed_tells_why_it_failed() {
        let failure = Failure {
            last_lines: vec!["exec /bin/sh: exec format error".to_owned()],
            ..said(
                "failed to build: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 1",
            )
        };
        assert_eq!(
            error::render(&failed(Some(&failure), "the build", "exit code 1", &builder())),
            "a program is for another kind of processor than that of the machine that builds\n  caused by: process \
             \"/bin/sh -c make\" did not complete successfully: exit code: 1\n\nhint: install emulators on that machine \
             (`docker run --privileged --rm tonistiigi/binfmt --install all`), name a builder with a machine of that kind in \
             `builder`, or let the stage run on the builder's own kind (`FROM --platform=$BUILDPLATFORM …`)"
        );
    }

    #[test]
    fn an_engine_that_went_away_is_told_from_a_failed_build() {
        let builder = builder();
        let said = said(
            "failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
        );
        let text = error::render(&failed(Some(&said), "the build", "exit code 1", &builder));
        assert!(text.starts_with("the Docker engine went away") && text.contains("hint: "), "{text}");
    }
}
