//! A forward proxy as it stands between an agent and the service, and the forwarding itself.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, Uri, body::Incoming, client::conn::http1, header, http::uri::Authority,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    fault::Fault,
    front::Front,
    record::Received,
    reply,
    sandbox::Sandbox,
    server::{Body, Connection, Handler, HungUp, Server, whole},
    token::basic_credential,
};

/// A running HTTP proxy that tunnels (`CONNECT`) and forwards, to loopback only.
pub struct Proxy {
    gate: Arc<Gate>,
    server: Server,
}

#[derive(Default)]
struct Gate {
    credential: Option<(String, String)>,
    hosts: Mutex<HashMap<String, SocketAddr>>,
    front: Front,
}

impl Proxy {
    /// Starts on a random port of 127.0.0.1.
    pub fn start() -> Self {
        Self::open(Gate::default())
    }

    /// Starts one that wants this user name and password, else 407.
    pub fn with_credential(user: &str, password: &str) -> Self {
        Self::open(Gate { credential: Some((user.to_owned(), password.to_owned())), ..Gate::default() })
    }

    fn open(gate: Gate) -> Self {
        let gate = Arc::new(gate);
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), None, Arc::clone(&gate));
        Self { gate, server }
    }

    /// Its URL, without credential.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Leads requests for `host`, on any port, to `authority` (a loopback address with a port).
    pub fn lead(&self, host: &str, authority: &str) {
        let address = authority.parse().expect("the destination is an address with a port");
        self.gate.hosts.lock().expect("no thread panics with the hosts").insert(host.to_lowercase(), address);
    }

    /// Leads all host names of the service and of Entra to `sandbox`, which speaks TLS.
    pub fn lead_service(&self, sandbox: &Sandbox) {
        for host in sandbox.service_hosts() {
            self.lead(&host, &sandbox.authority());
        }
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.gate.front.faults.add(pattern, fault, 0, count);
    }

    /// All requests so far: `CONNECT` with an authority, others with an absolute URL.
    pub fn requests(&self) -> Vec<Received> {
        self.gate.front.log.all()
    }
}

impl Handler for Gate {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        self.front.answer(request, connection, async |request, _| self.pass(request).await).await
    }
}

impl Gate {
    async fn pass(&self, mut request: Request<Incoming>) -> Response<Body> {
        let shown = request.headers_mut().remove(header::PROXY_AUTHORIZATION);
        if self.credential.is_some() && shown.as_ref().and_then(basic_credential) != self.credential {
            let mut response = reply::html(407, "proxy authentication required");
            let challenge = header::HeaderValue::from_static("Basic realm=\"proxy\"");
            response.headers_mut().insert(header::PROXY_AUTHENTICATE, challenge);
            return response;
        }
        let Some(authority) = request.uri().authority().cloned() else {
            return reply::html(400, "this is a proxy");
        };
        let Some(address) = self.destination(&authority) else {
            return reply::html(502, format!("unknown host {authority}"));
        };
        let result = if request.method() == Method::CONNECT {
            tunnel(address, request).await
        } else {
            request.headers_mut().remove("proxy-connection");
            let host = authority.as_str().parse().expect("an authority is a valid header value");
            request.headers_mut().insert(header::HOST, host);
            let path = request.uri().path_and_query().cloned();
            *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
            forward(address, request).await
        };
        result.unwrap_or_else(|error| reply::html(502, error.to_string()))
    }

    fn destination(&self, authority: &Authority) -> Option<SocketAddr> {
        let host = authority.host().to_lowercase();
        if let Some(address) = self.hosts.lock().expect("no thread panics with the hosts").get(&host) {
            return Some(*address);
        }
        let ip = if host == "localhost" { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { host.parse().ok()? };
        let port = authority.port_u16().unwrap_or(80);
        ip.is_loopback().then_some(SocketAddr::new(ip, port))
    }
}

/// Answers a `CONNECT` and copies bytes both ways from then on.
async fn tunnel(address: SocketAddr, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let mut destination = TcpStream::connect(address).await?;
    tokio::spawn(async move {
        // Either side may go away at any time; that ends the tunnel and is nobody's error.
        if let Ok(client) = hyper::upgrade::on(request).await {
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut destination).await;
        }
    });
    Ok(Response::new(whole("")))
}

/// Sends a request on to `address` over a connection of its own, and hands the answer back as it comes.
pub(crate) async fn forward(address: SocketAddr, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // The connection works on until the answer's body is through; its errors come out there.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(response.map(|body| body.map_err(io::Error::other).boxed()))
}
