//! Tokens in the form of a JWT, so that clients that look into tokens find what they look for.
//!
//! The signature is one that only sandboxes check: a token of one sandbox convinces another.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What is signed along; no secret.
const SALT: &str = "feedbuild-sandbox";

/// Writes a token with these claims (an object), which was issued now and ends after `life`.
pub(crate) fn issue(mut claims: Value, life: Duration) -> String {
    let now = SystemTime::now();
    claims["iat"] = seconds(now).into();
    claims["nbf"] = seconds(now).into();
    claims["exp"] = seconds(now + life).into();
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(json!({ "typ": "JWT", "alg": "RS256" })), encode(claims));
    let signature = sign(&signed);
    format!("{signed}.{signature}")
}

/// The claims of a token that a sandbox signed, expired or not.
pub(crate) fn read(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    (signature == sign(signed)).then(|| serde_json::from_slice(&claims).ok())?
}

/// Whether the end of these claims has passed.
pub(crate) fn is_expired(claims: &Value) -> bool {
    claims["exp"].as_u64().is_none_or(|end| end <= seconds(SystemTime::now()))
}

fn sign(signed: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{SALT} {signed}")))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
}
