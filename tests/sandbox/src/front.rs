//! What every recording server does before its own answer: record, wait, and let faults happen.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Bytes, body::Frame, body::Incoming, header};

use crate::{
    fault::{Fault, Faults},
    record::Log,
    server::{Body, Connection, HungUp},
};

/// The record, the ordered faults and the latency of one server.
#[derive(Default)]
pub(crate) struct Front {
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    latency_micros: AtomicU64,
}

impl Front {
    /// Adds `latency` to every request from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        let micros = latency.as_micros().try_into().expect("a latency is less than a geological age");
        self.latency_micros.store(micros, Ordering::Relaxed);
    }

    /// Answers by `inner`, which gets the request's number in the record, unless a fault is due.
    pub(crate) async fn answer<F>(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
        inner: impl FnOnce(Request<Incoming>, usize) -> F + Send,
    ) -> Result<Response<Body>, HungUp>
    where
        F: Future<Output = Response<Body>> + Send,
    {
        let (head, body) = request.into_parts();
        let number = self.log.arrived(&head);
        let fault = self.faults.take(head.method.as_str(), &head.uri.to_string());
        tokio::time::sleep(Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))).await;
        let response = match fault {
            Some(Fault::Close) => return Err(HungUp),
            Some(Fault::Reset) => {
                connection.reset_on_close();
                return Err(HungUp);
            }
            Some(Fault::ResetInBody) => {
                // Whether it is a piece or the end does not matter.
                let _ = std::pin::pin!(body).frame().await;
                connection.reset_on_close();
                return Err(HungUp);
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                inner(Request::from_parts(head, body), number).await
            }
            Some(Fault::Truncated) => truncate(inner(Request::from_parts(head, body), number).await).await?,
            Some(fault) => {
                // An answer before the body's end would end the connection, which is another fault.
                let _ = body.collect().await;
                fault.reply().expect("all other faults are answers")
            }
            None => inner(Request::from_parts(head, body), number).await,
        };
        self.log.answered(number, response.status().as_u16());
        Ok(response)
    }
}

/// The same head with half of its body, after which the connection breaks.
async fn truncate(response: Response<Body>) -> Result<Response<Body>, HungUp> {
    let (mut head, body) = response.into_parts();
    let whole = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    head.headers.insert(header::CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    Ok(Response::from_parts(head, BrokenOff::Start(half).boxed()))
}

/// A body that ends with an error, but not before hyper has sent what came first.
enum BrokenOff {
    Start(Bytes),
    Flush,
    Break,
}

impl hyper::body::Body for BrokenOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match std::mem::replace(&mut *self, Self::Break) {
            Self::Start(half) => {
                *self = Self::Flush;
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            Self::Flush => {
                // An error would discard the write buffer; waiting for a body flushes it.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Break => Poll::Ready(Some(Err(io::Error::other(HungUp)))),
        }
    }
}
