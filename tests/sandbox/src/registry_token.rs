//! Tokens that `docker-registry` accepts (distribution spec, "Token Authentication Specification"): signed by a key of
//! their own, whose certificate they carry.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use rcgen::{CertificateParams, KeyPair};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

use crate::issued::unique;

/// How long a token of Azure Container Registry lives.
const LIFE: Duration = Duration::from_mins(75);

/// Who signs.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    certificate: Vec<u8>,
    /// The certificate in the form that the registry reads.
    pub(crate) pem: String,
}

impl Signer {
    /// A signer with a new key.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be generated");
        let certificate = CertificateParams::new(Vec::new())
            .and_then(|params| params.self_signed(&key))
            .expect("a key can sign its own certificate");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random)
            .expect("it is a P-256 key");
        Self { key, random, certificate: certificate.der().to_vec(), pem: certificate.pem() }
    }

    /// A token of `service` that allows `access` (`type`, `name`, `actions`).
    pub(crate) fn sign(&self, service: &str, access: &[Value]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        let header =
            json!({ "typ": "JWT", "alg": "ES256", "x5c": [BASE64_STANDARD.encode(&self.certificate)] });
        let claims = json!({
            "iss": service, "aud": service, "sub": "", "jti": unique("registry token"),
            "iat": now, "nbf": now - 60, "exp": now + LIFE.as_secs(), "access": access,
        });
        let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("a P-256 key signs");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}
