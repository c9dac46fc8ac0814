//! One HTTP/1.1 server on loopback with a thread and a runtime of its own.
//!
//! Every listener of this crate is one of these, so that a blocking test can use it and dropping it ends it.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

/// A body that is whole, streamed, or broken off on purpose.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// The connection is to end without an answer (or without the rest of it).
#[derive(Debug)]
pub(crate) struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was ended on purpose")
    }
}

impl std::error::Error for HungUp {}

/// What a server does with a request.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> impl Future<Output = Result<Response<Body>, HungUp>> + Send;
}

/// The TCP connection that a request came over.
pub(crate) struct Connection(socket2::Socket);

impl Connection {
    /// Makes the coming close of the connection a reset (RST) instead of an orderly end.
    pub(crate) fn reset_on_close(&self) {
        // Best effort: a peer that is already gone needs no reset.
        let _ = self.0.set_linger(Some(std::time::Duration::ZERO));
    }
}

/// A running server; dropping it closes the listener and all its connections.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a random port of `ip` and answers by `handler`.
    pub(crate) fn start<H: Handler>(ip: IpAddr, tls: Option<TlsAcceptor>, handler: Arc<H>) -> Self {
        Self::serve(ip, move |stream| {
            let (tls, handler) = (tls.clone(), Arc::clone(&handler));
            async move { converse(stream, tls, handler).await }
        })
    }

    /// Listens on a random port of `ip` and gives each connection to `converse`.
    pub(crate) fn serve<F>(ip: IpAddr, converse: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).expect("a loopback port can be bound");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a tokio runtime can be built");
            // Connections are tasks of this runtime and end with it.
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, converse) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread has been printed; a second one here would hide it.
            let _ = thread.join();
        }
    }
}

async fn accept<F>(listener: TcpListener, converse: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes a bound listener");
    loop {
        // A peer that is gone before it was accepted is no reason to stop listening.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream));
        }
    }
}

async fn converse<H: Handler>(stream: TcpStream, tls: Option<TlsAcceptor>, handler: Arc<H>) {
    // A second handle on the same socket: hyper owns the first one until the connection is over.
    let Ok(control) = socket2::SockRef::from(&stream).try_clone() else { return };
    // Small answers must not wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = Arc::new(Connection(control));
    match tls {
        None => speak_http(stream, connection, handler).await,
        Some(acceptor) => {
            // A client that does not trust the certificate leaves here; its own error is what a test looks at.
            if let Ok(stream) = acceptor.accept(stream).await {
                speak_http(stream, connection, handler).await;
            }
        }
    }
}

async fn speak_http<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Arc<Connection>,
    handler: Arc<H>,
) {
    let service = service_fn(|request| {
        let (handler, connection) = (Arc::clone(&handler), Arc::clone(&connection));
        async move { handler.answer(request, &connection).await }
    });
    // Errors here are clients that went away and answers that were broken off on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// A body that is sent as it is.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}
