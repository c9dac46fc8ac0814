//! A certificate authority of its own for the servers that speak TLS.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// A server side of TLS for `names` (host names and IP addresses), and the PEM of the authority behind it.
pub(crate) fn acceptor(names: Vec<String>) -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Sandbox Root CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, new_key()).expect("a CA can sign itself");

    let key = new_key();
    let mut server = CertificateParams::new(names).expect("the names are valid");
    server.distinguished_name.push(DnType::CommonName, "Sandbox");
    let certificate = server.signed_by(&key, &authority).expect("a CA can sign a server");

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("key and certificate belong together");
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key can be generated")
}
