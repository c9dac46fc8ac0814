//! Id tokens of jobs: `POST {project}/_apis/distributedtask/hubs/{hub}/plans/{plan}/jobs/{job}/oidctoken`.

use hyper::{Response, StatusCode, header};
use serde_json::json;

use crate::{
    azure::Azure,
    feed::{guid, is},
    issued::unique,
    jwt,
    reply::{self, service_error},
    request::Request,
    server::Body,
    token::Token,
};

/// Whom the id tokens are for.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Answers a job that asks for its id token.
pub(crate) fn answer(azure: &Azure, request: &Request, token: &Token) -> Response<Body> {
    if !token.is_job() {
        let message = "The requested operation is not allowed for this token.";
        return service_error(StatusCode::FORBIDDEN, "AccessCheckException", message);
    }
    if !request.header(&header::CONTENT_TYPE).starts_with("application/json") {
        let message =
            "The request indicated a Content-Type of '' for method type 'POST' which is not supported.";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return service_error(status, "VssRequestContentTypeNotSupportedException", message);
    }
    let subject = match request.parameter("serviceConnectionId") {
        // Without a connection the token is the job's own, which no application trusts.
        None => format!("p://{}/project/pipeline", azure.addresses.org),
        Some(id) if azure.connections.iter().any(|known| is(&id, known)) => {
            format!("sc://{}/project/{}", azure.addresses.org, id.to_lowercase())
        }
        Some(id) => {
            let message = format!(
                "The service connection {id} does not exist, has been disabled or hasn't been authorized for use."
            );
            return service_error(StatusCode::NOT_FOUND, "EndpointNotFoundException", &message);
        }
    };
    let claims = json!({
        "jti": unique("id token"),
        "iss": format!("https://vstoken.dev.azure.com/{}", guid("instance")),
        "aud": AUDIENCE,
        "sub": subject,
    });
    let id_token = jwt::issue(claims, azure.id_token_life);
    azure.issued.add(&id_token);
    reply::json(200, &json!({ "oidcToken": id_token }))
}
