//! Service connections to package servers that this project did not write: pypiserver and verdaccio.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use feedbuild_agent::{Endpoint, Outcome};
use feedbuild_sandbox::Wheel;
use feedbuild_suites::{Store, World, succeeded, variable};
use tempfile::TempDir;

const CONNECTION: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const USER: &str = "ci";
const PASSWORD: &str = r#"p@ss:w/o#r%d&"'1"#;
/// The two as a file of `htpasswd`.
const HTPASSWD: &str = "ci:{SHA}p4yHjM0xgtK0cUMsy5c8fMY6DgM=\n";

/// A package server; it ends when it is dropped.
struct Server {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Server {
    /// Starts what `command` makes of the folder and the address that it is to listen at.
    fn start(fill: impl Fn(&Path), command: impl Fn(&Path, u16) -> Command) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        fill(folder.path());
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process =
            command(folder.path(), port).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}/"), _folder: folder };
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(server.process.try_wait().unwrap(), None, "the server ended");
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn pypi() -> Self {
        let fill = |folder: &Path| {
            let wheel = Wheel::new("private-greeting", "1.0.0");
            std::fs::create_dir(folder.join("packages")).unwrap();
            std::fs::write(folder.join("packages").join(wheel.file_name()), wheel.bytes()).unwrap();
        };
        Self::start(fill, |folder, port| {
            let mut command = Command::new(servers("python/bin/pypi-server"));
            command.args(["run", "--disable-fallback", "--interface=127.0.0.1"]);
            command.args(["--authenticate=update,download,list", &format!("--port={port}"), "--passwords"]);
            command.arg(folder.join("htpasswd")).arg(folder.join("packages"));
            command.env("PYTHONPATH", servers("python"));
            command
        })
    }

    fn npm() -> Self {
        let config = "storage: ./storage\n\
            auth:\n  htpasswd: { file: ./htpasswd }\n\
            packages:\n  '**': { access: $authenticated, publish: $authenticated }\n\
            log: { type: stdout, level: warn }\n";
        let fill = |folder: &Path| std::fs::write(folder.join("config.yaml"), config).unwrap();
        Self::start(fill, |folder, port| {
            let mut command = Command::new(servers("node/node_modules/.bin/verdaccio"));
            command.arg("--config").arg(folder.join("config.yaml"));
            command.arg("--listen").arg(format!("127.0.0.1:{port}")).current_dir(folder);
            command
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn servers(path: &str) -> std::path::PathBuf {
    Path::new(&variable("FEEDBUILD_TEST_SERVERS")).join(path)
}

/// A build whose only source is a connection to `url`.
fn build(input: &str, url: &str, dockerfile: &str) -> Outcome {
    let world = World::new(Store::Containerd);
    world.job.add_endpoint(Endpoint {
        id: CONNECTION.to_owned(),
        url: url.to_owned(),
        scheme: "UsernamePassword".to_owned(),
        parameters: [("username", USER), ("password", PASSWORD)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Endpoint::default()
    });
    world.build_step(dockerfile).input(input, CONNECTION).input("noCache", "true").run().unwrap()
}

#[test]
fn pip_and_uv_install_from_pypiserver() {
    let server = Server::pypi();
    let index = format!("{}simple", server.url);
    let dockerfile = format!(
        "FROM feedbuild-test/clients\n\
         ENV PIP_NO_INPUT=1\n\
         RUN if pip install --index-url {index} private-greeting; then exit 1; fi\n\
         RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL pip install --target /a private-greeting\n\
         RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf pip install --target /b private-greeting\n\
         RUN --mount=type=secret,id=UV_DEFAULT_INDEX,env=UV_DEFAULT_INDEX \
             uv pip install --no-cache --target /c private-greeting\n\
         RUN --mount=type=secret,id=uv.toml,target=/etc/uv/uv.toml \
             uv pip install --no-cache --target /d private-greeting\n\
         RUN ls /a/private_greeting* /b/private_greeting* /c/private_greeting* /d/private_greeting*\n"
    );
    succeeded(build("pythonDownloadServiceConnections", &index, &dockerfile));
}

/// yarn 4 would hold back what is younger than a day.
#[test]
fn npm_and_its_kin_publish_to_verdaccio_and_install_from_it() {
    let server = Server::npm();
    let npmrc = "--mount=type=secret,id=npmrc,target=/root/.npmrc";
    let dockerfile = format!(
        "FROM feedbuild-test/clients AS publish\n\
         WORKDIR /package\n\
         RUN echo '{{ \"name\": \"private-greeting\", \"version\": \"1.0.0\" }}' >package.json\n\
         RUN if npm publish --registry {url}; then exit 1; fi\n\
         RUN {npmrc} npm publish\n\
         WORKDIR /app\n\
         RUN echo '{{ \"name\": \"app\", \"dependencies\": {{ \"private-greeting\": \"1.0.0\" }} }}' >package.json; >yarn.lock\n\
         FROM publish AS npm\n\
         RUN if npm install --registry {url}; then exit 1; fi\n\
         RUN {npmrc} npm install\n\
         FROM publish AS pnpm\n\
         RUN {npmrc} pnpm install\n\
         FROM publish AS yarn1\n\
         RUN {npmrc} /opt/yarn1/yarn install\n\
         FROM publish AS yarn4\n\
         ENV YARN_ENABLE_TELEMETRY=0 YARN_NPM_MINIMAL_AGE_GATE=0\n\
         RUN --mount=type=secret,id=yarnrc.yml,target=/root/.yarnrc.yml yarn install\n\
         FROM scratch\n\
         COPY --from=npm /app /npm\n\
         COPY --from=pnpm /app /pnpm\n\
         COPY --from=yarn1 /app /yarn1\n\
         COPY --from=yarn4 /app /yarn4\n",
        url = server.url
    );
    succeeded(build("npmServiceConnections", &server.url, &dockerfile));
}
