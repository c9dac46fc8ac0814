//! Session tokens: `POST {authorization service}/_apis/Token/SessionTokens?tokenType=…`.

use std::time::{Duration, SystemTime};

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    azure::Azure,
    feed::guid,
    issued::unique,
    jwt,
    reply::{self, service_error},
    request::Request,
    server::Body,
    token::Token,
};

/// How long a session lasts that does not say.
const DEFAULT_LIFE: Duration = Duration::from_hours(4);

/// Answers somebody who asks for a session token.
pub(crate) fn answer(azure: &Azure, request: &Request, token: &Token) -> Response<Body> {
    if !token.makes_sessions() {
        let message = format!(
            "TF50309: The following account does not have sufficient permissions to complete the operation: {}.",
            azure.user(token)
        );
        return service_error(StatusCode::FORBIDDEN, "AccessCheckException", &message);
    }
    let bad = |message: &str| service_error(StatusCode::BAD_REQUEST, "SessionTokenCreateException", message);
    let kind = request.parameter("tokenType").unwrap_or_default();
    if !["SelfDescribing", "Compact"].contains(&kind.as_str()) {
        return bad("The token type is not valid.");
    }
    let Ok(asked) = serde_json::from_slice::<Value>(&request.body) else {
        return bad("The request body is not JSON.");
    };
    let scope = asked["scope"].as_str().unwrap_or_default();
    let scopes = || scope.split(' ');
    if !scopes().any(|one| one.starts_with("vso.packaging")) {
        return bad("The scope is not valid.");
    }
    let now = SystemTime::now();
    let end = match asked["validTo"].as_str().map(humantime::parse_rfc3339) {
        None => now + azure.longest_session.min(DEFAULT_LIFE),
        // The text has whole seconds, which may have been rounded up.
        Some(Ok(end)) if end <= now + azure.longest_session + Duration::from_secs(1) => end,
        Some(_) => return bad("The requested validity is longer than this organization allows."),
    };
    let life = end.duration_since(now).unwrap_or_default();
    let session = match kind.as_str() {
        "Compact" => unique("compact session token").replace('-', ""),
        _ => jwt::issue(json!({ "jti": unique("session token"), "scp": scope }), life),
    };
    azure.issued.add(&session);
    let writes = scopes().any(|one| one.starts_with("vso.packaging_"));
    azure.add_token(token.derive_session(&session, life, writes));
    let answer = json!({
        "authorizationId": guid("authorization"),
        "displayName": asked["displayName"],
        "scope": scope,
        "validTo": humantime::format_rfc3339_seconds(end).to_string(),
        "token": session,
    });
    reply::json(200, &answer)
}
