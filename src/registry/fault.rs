//! What keeps a registry from taking a login or an image: whether another try can help, and what the user can do.
//!
//! Rule: only what the registry or the network mends by itself is tried again. The engine tells it in words alone, in
//! the containerd store even without the status, so these are the words of distribution, containerd and Go's network.

use std::time::Duration;

use super::login::Login;
use super::reference::Repository;
use crate::buildx::engine::EngineLost;
use crate::error::hint_context;

/// The pauses between attempts, so there is one attempt more. The classic store tries each layer five times by itself
/// meanwhile.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It passes by itself: too many requests, a server's fault, a broken connection.
    Transient,
    /// The login or its rights.
    Refused,
    /// The registry has no such repository and makes none.
    NoRepository,
    /// There is no room.
    Full,
    /// The engine does not know who vouches for it.
    Untrusted,
    /// Something else that lasts.
    Other,
}

/// In the order in which they count: a server's fault may be that its disk is full.
const WORDS: [(Fault, &[&str]); 5] = [
    (Fault::Untrusted, &["certificate signed by unknown authority"]),
    (Fault::Full, &["no space left", "insufficient storage", "quota", "answered 507"]),
    (Fault::Refused, &["unauthorized", "authentication required", "denied", "forbidden", "no basic auth"]),
    (
        Fault::NoRepository,
        &[
            "not found",
            "name unknown",
            "name_unknown",
            "name not known",
            "does not exist in the registry",
            "answered 404",
        ],
    ),
    (
        Fault::Transient,
        &[
            "too many requests",
            "toomanyrequests",
            "rate exceeded",
            "rate limit",
            "internal server error",
            "unknown error",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
            "gateway time-out",
            "connection reset by peer",
            "connection refused",
            "broken pipe",
            "unexpected eof",
            "i/o timeout",
            "handshake timeout",
            "timeout awaiting response headers",
            "timeout exceeded",
            "deadline exceeded",
            "use of closed network connection",
            "server closed idle connection",
            "no route to host",
            "network is unreachable",
            "temporary failure in name resolution",
            "server misbehaving",
        ],
    ),
];

impl Fault {
    /// What an error is about that came of an engine's talk with a registry.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<EngineLost>() { Self::Other } else { Self::said(&format!("{error:#}")) }
    }

    fn said(text: &str) -> Self {
        // A URL holds the user's own words.
        let text = text.split(' ').filter(|word| !word.contains("://")).collect::<Vec<_>>().join(" ");
        let text = text.to_lowercase();
        let found = WORDS.iter().find(|(_, words)| words.iter().any(|word| text.contains(word)));
        match found {
            Some((fault, _)) => *fault,
            // A connection that was closed without an answer. The letters are also a piece of other words.
            None if text.split(' ').next_back() == Some("eof") => Self::Transient,
            None => Self::Other,
        }
    }

    /// How long to wait before another attempt, if one can help; `attempts` is how many there were. The length varies
    /// by a quarter, so that parallel jobs do not come in step.
    #[must_use]
    pub fn pause(self, attempts: usize) -> Option<Duration> {
        let pause = PAUSES.get(attempts.checked_sub(1)?).filter(|_| self == Self::Transient)?;
        Some(pause.mul_f64(0.75 + fastrand::f64() / 2.0))
    }

    /// The error of `what` (`login` or `push`) with what the user can do about it.
    #[must_use]
    pub fn explain(
        self,
        error: anyhow::Error,
        what: &str,
        attempts: usize,
        repository: &Repository,
        login: Option<&Login>,
    ) -> anyhow::Error {
        let (server, path) = (repository.registry(), repository.path());
        let failed = match attempts {
            1 => format!("the {what} to registry `{server}` failed"),
            more => format!("the {what} to registry `{server}` failed ({more} attempts)"),
        };
        let hint = match self {
            Self::Transient | Self::Other => return error.context(failed),
            Self::Refused => {
                let hint = login.map_or_else(
                    || "set `containerRegistry` to a service connection for this registry".to_owned(),
                    |login| login.mend(&repository.to_string()),
                );
                return error.context(hint_context(format!("registry `{server}` refused the {what}"), hint));
            }
            Self::NoRepository => format!(
                "check the name in `repository`, and create `{path}` on the registry if it makes no repositories by itself"
            ),
            Self::Untrusted => format!(
                "put the certificate of the CA as `/etc/docker/certs.d/{server}/ca.crt` on the machine of the Docker engine"
            ),
            Self::Full => format!(
                "free space on the registry or raise the quota of `{path}`; layers that have arrived are not sent again by \
                 the next run"
            ),
        };
        error.context(hint_context(failed, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_tells_what_passes() {
        // Each as an engine has said it, of the containerd or the classic store.
        let table = [
            ("error from registry: Unauthorized (by order)", Fault::Refused),
            ("unauthorized: authentication required", Fault::Refused),
            ("denied: requested access to the resource is denied", Fault::Refused),
            ("no basic auth credentials", Fault::Refused),
            ("error from registry: repository name not known to registry", Fault::NoRepository),
            (
                "name unknown: The repository with name 'app' does not exist in the registry",
                Fault::NoRepository,
            ),
            ("unknown: Not Found (by order)", Fault::NoRepository),
            ("received unexpected HTTP status: 507 Insufficient Storage", Fault::Full),
            ("error from registry: write /data/docker/registry/v2/x: no space left on device", Fault::Full),
            ("toomanyrequests: Rate exceeded", Fault::Transient),
            ("error from registry: Too Many Requests (by order)", Fault::Transient),
            ("received unexpected HTTP status: 500 Internal Server Error", Fault::Transient),
            ("error from registry: unknown error", Fault::Transient),
            (
                "unknown: unexpected status from HEAD request to http://h/v2/app/blobs/sha256:403401: 503 Service Unavailable",
                Fault::Transient,
            ),
            ("failed to do request: Put \"https://h/v2/quota/manifests/1\": EOF", Fault::Transient),
            ("Put \"http://h/v2/app/manifests/1\": EOF", Fault::Transient),
            ("EOF", Fault::Transient),
            ("read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer", Fault::Transient),
            ("net/http: TLS handshake timeout", Fault::Transient),
            (
                "Get \"https://h/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                Fault::Untrusted,
            ),
            ("manifest invalid: manifest invalid", Fault::Other),
            ("error from registry: tag 1 is immutable", Fault::Other),
            ("failed commit on ref \"x\": invalid checksum digest format", Fault::Other),
        ];
        for (text, fault) in table {
            assert_eq!(Fault::said(text), fault, "{text}");
        }
        let lost = anyhow::anyhow!("connection reset by peer").context(EngineLost);
        assert_eq!(Fault::of(&lost), Fault::Other);
        assert_eq!(Fault::of(&anyhow::anyhow!("connection reset by peer").context("push")), Fault::Transient);
    }

    #[test]
    fn only_what_passes_is_tried_again_and_not_for_ever() {
        for (attempts, seconds) in [(1, 1.0), (2, 3.0), (3, 9.0)] {
            let pause = Fault::Transient.pause(attempts).expect("one more").as_secs_f64();
            assert!((seconds * 0.75..=seconds * 1.25).contains(&pause), "{attempts}: {pause}");
        }
        assert_eq!(Fault::Transient.pause(4), None);
        for fault in [Fault::Refused, Fault::NoRepository, Fault::Full, Fault::Untrusted, Fault::Other] {
            assert_eq!(fault.pause(1), None, "{fault:?}");
        }
    }
}
