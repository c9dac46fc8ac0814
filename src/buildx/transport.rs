//! How requests reach an engine: by a socket or named pipe, TCP, TLS with docker's client certificates, or ssh.
//!
//! Rule: an engine's certificate counts. TLS that does not look at it (`DOCKER_TLS` alone, `SkipTLSVerify`) would give
//! secrets to whoever stands between.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::target::{Address, Tls};
use crate::error::hinted;

#[cfg(unix)]
pub use super::tunnel::Tunnel;

/// There is none: a socket that only we can open takes a unix.
#[cfg(not(unix))]
#[derive(Debug)]
pub enum Tunnel {}

#[cfg(not(unix))]
impl Tunnel {
    /// None.
    pub fn to(_: &Address, _: Ssh<'_>) -> anyhow::Result<Option<Self>> {
        Ok(None)
    }

    /// Nothing.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        match *self {}
    }
}

/// A client and the URL that requests to the engine begin with.
#[derive(Debug)]
pub struct Transport {
    /// The client.
    pub client: reqwest::Client,
    /// The URL, without a slash at its end.
    pub base: String,
    /// What the connections go through.
    pub tunnel: Option<Tunnel>,
}

/// What an ssh client needs to run.
#[derive(Debug, Clone, Copy)]
pub struct Ssh<'a> {
    /// Its environment.
    pub env: &'a BTreeMap<String, String>,
    /// A private folder for a socket.
    pub folder: &'a Path,
}

impl Transport {
    /// Sets a client up for the address; connects nowhere yet.
    pub fn open(address: &Address, ssh: Ssh<'_>) -> anyhow::Result<Self> {
        let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let tls = match address {
            Address::Tcp { url, tls: Some(tls) } => {
                client_config(tls).with_context(|| format!("the engine at `{url}`"))?
            }
            _ => config(RootCertStore::empty())?.with_no_client_auth(),
        };
        let tunnel = Tunnel::to(address, ssh)?;
        let local = "http://engine".to_owned();
        let (builder, base) = match (address, &tunnel) {
            #[cfg(unix)]
            (_, Some(tunnel)) => (builder.unix_socket(tunnel.socket()), local),
            #[cfg(unix)]
            (Address::Unix(path), _) => (builder.unix_socket(path.as_path()), local),
            #[cfg(windows)]
            (Address::NamedPipe(path), _) => (builder.windows_named_pipe(path.as_str()), local),
            (Address::Tcp { url, .. }, _) => (builder, url.as_str().trim_end_matches('/').to_owned()),
            _ => {
                return Err(hinted(
                    format!("the engine at `{address}` cannot be reached from this system"),
                    "use an engine that this agent reaches by its own kind of socket, or by TLS",
                ));
            }
        };
        let client =
            builder.tls_backend_preconfigured(tls).build().context("cannot set up the engine's client")?;
        Ok(Self { client, base, tunnel })
    }
}

fn config(
    roots: RootCertStore,
) -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().context("cannot set up TLS")?;
    Ok(builder.with_root_certificates(roots))
}

/// TLS as the files say: `ca.pem`, else the system's roots; `cert.pem` and `key.pem` if they are there
/// (docker/cli `cli/context/docker/load.go`).
fn client_config(tls: &Tls) -> anyhow::Result<ClientConfig> {
    if !tls.verify {
        return Err(hinted(
            "its certificate is not to be verified (`DOCKER_TLS` without `DOCKER_TLS_VERIFY`, or `SkipTLSVerify` of the \
             docker context), so anybody on the way could be it",
            "set `DOCKER_TLS_VERIFY: 1` and put the engine's CA as `ca.pem` into the folder that `DOCKER_CERT_PATH` names",
        ));
    }
    let read = |name: &str| {
        let path = tls.folder.join(name);
        match std::fs::read(&path) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    };
    let mut roots = RootCertStore::empty();
    match read("ca.pem")? {
        Some(pem) => {
            let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
            anyhow::ensure!(added > 0, "`{}` holds no certificate", tls.folder.join("ca.pem").display());
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let (Some(certificates), Some(key)) = (read("cert.pem")?, read("key.pem")?) else {
        return Ok(config(roots)?.with_no_client_auth());
    };
    let bad = |name: &str| format!("`{}` cannot be used", tls.folder.join(name).display());
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .with_context(|| bad("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).with_context(|| bad("key.pem"))?;
    config(roots)?.with_client_auth_cert(certificates, key).with_context(|| bad("cert.pem"))
}
