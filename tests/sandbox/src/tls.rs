//! A certificate authority of its own for the servers that speak TLS.

use std::{path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::PrivateKeyDer,
        server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    },
};

use crate::issued::unique;

/// A server side of TLS for `names` (host names and IP addresses), and the PEM of the authority behind it.
pub(crate) fn acceptor(names: Vec<String>) -> (TlsAcceptor, String) {
    let authority = new_authority();
    (accept(names, &authority, WebPkiClientVerifier::no_client_auth()), authority.pem())
}

/// A server side of TLS for this machine that wants a certificate of its clients; `folder` gets `ca.pem`, `cert.pem` and
/// `key.pem` for one.
pub(crate) fn mutual(folder: &Path) -> TlsAcceptor {
    let authority = new_authority();
    let key = new_key();
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, "Sandbox client");
    let certificate = client.signed_by(&key, &authority).expect("a CA can sign a client");
    for (name, pem) in [("ca", authority.pem()), ("cert", certificate.pem()), ("key", key.serialize_pem())] {
        std::fs::write(folder.join(name).with_extension("pem"), pem).expect("the folder is writable");
    }
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("it is a certificate");
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
    let names = ["127.0.0.1", "0.0.0.0", "localhost"].map(str::to_owned).into();
    accept(names, &authority, clients.expect("there is a root"))
}

fn accept(
    names: Vec<String>,
    authority: &CertifiedIssuer<'_, KeyPair>,
    clients: Arc<dyn ClientCertVerifier>,
) -> TlsAcceptor {
    let key = new_key();
    let mut server = CertificateParams::new(names).expect("the names are valid");
    server.distinguished_name.push(DnType::CommonName, "Sandbox");
    let certificate = server.signed_by(&key, authority).expect("a CA can sign a server");

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("key and certificate belong together");
    TlsAcceptor::from(Arc::new(config))
}

fn new_authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, format!("Sandbox Root CA {}", unique("authority")));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(authority, new_key()).expect("a CA can sign itself")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key can be generated")
}
