//! Faults on order: which requests meet one, how often, and what it looks like from outside.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use hyper::{Response, StatusCode, header};
use serde_json::json;

use crate::{
    aadsts::{Asked, refusal},
    pattern,
    reply::{self, SIGN_IN_PAGE},
    server::Body,
};

/// What goes wrong with a request.
///
/// The pattern that a fault is registered for is a part of `"{METHOD} {path and query}"`, compared without
/// regard to case, in which `*` or `…` stands for any text: `"packaging/feeds"`, `"PUT /v2/*/manifests/latest"`.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error status with a JSON message, and what belongs to it: 401 carries a `WWW-Authenticate`.
    Status(u16),
    /// An error status with this message in both kinds of JSON.
    Says(u16, String),
    /// An error status (429 or 503) with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// The sign-in page of Azure DevOps, with status 200 or 203.
    SignIn(u16),
    /// Status 200 with an HTML page, as a captive portal or a misled proxy answers.
    Html,
    /// Status 200 with this text as `application/json`.
    Json(String),
    /// Another status with this text as `application/json`.
    Text(u16, String),
    /// The true answer with its true `Content-Length`, broken off in the middle of the body.
    Truncated,
    /// The connection is closed in order, without an answer.
    Close,
    /// The connection is reset, without an answer.
    Reset,
    /// The connection is reset when the first piece of the request's body has arrived.
    ResetInBody,
    /// The true answer after this time.
    Delay(Duration),
    /// Status 302 to this URL.
    Redirect(String),
    /// Entra's refusal `AADSTS{code}`, such as 700016.
    Entra(u32),
}

impl Fault {
    /// The answer that takes the place of the true one; none for a fault of the connection.
    pub(crate) fn reply(&self) -> Option<Response<Body>> {
        Some(match self {
            Self::Status(status) => error(*status, None),
            Self::Says(status, message) => error(*status, Some(message)),
            Self::RetryAfter(status, seconds) => {
                let mut response = error(*status, None);
                response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
                response
            }
            Self::SignIn(status) => reply::html(*status, SIGN_IN_PAGE),
            Self::Html => {
                reply::html(200, "<!DOCTYPE html><html><body>Welcome to the network.</body></html>")
            }
            Self::Json(text) => reply::text(200, reply::JSON, text.clone()),
            Self::Text(status, text) => reply::text(*status, reply::JSON, text.clone()),
            Self::Redirect(url) => reply::redirect(302, url),
            Self::Entra(code) => refusal(*code, &Asked::by_order()),
            Self::Truncated | Self::Close | Self::Reset | Self::ResetInBody | Self::Delay(_) => return None,
        })
    }
}

/// An error that both kinds of client understand: `message` is Azure DevOps', `errors` the registry protocol's.
fn error(status: u16, message: Option<&str>) -> Response<Body> {
    let code = StatusCode::from_u16(status).expect("a fault has a valid status");
    let by_order = || format!("{} (by order)", code.canonical_reason().unwrap_or("Error"));
    let message = message.map_or_else(by_order, str::to_owned);
    let registry_code = match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    let body = json!({ "message": message, "errors": [{ "code": registry_code, "message": message }] });
    let mut response = reply::json(status, &body);
    if status == 401 {
        let challenge = header::HeaderValue::from_static("Basic realm=\"sandbox\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The faults that wait for their requests.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Order>>);

struct Order {
    pattern: String,
    fault: Fault,
    skip: usize,
    left: usize,
}

impl Faults {
    /// Lets the first `skip` requests for `pattern` pass and then `count` of them meet `fault`.
    pub(crate) fn add(&self, pattern: &str, fault: Fault, skip: usize, count: usize) {
        self.lock().push(Order { pattern: pattern.to_owned(), fault, skip, left: count });
    }

    /// The fault that this request meets. The order registered first wins.
    pub(crate) fn take(&self, method: &str, target: &str) -> Option<Fault> {
        let mut due = None;
        for order in self.lock().iter_mut().filter(|order| pattern::matches(&order.pattern, method, target)) {
            if order.skip > 0 {
                order.skip -= 1;
            } else if order.left > 0 && due.is_none() {
                order.left -= 1;
                due = Some(order.fault.clone());
            }
        }
        due
    }

    /// How many ordered faults no request has met yet.
    pub(crate) fn left(&self) -> usize {
        self.lock().iter().fold(0, |sum, order| sum.saturating_add(order.left))
    }

    /// Forgets all orders.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.0.lock().expect("no thread panics with the faults")
    }
}
