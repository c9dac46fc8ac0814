//! Entra's token endpoint, `POST /{tenant}/oauth2/v2.0/token`, as far as workload identity federation needs it.

use std::time::Duration;

use hyper::{Method, Response, header};
use serde_json::json;

use crate::{
    aadsts::{Asked, refusal},
    azure::Azure,
    feed::is,
    issued::unique,
    jwt,
    oidc::AUDIENCE,
    reply,
    request::Request,
    server::Body,
};

/// Azure DevOps Services, the resource.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// Azure Resource Manager, the resource, in each cloud.
const MANAGEMENT_RESOURCES: [&str; 3] = [
    "https://management.core.windows.net/",
    "https://management.core.usgovcloudapi.net/",
    "https://management.core.chinacloudapi.cn/",
];

/// Azure Container Registry, the resource, in each cloud.
pub(crate) const REGISTRY_RESOURCES: [&str; 3] = [
    "https://containerregistry.azure.net",
    "https://containerregistry.azure.us",
    "https://containerregistry.azure.cn",
];

/// Whether this is the path of a token endpoint.
pub(crate) fn is_token_endpoint(segments: &[String]) -> bool {
    matches!(segments, [_, oauth2, version, token] if oauth2 == "oauth2" && version == "v2.0" && token == "token")
}

/// Answers a request to the token endpoint of the tenant that is the path's first segment.
pub(crate) fn answer(azure: &Azure, request: &Request) -> Response<Body> {
    if request.method != Method::POST {
        return refusal(900_561, &Asked::default());
    }
    let is_form = request.header(&header::CONTENT_TYPE).starts_with("application/x-www-form-urlencoded");
    let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| {
        let field = form.iter().find(|(field, _)| is_form && field == name);
        field.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let assertion = jwt::read(field("client_assertion"));
    let claim = |name: &str| {
        let claims = assertion.as_ref();
        claims.and_then(|claims| claims[name].as_str()).unwrap_or_default().to_owned()
    };
    let asked = Asked {
        tenant: request.segments[0].clone(),
        client: field("client_id").to_owned(),
        issuer: claim("iss"),
        subject: claim("sub"),
        parameter: "",
    };
    let needed = ["grant_type", "client_id", "client_assertion_type", "client_assertion", "scope"];
    if let Some(parameter) = needed.into_iter().find(|name| field(name).is_empty()) {
        return refusal(900_144, &Asked { parameter, ..asked });
    }
    if field("grant_type") != "client_credentials" {
        return refusal(70_003, &asked);
    }
    if !is(&asked.tenant, &azure.tenant) {
        return refusal(90_002, &asked);
    }
    let known = azure.applications.iter().find(|known| is(&asked.client, known.client_id()));
    let Some(application) = known else { return refusal(700_016, &asked) };
    let bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let Some(claims) = assertion.filter(|_| field("client_assertion_type") == bearer) else {
        return refusal(50_027, &asked);
    };
    let trusted = asked.subject.ends_with(&format!("/{}", application.connection().to_lowercase()));
    if !trusted || claim_is_not(&claims, "aud", AUDIENCE) {
        return refusal(70_021, &asked);
    }
    if jwt::is_expired(&claims) {
        return refusal(700_024, &asked);
    }
    let mut resources = [AZURE_DEVOPS].into_iter().chain(MANAGEMENT_RESOURCES).chain(REGISTRY_RESOURCES);
    let Some(resource) = resources.find(|resource| field("scope") == format!("{resource}/.default")) else {
        return refusal(70_011, &asked);
    };
    let access_token = access_token(resource, &asked.tenant, application.client_id(), application.life());
    azure.issued.add(&access_token);
    if let Some(token) = application.token(&access_token).filter(|_| resource == AZURE_DEVOPS) {
        azure.add_token(token);
    }
    let life = application.life().as_secs();
    let answer = json!({
        "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": access_token,
    });
    reply::json(200, &answer)
}

/// An access token for `resource` of the application or identity `client_id`.
pub(crate) fn access_token(resource: &str, tenant: &str, client_id: &str, life: Duration) -> String {
    let claims = json!({ "aud": resource, "tid": tenant, "appid": client_id, "uti": unique("access token") });
    jwt::issue(claims, life)
}

fn claim_is_not(claims: &serde_json::Value, name: &str, value: &str) -> bool {
    claims[name].as_str() != Some(value)
}
