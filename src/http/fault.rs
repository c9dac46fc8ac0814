//! What kept a request from its answer, in words.
//!
//! Rule: a URL is never shown whole, because its query or user part might hold a secret.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use super::LARGEST_BODY;
use crate::agent::network::Proxy;
use crate::error::hint_context;

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Kind,
    /// Whom the request was for.
    host: String,
    /// The innermost cause; the outer ones name layers of the HTTP client.
    cause: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    UntrustedCertificate,
    BadCertificate,
    NoTls,
    ProxyLogin,
    ProxyRefused,
    ProxyUnreachable,
    UnknownHost,
    Refused,
    Unreachable,
    Timeout,
    BrokenOff,
    NoAnswer,
    TooLarge,
}

impl Fault {
    pub(super) fn of(error: reqwest::Error, host: &str) -> Self {
        let error = error.without_url();
        let cause = chain(&error).last().map(ToString::to_string).unwrap_or_default();
        Self { kind: Kind::of(&error), host: host.to_owned(), cause }
    }

    pub(super) fn too_large(host: &str) -> Self {
        let cause = format!("it is larger than {LARGEST_BODY} bytes");
        Self { kind: Kind::TooLarge, host: host.to_owned(), cause }
    }

    /// Whether another attempt would meet the same.
    pub(super) fn is_lasting(&self) -> bool {
        use Kind::{BadCertificate, NoTls, ProxyLogin, TooLarge, UntrustedCertificate};
        matches!(self.kind, UntrustedCertificate | BadCertificate | NoTls | ProxyLogin | TooLarge)
    }

    /// The error after so many attempts, each of which had `timeout`.
    pub(super) fn describe(self, attempts: u32, timeout: Duration, proxy: Option<&Proxy>) -> anyhow::Error {
        let (mut message, hint) = self.words(timeout, proxy);
        if attempts > 1 {
            message = format!("{message} ({attempts} attempts)");
        }
        let error = anyhow::Error::msg(self.cause);
        match hint {
            Some(hint) => error.context(hint_context(message, hint)),
            None => error.context(message),
        }
    }

    fn words(&self, timeout: Duration, proxy: Option<&Proxy>) -> (String, Option<String>) {
        let host = &self.host;
        let shown = proxy.map_or_else(|| "the proxy".to_owned(), |proxy| format!("the proxy {proxy}"));
        let reach =
            format!("let this agent reach `{host}`, or configure it with the proxy that does (`--proxyurl`)");
        match self.kind {
            Kind::UntrustedCertificate => (
                format!("the certificate of `{host}` is not trusted"),
                Some(
                    "add your CA to the system's store, or configure the agent with `--sslcacert`, which sets \
                     `AGENT_CAINFO`"
                        .to_owned(),
                ),
            ),
            Kind::BadCertificate => (format!("the certificate of `{host}` is not valid"), None),
            Kind::NoTls => (format!("`{host}` does not speak TLS as it should"), None),
            Kind::ProxyLogin => {
                (format!("{shown} does not let this agent in (407)"), proxy.map(Proxy::how_to_log_in))
            }
            Kind::ProxyRefused => (
                format!("{shown} does not connect to `{host}`"),
                proxy.map(|proxy| {
                    let exceptions = proxy.exceptions();
                    format!("let the proxy pass `{host}`, or add the host to {exceptions} if it is reached without")
                }),
            ),
            Kind::ProxyUnreachable => (format!("{shown} cannot be reached"), None),
            Kind::UnknownHost => (format!("`{host}` is unknown to the name service"), Some(reach)),
            Kind::Refused => (format!("`{host}` refused the connection"), Some(reach)),
            Kind::Unreachable => (format!("`{host}` cannot be reached"), Some(reach)),
            Kind::Timeout => (format!("`{host}` did not answer within {} s", timeout.as_secs()), None),
            Kind::BrokenOff => (format!("`{host}` broke off its answer"), None),
            Kind::NoAnswer => (format!("`{host}` ended the connection without an answer"), None),
            Kind::TooLarge => (format!("the answer of `{host}` is too large"), None),
        }
    }
}

impl Kind {
    /// By type where there is one: hyper keeps those of the name service and of tunnels to itself, and has words only.
    fn of(error: &reqwest::Error) -> Self {
        if let Some(tls) = find::<rustls::Error>(error) {
            return match tls {
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                    Self::UntrustedCertificate
                }
                rustls::Error::InvalidCertificate(_) => Self::BadCertificate,
                _ => Self::NoTls,
            };
        }
        let says = |text: &str| chain(error).any(|cause| cause.to_string().starts_with(text));
        if says("tunnel error: proxy authorization required") {
            Self::ProxyLogin
        } else if says("tunnel error: failed to create underlying connection") {
            Self::ProxyUnreachable
        } else if says("tunnel error") {
            Self::ProxyRefused
        } else if says("dns error") {
            Self::UnknownHost
        } else if find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            Self::Refused
        } else if error.is_connect() {
            Self::Unreachable
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_body() || error.is_decode() {
            Self::BrokenOff
        } else {
            Self::NoAnswer
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The first cause of this type. What an `io::Error` wraps is not among its sources, so that is opened, also twice.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| {
        let wrapped = || find(cause.downcast_ref::<io::Error>()?.get_ref()?);
        cause.downcast_ref().or_else(wrapped)
    })
}
