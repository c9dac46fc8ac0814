//! Whom TLS connections trust.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::agent::network::Network;
use crate::error::{hint_context, hinted};

/// The public roots that come with us, the system's, `AGENT_CAINFO`, and `authorities` (PEM).
pub(super) fn roots(network: &Network, authorities: &[Vec<u8>]) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &network.ca_bundle {
        let pem = std::fs::read(path).map_err(|error| {
            anyhow::Error::new(error).context(hint_context(
                format!("cannot read the agent's CA bundle `{}` (`AGENT_CAINFO`)", path.display()),
                "configure the agent again with `--sslcacert`, or make the file readable for the agent's user",
            ))
        })?;
        if add_pem(&mut roots, &pem) == 0 {
            return Err(hinted(
                format!("the agent's CA bundle `{}` (`AGENT_CAINFO`) holds no certificate", path.display()),
                "configure the agent again with `--sslcacert` and a file in PEM form",
            ));
        }
    }
    for pem in authorities {
        add_pem(&mut roots, pem);
    }
    Ok(roots)
}

/// TLS with these roots.
pub(super) fn tls(roots: RootCertStore) -> anyhow::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Adds the certificates of a PEM file; returns how many.
fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> usize {
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    added
}
