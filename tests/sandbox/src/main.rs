//! Runs the sandbox for scripts: prints one line of JSON, ends when stdin closes or on SIGTERM or SIGINT.

use std::{
    convert::Infallible,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Parser;
use feedbuild_sandbox::{Feed, Flavour, Protocol, Registry, Sandbox};
use serde_json::{Map, Value, json};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// An Azure DevOps stand-in on loopback.
#[derive(Parser)]
struct Options {
    /// The organization's name.
    #[arg(long, default_value = "contoso")]
    org: String,
    /// The access token that opens the feeds.
    #[arg(long, default_value = "sandbox-job-token")]
    token: String,
    /// A feed, `feed` or `project/feed`, with the package `private-greeting`; may be repeated.
    #[arg(long = "feed", default_value = "shared")]
    feeds: Vec<String>,
    /// Stand in for Azure DevOps Server.
    #[arg(long)]
    server: bool,
    /// Speak TLS with a private authority.
    #[arg(long)]
    tls: bool,
    /// Milliseconds added to every request.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// The `docker-registry` binary to start a registry of as well.
    #[arg(long)]
    registry: Option<PathBuf>,
    /// The user name that the registry lets in.
    #[arg(long, default_value = "pusher")]
    registry_user: String,
    /// The password that the registry lets in.
    #[arg(long, default_value = "sandbox-registry-password")]
    registry_password: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    // Before anything is printed: whoever reads the line may end the program at once.
    let ends = Ends::watch()?;
    let sandbox = start(&options);
    let registry = options
        .registry
        .as_deref()
        .map(|binary| Registry::start(binary, &options.registry_user, &options.registry_password));
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", describe(&options, &sandbox, registry.as_ref()))?;
    stdout.flush()?;
    ends.wait().await;
    Ok(())
}

fn describe(options: &Options, sandbox: &Sandbox, registry: Option<&Registry>) -> Value {
    let indexes: Map<String, Value> =
        options.feeds.iter().map(|feed| (feed.clone(), sandbox.index_url(feed).into())).collect();
    let feeds: Map<String, Value> =
        options.feeds.iter().map(|feed| (feed.clone(), urls(sandbox, feed))).collect();
    json!({
        "collectionUrl": sandbox.collection_url(),
        "packagingUrl": sandbox.packaging_url(),
        "indexUrls": indexes,
        "feedUrls": feeds,
        "token": sandbox.token(),
        "caPem": sandbox.ca_pem(),
        "registry": registry.map(|registry| json!({
            "host": registry.host(), "user": registry.user(), "password": registry.password(),
        })),
    })
}

/// Where a feed speaks each protocol.
fn urls(sandbox: &Sandbox, feed: &str) -> Value {
    let url = |protocol: Protocol| {
        (format!("{protocol:?}").to_lowercase(), sandbox.feed_url(feed, protocol).into())
    };
    Value::Object(Protocol::ALL.map(url).into_iter().collect())
}

fn start(options: &Options) -> Sandbox {
    let mut builder = Sandbox::builder().org(&options.org).token(options.token.as_str());
    for feed in &options.feeds {
        builder = builder.feed(match feed.split_once('/') {
            None => Feed::org(feed),
            Some((project, name)) => Feed::project(project, name),
        });
    }
    if options.server {
        builder = builder.flavour(Flavour::Server);
    }
    if options.tls {
        builder = builder.tls();
    }
    let sandbox = builder.start();
    sandbox.set_latency(Duration::from_millis(options.latency));
    sandbox
}

/// All that ends the program.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    stdin_closed: oneshot::Receiver<Infallible>,
}

impl Ends {
    fn watch() -> io::Result<Self> {
        let (closed, stdin_closed) = oneshot::channel();
        std::thread::spawn(move || {
            // Whatever is written to stdin means nothing; its end, or an error, means the end.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            drop(closed);
        });
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin_closed,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.stdin_closed => {}
        }
    }
}
