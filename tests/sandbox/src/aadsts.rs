//! Entra's refusals: codes, statuses and texts as its token endpoint words them.

use std::time::SystemTime;

use hyper::Response;
use serde_json::json;

use crate::{feed::guid, oidc::AUDIENCE, reply, server::Body};

/// What a refusal speaks of.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) tenant: String,
    pub(crate) client: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The parameter that is missing.
    pub(crate) parameter: &'static str,
}

impl Asked {
    /// What a fault on order speaks of, whatever the request.
    pub(crate) fn by_order() -> Self {
        Self {
            tenant: guid("tenant"),
            client: guid("client"),
            issuer: "issuer".to_owned(),
            subject: "subject".to_owned(),
            parameter: "scope",
        }
    }
}

/// The answer with the error `AADSTS{code}`.
pub(crate) fn refusal(code: u32, asked: &Asked) -> Response<Body> {
    let Asked { tenant, client, issuer, subject, parameter } = asked;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (error, text) = match code {
        50_027 => ("invalid_request", "JWT token is invalid or malformed.".to_owned()),
        70_003 => ("unsupported_grant_type", "The app requested an unsupported grant type.".to_owned()),
        70_011 => (
            "invalid_scope",
            "The provided request must include a 'scope' input parameter. The provided value for the input \
             parameter 'scope' is not valid."
                .to_owned(),
        ),
        70_021 => (
            "invalid_request",
            format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: \
                 '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{AUDIENCE}'. \
                 https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"
            ),
        ),
        90_002 => (
            "invalid_request",
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing \
                 into the correct cloud. Check with your subscription administrator, this may happen if there are \
                 no active subscriptions for the tenant."
            ),
        ),
        700_016 => (
            "unauthorized_client",
            format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'. This can \
                 happen if the application has not been installed by the administrator of the tenant or consented \
                 to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        ),
        700_024 => (
            "invalid_client",
            format!(
                "Client assertion is not within its valid time range. Current time: {now}, assertion valid from \
                 2024-01-01T00:00:00Z, expiry time of assertion 2024-01-01T00:10:00Z. Review the documentation at \
                 https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
            ),
        ),
        900_144 => (
            "invalid_request",
            format!("The request body must contain the following parameter: '{parameter}'."),
        ),
        900_561 => ("invalid_request", "The endpoint only accepts POST requests.".to_owned()),
        _ => ("invalid_request", "By order.".to_owned()),
    };
    // OAuth 2.0 (RFC 6749, section 5.2): 401 where the client's own credential is at fault.
    let status = if error == "invalid_client" { 401 } else { 400 };
    let timestamp = now.replace('T', " ");
    let (trace, correlation) = (guid("trace"), guid("correlation"));
    let description = format!(
        "AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
    );
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    reply::json(status, &body)
}
