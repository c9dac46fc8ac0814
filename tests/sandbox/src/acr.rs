//! A stand-in for Azure Container Registry: a real registry behind the two token services that guard Azure's.
//!
//! `/oauth2/exchange` takes an Entra token that a sandbox made and gives a refresh token; `/oauth2/token` takes that,
//! or the key of a service principal, and gives a token that the registry accepts (Azure/acr, `AAD-OAuth.md`).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper::{Method, Response, body::Incoming, header};
use serde_json::{Value, json};

use crate::{
    entra::REGISTRY_RESOURCES,
    fault::Fault,
    feed::is,
    front::Front,
    issued::{Issued, unique},
    jwt,
    record::Received,
    registry::pass_on,
    registry_process::RegistryProcess,
    registry_token::Signer,
    reply,
    request::Request,
    server::{Body, Connection, Handler, HungUp, Server},
    tls,
    token::basic_credential,
};

/// The user name before a refresh token.
const USER: &str = "00000000-0000-0000-0000-000000000000";

/// What an identity may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Pull and push.
    Push,
    /// Pull.
    Pull,
}

/// What a registry is to be.
#[must_use]
pub struct AcrBuilder {
    tenant: String,
    members: Vec<(String, Role)>,
    principals: Vec<(String, String)>,
    refresh_life: Duration,
    takes_management: bool,
}

/// A running registry with the token services of Azure Container Registry, over TLS on localhost.
///
/// Its challenge leads to a second port by plain http: docker engines and clients ask `/oauth2/token` with the roots of
/// their machine alone, which they read once.
pub struct Acr {
    guard: Arc<Guard>,
    server: Server,
    /// Answers as long as it is held.
    _plain: Server,
    ca_pem: String,
}

struct Guard {
    registry: OnceLock<RegistryProcess>,
    service: OnceLock<String>,
    signer: Signer,
    issued: Issued,
    front: Front,
    rules: AcrBuilder,
}

impl AcrBuilder {
    /// Lets the application or managed identity with this client id in.
    pub fn member(mut self, client_id: &str, role: Role) -> Self {
        self.members.push((client_id.to_owned(), role));
        self
    }

    /// Lets a service principal in by its key.
    pub fn principal(mut self, client_id: &str, key: &str) -> Self {
        self.principals.push((client_id.to_owned(), key.to_owned()));
        self.member(client_id, Role::Push)
    }

    /// Refresh tokens live this long instead of three hours.
    pub fn refresh_life(mut self, life: Duration) -> Self {
        self.refresh_life = life;
        self
    }

    /// Takes Entra tokens only that were made for registries, as without the policy `azureADAuthenticationAsArmPolicy`.
    pub fn registry_tokens_only(mut self) -> Self {
        self.takes_management = false;
        self
    }

    /// Starts `binary`, a `docker-registry`, behind the token services.
    pub fn start(self, binary: &Path) -> Acr {
        let guard = Arc::new(Guard {
            registry: OnceLock::new(),
            service: OnceLock::new(),
            signer: Signer::new(),
            issued: Issued::default(),
            front: Front::default(),
            rules: self,
        });
        let (acceptor, ca_pem) = tls::acceptor(["localhost", "0.0.0.0"].map(str::to_owned).into());
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let server = Server::start(localhost, Some(acceptor), Arc::clone(&guard));
        let plain = Server::start(localhost, None, Arc::clone(&guard));
        let service = login_server(&server);
        let process = RegistryProcess::start(binary, |folder| {
            let bundle = folder.join("tokens.pem");
            fs::write(&bundle, &guard.signer.pem).expect("the temporary folder is writable");
            json!({ "token": {
                "realm": format!("http://{}/oauth2/token", plain.address()), "service": service, "issuer": service,
                "rootcertbundle": bundle,
            } })
        });
        // Nobody knows the address yet, so nobody has asked.
        let _ = guard.service.set(service);
        let _ = guard.registry.set(process);
        Acr { guard, server, _plain: plain, ca_pem }
    }
}

impl Acr {
    /// A registry of this tenant that lets nobody in.
    pub fn builder(tenant: &str) -> AcrBuilder {
        AcrBuilder {
            tenant: tenant.to_owned(),
            members: Vec::new(),
            principals: Vec::new(),
            refresh_life: Duration::from_hours(3),
            takes_management: true,
        }
    }

    /// Host and port: the login server, in lower case.
    pub fn host(&self) -> String {
        login_server(&self.server)
    }

    /// The same under a name for which docker has no exception: it lets registries of this machine pass with any
    /// certificate, and tries them by plain http as well, but takes 0.0.0.0 for another one.
    pub fn strict_host(&self) -> String {
        format!("0.0.0.0:{}", self.server.address().port())
    }

    /// The private certificate authority behind its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The refresh tokens and the registry's tokens that were made so far, in order.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.guard.issued.all()
    }

    /// The folder of the registry's configuration and its data, blobs included.
    pub fn folder(&self) -> &Path {
        self.guard.registry.get().expect("it was started").folder()
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.guard.front.faults.add(pattern, fault, 0, count);
    }

    /// Lets only the `nth` request (from 1) for `pattern` from now on meet `fault`.
    pub fn fault_nth(&self, pattern: &str, nth: usize, fault: Fault) {
        self.guard.front.faults.add(pattern, fault, nth - 1, 1);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.guard.front.faults.clear();
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.guard.front.log.all()
    }

    /// Waits until `count` requests for `pattern` have arrived, and panics after `deadline`.
    pub fn wait_for(&self, pattern: &str, count: usize, deadline: Duration) -> Vec<Received> {
        self.guard.front.log.wait_for(pattern, count, deadline)
    }

    /// The requests so far that match `pattern`.
    pub fn requests_to(&self, pattern: &str) -> Vec<Received> {
        self.guard.front.log.matching(pattern)
    }
}

impl Handler for Guard {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let inner = async |request: hyper::Request<Incoming>, number| {
            let path = request.uri().path();
            if path == "/oauth2/exchange" || path == "/oauth2/token" {
                let is_exchange = path == "/oauth2/exchange";
                let request = Request::read(request, number, &self.front.log).await;
                return if is_exchange { self.exchange(&request) } else { self.token(&request) };
            }
            match self.registry.get() {
                Some(registry) => pass_on(registry.address(), "https", request).await,
                None => reply::html(503, "the registry has not started yet"),
            }
        };
        self.front.answer(request, connection, inner).await
    }
}

impl Guard {
    fn service(&self) -> &str {
        self.service.get().map(String::as_str).unwrap_or_default()
    }

    /// An Entra token for a refresh token.
    fn exchange(&self, request: &Request) -> Response<Body> {
        let form = form(request);
        if request.method != Method::POST || form.get("grant_type") != "access_token" {
            return refusal(400, "UNSUPPORTED", "unsupported grant type");
        }
        if form.get("service") != self.service() {
            return refusal(400, "UNSUPPORTED", "the service is not this registry");
        }
        let claims = jwt::read(form.get("access_token")).filter(|claims| !jwt::is_expired(claims));
        let claim = |name: &str| claims.as_ref().and_then(|claims| claims[name].as_str()).unwrap_or_default();
        let for_registries = REGISTRY_RESOURCES.contains(&claim("aud"));
        let takes = for_registries || (self.rules.takes_management && claim("aud").contains("//management."));
        // Who names no tenant is taken to mean the token's.
        let tenant = Some(form.get("tenant")).filter(|tenant| !tenant.is_empty()).unwrap_or(claim("tid"));
        if !takes || !is(tenant, &self.rules.tenant) || !is(claim("tid"), &self.rules.tenant) {
            return unauthorized();
        }
        // Who has no role gets nothing.
        if self.role(claim("appid")).is_none() {
            return unauthorized();
        }
        let claims = json!({
            "jti": unique("refresh token"), "aud": self.service(), "appid": claim("appid"),
            "grant_type": "refresh_token",
        });
        let refresh_token = jwt::issue(claims, self.rules.refresh_life);
        self.issued.add(&refresh_token);
        reply::json(200, &json!({ "refresh_token": refresh_token }))
    }

    /// A refresh token or the key of a service principal for a token of the registry.
    fn token(&self, request: &Request) -> Response<Body> {
        let form = form(request);
        let role = if request.method == Method::POST {
            match (form.get("grant_type"), form.get("username")) {
                ("refresh_token", _) => self.role_of_refresh_token(form.get("refresh_token")),
                ("password", user) if user != USER => self.role_of_principal(user, form.get("password")),
                // A refresh token is no password here (containerd, `remotes/docker/auth`: "known to return 400").
                _ => return refusal(400, "UNSUPPORTED", "unsupported grant type"),
            }
        } else {
            let field = request.headers.get(header::AUTHORIZATION).and_then(basic_credential);
            field.and_then(|(user, secret)| match user.as_str() {
                USER => self.role_of_refresh_token(&secret),
                user => self.role_of_principal(user, &secret),
            })
        };
        let Some(role) = role else { return unauthorized() };
        let scopes = form_urlencoded::parse(request.query.as_bytes())
            .chain(form_urlencoded::parse(&request.body))
            .filter(|(name, _)| name == "scope");
        let access: Vec<Value> = scopes
            .flat_map(|(_, scopes)| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|scope| allowed(&scope, role))
            .collect();
        let token = self.signer.sign(self.service(), &access);
        self.issued.add(&token);
        reply::json(200, &json!({ "access_token": token }))
    }

    fn role_of_principal(&self, user: &str, key: &str) -> Option<Role> {
        let is_known = |(id, its_key): &(String, String)| id == user && its_key == key;
        self.rules.principals.iter().any(is_known).then_some(Role::Push)
    }

    fn role_of_refresh_token(&self, token: &str) -> Option<Role> {
        let claims = jwt::read(token).filter(|claims| !jwt::is_expired(claims))?;
        if claims["aud"] != self.service() || claims["grant_type"] != "refresh_token" {
            return None;
        }
        self.role(claims["appid"].as_str()?)
    }

    fn role(&self, id: &str) -> Option<Role> {
        self.rules.members.iter().find(|(member, _)| is(member, id)).map(|(_, role)| *role)
    }
}

/// Its host has letters, as those of Azure have.
fn login_server(server: &Server) -> String {
    format!("localhost:{}", server.address().port())
}

/// What of a scope such as `repository:app:pull,push` a role allows.
fn allowed(scope: &str, role: Role) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> =
        actions.split(',').filter(|action| role == Role::Push || *action == "pull").collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

fn form(request: &Request) -> Form {
    Form(form_urlencoded::parse(&request.body).into_owned().collect())
}

fn unauthorized() -> Response<Body> {
    let message = "authentication required, visit https://aka.ms/acr/authorization for more information.";
    refusal(401, "UNAUTHORIZED", message)
}

fn refusal(status: u16, code: &str, message: &str) -> Response<Body> {
    reply::json(status, &json!({ "errors": [{ "code": code, "message": message }] }))
}
