//! Requests over HTTP: the agent's proxy and roots, no redirects, retries for what passes by itself.
//!
//! Rule: a secret in a header never travels over plain http except to loopback, and never follows a redirect.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

use crate::agent::network::Network;
use crate::error::hint_context;

/// Attempts at one request, the first included.
const ATTEMPTS: u32 = 4;

/// The longest pause that a server may ask for before we give up instead.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Bodies above this are no answer to a question of ours.
const LARGEST_BODY: usize = 64 << 20;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// A client for the network outside of this machine.
///
/// `secure` loads the roots: the public ones that come with us, the system's, `AGENT_CAINFO`, and `authorities`
/// (PEM). A client for plain http alone starts some milliseconds sooner without them.
pub fn client(
    network: &Network,
    secure: bool,
    authorities: &[Vec<u8>],
    timeout: Duration,
) -> anyhow::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    if secure {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &network.ca_bundle {
            let pem = std::fs::read(path).map_err(|error| {
                anyhow::Error::new(error).context(hint_context(
                    format!("cannot read the agent's CA bundle `{}` (`AGENT_CAINFO`)", path.display()),
                    "configure the agent again with `--sslcacert`, or make the file readable for the agent's user",
                ))
            })?;
            add_pem(&mut roots, &pem);
        }
        for pem in authorities {
            add_pem(&mut roots, pem);
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeout.min(Duration::from_secs(20)))
        .timeout(timeout)
        .user_agent(concat!("feedbuild/", env!("CARGO_PKG_VERSION")));
    for proxy in network.proxies()? {
        builder = builder.proxy(proxy);
    }
    builder.build().context("cannot set up the HTTP client")
}

fn add_pem(roots: &mut rustls::RootCertStore, pem: &[u8]) {
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
}

/// Sends the request that `request` makes until it is answered with something that another try would not change:
/// 429, 500, 502, 503, 504 and faults of the network are tried again, with jitter and as `Retry-After` says.
pub async fn send(request: impl Fn() -> RequestBuilder) -> anyhow::Result<Answer> {
    let mut attempt = 1;
    loop {
        let result = send_once(request()).await;
        let asked = match &result {
            Ok(answer) if !is_transient(answer.status) => return result,
            Ok(answer) => retry_after(&answer.headers),
            Err(_) => None,
        };
        let pause = asked.unwrap_or_else(|| backoff(attempt));
        if attempt == ATTEMPTS || pause > LONGEST_PAUSE || result.as_ref().is_err_and(is_lasting) {
            return result;
        }
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

async fn send_once(request: RequestBuilder) -> anyhow::Result<Answer> {
    let mut response = request.send().await.map_err(describe)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(describe)? {
        body.extend_from_slice(&chunk);
        anyhow::ensure!(body.len() <= LARGEST_BODY, "the answer is larger than {LARGEST_BODY} bytes");
    }
    Ok(Answer { status, headers, body })
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// A certificate that is not trusted will not be trusted a second later.
fn is_lasting(error: &anyhow::Error) -> bool {
    error.downcast_ref::<crate::error::Hinted>().is_some()
}

/// The error in words, without the URL (its query or user part might hold a secret), with a hint where there is one.
fn describe(error: reqwest::Error) -> anyhow::Error {
    let host = error.url().and_then(Url::host_str).unwrap_or("the server").to_owned();
    let error = anyhow::Error::new(error.without_url());
    let text = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if text.contains("UnknownIssuer") || text.contains("invalid peer certificate") {
        return error.context(hint_context(
            format!("the certificate of `{host}` is not trusted"),
            "add your CA to the system's store, or configure the agent with `--sslcacert`, which sets `AGENT_CAINFO`",
        ));
    }
    let what = match text.as_str() {
        text if text.contains("dns error") => "is unknown to the name service",
        text if text.contains("timed out") => "did not answer in time",
        text if text.contains("Connection refused") => "refused the connection",
        _ => "could not be talked to",
    };
    error.context(format!("`{host}` {what}"))
}

/// Half a second, doubled each time, by a random half more or less, so that parallel jobs do not come in step.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(500 * 2_u64.pow(attempt - 1)).mul_f64(0.5 + fastrand::f64())
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3). The form with a date is rare and needs no code: the
/// back-off serves.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Whether a secret may be sent to this URL at all: https, or http to this machine.
#[must_use]
pub fn is_confidential(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether the URL's host is this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_are_confidential() {
        let confidential = |url: &str| is_confidential(&Url::parse(url).expect("a URL"));
        for url in
            ["https://pkgs.dev.azure.com/", "http://127.0.0.9:1/", "http://[::1]/", "http://localhost/"]
        {
            assert!(confidential(url), "{url}");
        }
        for url in ["http://pkgs.dev.azure.com/", "ftp://localhost/", "http://localhost.evil.example/"] {
            assert!(!confidential(url), "{url}");
        }
    }

    #[test]
    fn pauses_grow_and_vary_within_bounds() {
        for (attempt, base) in [(1, 500), (2, 1000), (3, 2000)] {
            let pause = backoff(attempt).as_millis();
            assert!((base / 2..=base * 3 / 2).contains(&pause), "attempt {attempt}: {pause} ms");
        }
    }
}
