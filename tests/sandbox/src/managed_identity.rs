//! A machine's own endpoint for tokens of its managed identity: the instance metadata service of virtual machines, and
//! the one of App Service and Container Apps.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use hyper::{Response, body::Incoming, header::HeaderName};
use serde_json::json;

use crate::{
    entra::access_token,
    fault::Fault,
    front::Front,
    issued::Issued,
    record::Received,
    reply,
    request::Request,
    server::{Body, Connection, Handler, HungUp, Server},
};

/// What App Service gives to its own processes, and asks for.
const HEADER: &str = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";

/// How long the tokens of managed identities live.
const LIFE: Duration = Duration::from_hours(24);

/// A running endpoint on 127.0.0.1, by plain http.
pub struct ManagedIdentity {
    machine: Arc<Machine>,
    server: Server,
}

struct Machine {
    tenant: String,
    client_id: Option<String>,
    issued: Issued,
    front: Front,
}

impl ManagedIdentity {
    /// A machine with the identity `client_id` of this tenant.
    pub fn start(tenant: &str, client_id: &str) -> Self {
        Self::open(tenant, Some(client_id.to_owned()))
    }

    /// A machine that has no identity.
    pub fn none() -> Self {
        Self::open("", None)
    }

    fn open(tenant: &str, client_id: Option<String>) -> Self {
        let (issued, front) = (Issued::default(), Front::default());
        let machine = Arc::new(Machine { tenant: tenant.to_owned(), client_id, issued, front });
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), None, Arc::clone(&machine));
        Self { machine, server }
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// The variables by which the Azure SDKs find the metadata service elsewhere.
    pub fn metadata_service(&self) -> [(&'static str, String); 1] {
        [("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", self.authority()))]
    }

    /// The variables of App Service.
    pub fn app_service(&self) -> [(&'static str, String); 2] {
        let url = format!("http://{}/msi/token", self.authority());
        [("IDENTITY_ENDPOINT", url), ("IDENTITY_HEADER", HEADER.to_owned())]
    }

    /// The tokens that were made so far, in order.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.machine.issued.all()
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.machine.front.faults.add(pattern, fault, 0, count);
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.machine.front.log.all()
    }
}

impl Handler for Machine {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let inner = async |request: hyper::Request<Incoming>, number| {
            self.token(&Request::read(request, number, &self.front.log).await)
        };
        self.front.answer(request, connection, inner).await
    }
}

impl Machine {
    fn token(&self, request: &Request) -> Response<Body> {
        let (name, value, version) = match request.segments.join("/").as_str() {
            "metadata/identity/oauth2/token" => ("metadata", "true", "2018-02-01"),
            "msi/token" => ("x-identity-header", HEADER, "2019-08-01"),
            _ => return reply::html(404, "there is nothing here"),
        };
        if request.header(&HeaderName::from_static(name)) != value {
            return refusal("Required metadata header not specified");
        }
        if request.parameter("api-version").as_deref() != Some(version) {
            return refusal("Required query variable 'api-version' is missing or not supported");
        }
        let Some(resource) = request.parameter("resource").filter(|resource| !resource.is_empty()) else {
            return refusal("Required query variable 'resource' is missing");
        };
        let Some(client_id) = &self.client_id else { return refusal("Identity not found") };
        if request.parameter("client_id").is_some_and(|asked| asked != *client_id) {
            return refusal("Identity not found");
        }
        let token = access_token(&resource, &self.tenant, client_id, LIFE);
        self.issued.add(&token);
        let life = LIFE.as_secs().to_string();
        reply::json(
            200,
            &json!({
                "access_token": token, "client_id": client_id, "expires_in": life, "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }
}

fn refusal(description: &str) -> Response<Body> {
    reply::json(400, &json!({ "error": "invalid_request", "error_description": description }))
}
