//! Requests over HTTP: the agent's proxy and roots, no redirects, retries for what passes by itself.
//!
//! Rule: a secret in a header never travels over plain http except to loopback, and never follows a redirect.

mod fault;
mod trust;

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{IntoUrl, Request, RequestBuilder, StatusCode};
use url::{Host, Url};

use crate::agent::network::Network;
use fault::Fault;

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
    /// How many attempts it took.
    pub attempts: u32,
}

impl Answer {
    /// `Retry-After` in seconds (RFC 9110 section 10.2.3). The form with a date is rare and needs no code: the
    /// back-off serves.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// A client for the network outside of this machine.
#[derive(Debug)]
pub struct Client {
    inner: reqwest::Client,
    network: Network,
    timeout: Duration,
}

impl Client {
    /// A client that gives each attempt at a request `timeout`.
    ///
    /// `secure` loads the roots: the public ones that come with us, the system's, `AGENT_CAINFO`, and `authorities`
    /// (PEM). A client for plain http alone starts some milliseconds sooner without them.
    pub fn new(
        network: &Network,
        secure: bool,
        authorities: &[Vec<u8>],
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let roots = if secure { trust::roots(network, authorities)? } else { rustls::RootCertStore::empty() };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(trust::tls(roots)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout.min(Duration::from_secs(20)))
            .timeout(timeout)
            .user_agent(concat!("feedbuild/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = network.proxy() {
            builder = builder.proxy(proxy.rule()?);
        }
        let inner = builder.build().context("cannot set up the HTTP client")?;
        Ok(Self { inner, network: network.clone(), timeout })
    }

    /// Begins a GET request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.inner.get(url)
    }

    /// Begins a HEAD request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.inner.head(url)
    }

    /// Begins a POST request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.inner.post(url)
    }

    /// Begins a PUT request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.inner.put(url)
    }

    /// Sends the request that `request` makes until it is answered with something that another try would not change:
    /// 429, 500, 502, 503, 504 and faults of the network are tried again, with jitter and as `Retry-After` says.
    pub async fn send(&self, request: impl Fn() -> RequestBuilder) -> anyhow::Result<Answer> {
        let mut attempt = 1;
        loop {
            let result = self.attempt(request().build()?, attempt).await;
            let pause = match &result {
                Ok(answer) => is_transient(answer.status)
                    .then(|| answer.retry_after().unwrap_or_else(|| backoff(attempt))),
                Err(fault) => (!fault.is_lasting()).then(|| backoff(attempt)),
            };
            let Some(pause) = pause.filter(|pause| attempt < ATTEMPTS && *pause <= LONGEST_PAUSE) else {
                let proxy = self.network.proxy();
                return result.map_err(|fault| fault.describe(attempt, self.timeout, proxy));
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: Request, number: u32) -> Result<Answer, Fault> {
        let host = authority(request.url());
        let fault = |error| Fault::of(error, &host);
        let mut response = self.inner.execute(request).await.map_err(fault)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_BODY {
                return Err(Fault::too_large(&host));
            }
        }
        Ok(Answer { status, headers, body, attempts: number })
    }
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// Half a second, doubled each time, by a random half more or less, so that parallel jobs do not come in step.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(500 * 2_u64.pow(attempt - 1)).mul_f64(0.5 + fastrand::f64())
}

/// Host and, where it is not the scheme's own, port: how messages name a server. A URL's user part and query might
/// hold a secret.
#[must_use]
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the server");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
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
