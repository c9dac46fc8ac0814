//! What a server was asked and what it answered.
//!
//! A request is recorded when its head has arrived, so that requests without an answer are seen too.

use std::{
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use hyper::{HeaderMap, body::Bytes, header::AUTHORIZATION, http::request::Parts};

use crate::pattern;

/// One request as it arrived, and the status it was answered with.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method, in capitals.
    pub method: String,
    /// The request target as sent: path and query, an absolute URL (to a proxy) or an authority (`CONNECT`).
    pub target: String,
    /// All header fields.
    pub headers: HeaderMap,
    /// The body, where the server reads it (a forwarded body is not kept).
    pub body: Bytes,
    /// The status of the answer; none when the connection was ended instead, or is still waiting.
    pub status: Option<u16>,
    /// When the head of the request had arrived.
    pub arrived: Instant,
    /// When the head of the answer was ready.
    pub answered: Option<Instant>,
}

impl Received {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// A header field's value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the request came with an `Authorization` field.
    pub fn has_authorization(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// Whether method and target match `pattern` (see [`Fault`](crate::Fault) for its form).
    pub fn matches(&self, pattern: &str) -> bool {
        pattern::matches(pattern, &self.method, &self.target)
    }
}

/// The requests of one server in order of arrival.
#[derive(Default)]
pub(crate) struct Log {
    received: Mutex<Vec<Received>>,
    grown: Condvar,
}

impl Log {
    /// Records the head of a request and gives it a number.
    pub(crate) fn arrived(&self, head: &Parts) -> usize {
        let mut received = self.lock();
        received.push(Received {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: Bytes::new(),
            status: None,
            arrived: Instant::now(),
            answered: None,
        });
        self.grown.notify_all();
        received.len() - 1
    }

    /// Adds the body of request `number`.
    pub(crate) fn body(&self, number: usize, body: Bytes) {
        self.lock()[number].body = body;
    }

    /// Adds the answer to request `number`.
    pub(crate) fn answered(&self, number: usize, status: u16) {
        let mut received = self.lock();
        received[number].status = Some(status);
        received[number].answered = Some(Instant::now());
    }

    /// All requests so far.
    pub(crate) fn all(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// The requests so far that match `pattern`.
    pub(crate) fn matching(&self, pattern: &str) -> Vec<Received> {
        self.lock().iter().filter(|request| request.matches(pattern)).cloned().collect()
    }

    /// Waits until `count` requests match `pattern`; panics with all requests at the deadline.
    pub(crate) fn wait_for(&self, pattern: &str, count: usize, deadline: Duration) -> Vec<Received> {
        let found = |received: &[Received]| -> Vec<Received> {
            received.iter().filter(|request| request.matches(pattern)).cloned().collect()
        };
        let (received, _) = self
            .grown
            .wait_timeout_while(self.lock(), deadline, |received| found(received).len() < count)
            .expect("no thread panics with the log");
        let (all, found) = (received.clone(), found(&received));
        drop(received);
        assert!(
            found.len() >= count,
            "fewer than {count} requests for `{pattern}` in {deadline:?}, of all these: {all:#?}"
        );
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().expect("no thread panics with the log")
    }
}
