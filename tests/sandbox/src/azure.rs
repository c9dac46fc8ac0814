//! The stand-in's state, and the way of a request through it: base, credential, route.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use hyper::{
    Method, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use crate::{
    address::Addresses,
    application::Application,
    entra,
    feed::{Feed, guid, is},
    front::Front,
    git,
    issued::Issued,
    packaging,
    reply::{self, SIGN_IN_PAGE},
    request::Request,
    rest,
    server::{Body, Connection, Handler, HungUp},
    token::{Identity, Token, identify},
    upload::Uploads,
};

/// All that the sandbox knows.
pub(crate) struct Azure {
    pub(crate) addresses: Addresses,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) projects: Vec<String>,
    pub(crate) tokens: Mutex<Vec<Token>>,
    /// The `locationUrl` of all resource areas, where it is not the sandbox's own.
    pub(crate) location: Option<String>,
    pub(crate) tenant: String,
    /// The only method whose refusals name the tenant; without, all do.
    pub(crate) tenant_method: Option<Method>,
    /// What refusals call the authorization service, where it is not the sandbox's own.
    pub(crate) authorization: Option<String>,
    /// The service connections that the job may use.
    pub(crate) connections: Vec<String>,
    pub(crate) applications: Vec<Application>,
    pub(crate) id_token_life: Duration,
    pub(crate) longest_session: Duration,
    pub(crate) issued: Issued,
    pub(crate) uploads: Uploads,
    pub(crate) front: Front,
}

impl Handler for Azure {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let inner = async |request: hyper::Request<Incoming>, number| {
            self.route(Request::read(request, number, &self.front.log).await)
        };
        self.front.answer(request, connection, inner).await
    }
}

impl Azure {
    fn route(&self, request: Request) -> Response<Body> {
        let mut response = self.locate(request);
        // These mark any answer of Azure DevOps; clients tell it from other servers by them.
        for name in ["x-tfs-processid", "x-vss-e2eid"] {
            response.headers_mut().insert(name, value(&guid(name)));
        }
        response
    }

    fn locate(&self, mut request: Request) -> Response<Body> {
        if request.segments == ["_signin"] {
            return reply::html(203, SIGN_IN_PAGE);
        }
        // On loopback Entra has no host of its own; its path cannot be one of an organization.
        if entra::is_token_endpoint(&request.segments) {
            return entra::answer(self, &request);
        }
        let bases = self.addresses.bases(&request.authority);
        let Some(base) = bases.iter().find(|base| request.go_below(&base.path)) else {
            return nothing_here();
        };
        // A project may stand before either; a project cannot be called like them.
        let root = |name: &str| request.segments.iter().take(2).position(|segment| is(segment, name));
        match (root("_apis"), root("_packaging"), root("_git")) {
            (Some(at), ..) => rest::answer(self, &request, base, at),
            (None, Some(at), _) if base.packages => packaging::answer(self, &request, at),
            (None, None, Some(at)) => git::answer(self, &request, at),
            _ => nothing_here(),
        }
    }

    /// The tokens that are accepted.
    pub(crate) fn tokens(&self) -> MutexGuard<'_, Vec<Token>> {
        self.tokens.lock().expect("no thread panics with the tokens")
    }

    /// Accepts one more token.
    pub(crate) fn add_token(&self, token: Token) {
        self.tokens().push(token);
    }

    /// The token of a request.
    pub(crate) fn identify(&self, request: &Request) -> Identity {
        identify(&request.headers, &self.tokens())
    }

    /// The display name of a token's identity.
    pub(crate) fn user(&self, token: &Token) -> String {
        let build_service = || format!("Project Collection Build Service ({})", self.addresses.org);
        token.owner().map_or_else(build_service, str::to_owned)
    }

    /// 401 with all that the service sends along.
    pub(crate) fn unauthorized(&self, request: &Request) -> Response<Body> {
        let message = "TF400813: The user '' is not authorized to access this resource.";
        let mut response =
            reply::service_error(StatusCode::UNAUTHORIZED, "UnauthorizedRequestException", message);
        let realm = format!("Basic realm=\"{}\"", self.addresses.packaging("sandbox"));
        for challenge in ["Bearer", realm.as_str(), "TFS-Federated"] {
            response.headers_mut().append(header::WWW_AUTHENTICATE, value(challenge));
        }
        self.say_where_to_sign_in(request, response)
    }

    /// Adds to a refusal which tenant and which service give tokens that would do.
    pub(crate) fn say_where_to_sign_in(
        &self,
        request: &Request,
        mut response: Response<Body>,
    ) -> Response<Body> {
        if self.tenant_method.as_ref().is_none_or(|method| *method == request.method) {
            response.headers_mut().insert("x-vss-resourcetenant", value(&self.tenant));
        }
        let own = || self.addresses.authorization(&request.authority);
        if let Some(service) = self.authorization.clone().or_else(own) {
            response.headers_mut().insert("x-vss-authorizationendpoint", value(&service));
        }
        response
    }
}

fn value(text: &str) -> HeaderValue {
    text.parse().expect("the sandbox is told no line breaks")
}

/// 404 outside all routes.
pub(crate) fn nothing_here() -> Response<Body> {
    reply::service_error(StatusCode::NOT_FOUND, "NotFoundException", "There is nothing at this address.")
}
