//! Azure Container Registry's token services, the registry that they guard, and a machine's managed identity.

use std::{path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use feedbuild_sandbox::{Acr, AcrBuilder, ManagedIdentity, Role};
use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::client::{Answer, basic, client, say_skipped};

const BINARY: &str = "FEEDBUILD_TEST_REGISTRY_BIN";
const TENANT: &str = "0a1b2c3d-0000-4000-8000-00000000000f";
const IDENTITY: &str = "0a1b2c3d-0000-4000-8000-00000000c11e";
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const MANAGEMENT: &str = "https://management.core.windows.net/";
const REGISTRIES: &str = "https://containerregistry.azure.net";

struct World {
    acr: Acr,
    agent: Agent,
    identity: ManagedIdentity,
}

fn start(rules: impl FnOnce(AcrBuilder) -> AcrBuilder) -> Option<World> {
    let Some(binary) = std::env::var_os(BINARY) else {
        say_skipped(&format!("{BINARY} does not name a `docker-registry` binary"));
        return None;
    };
    let acr = rules(Acr::builder(TENANT)).start(&PathBuf::from(binary));
    let authority = Certificate::from_pem(acr.ca_pem().as_bytes()).unwrap().to_owned();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build();
    let agent =
        Agent::config_builder().http_status_as_error(false).proxy(None).tls_config(tls).build().into();
    Some(World { acr, agent, identity: ManagedIdentity::start(TENANT, IDENTITY) })
}

impl World {
    fn entra_token(&self, resource: &str) -> String {
        let url = format!("http://{}/metadata/identity/oauth2/token", self.identity.authority());
        let request = client().get(url).query("api-version", "2018-02-01").query("resource", resource);
        let answer = Answer::read(request.header("Metadata", "true").call().unwrap()).unwrap();
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn exchange(&self, token: &str, tenant: &str) -> Answer {
        let host = self.acr.host();
        let form =
            [("grant_type", "access_token"), ("service", &host), ("tenant", tenant), ("access_token", token)];
        let url = format!("https://{host}/oauth2/exchange");
        Answer::read(self.agent.post(url).send_form(form).unwrap()).unwrap()
    }

    fn refresh_token(&self) -> String {
        let answer = self.exchange(&self.entra_token(MANAGEMENT), TENANT).json();
        answer["refresh_token"].as_str().unwrap().to_owned()
    }

    /// Where the registry sends whoever comes without a token.
    fn realm(&self) -> String {
        let answer = self.agent.get(format!("https://{}/v2/", self.acr.host())).call().unwrap();
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        challenge.split('"').nth(1).unwrap().to_owned()
    }

    fn token_by_get(&self, user: &str, secret: &str) -> Answer {
        let request = client().get(self.realm()).header("Authorization", basic(user, secret));
        let request = request.query("service", self.acr.host()).query("scope", "repository:app:pull,push");
        Answer::read(request.call().unwrap()).unwrap()
    }

    fn token_by_post(&self, fields: &[(&str, &str)]) -> Answer {
        let host = self.acr.host();
        let fixed = [("service", host.as_str()), ("scope", "repository:app:pull,push")];
        let form = fixed.iter().chain(fields).copied();
        Answer::read(client().post(self.realm()).send_form(form).unwrap()).unwrap()
    }

    /// The status of an upload's begin and of a manifest's read.
    fn statuses(&self, token: &Value) -> (u16, u16) {
        let token = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let url = |path: &str| format!("https://{}/v2/app/{path}", self.acr.host());
        let upload = self.agent.post(url("blobs/uploads/")).header("Authorization", &token);
        let read = self.agent.get(url("manifests/none")).header("Authorization", &token);
        (upload.send_empty().unwrap().status().as_u16(), read.call().unwrap().status().as_u16())
    }
}

#[test]
fn an_entra_token_becomes_one_of_the_registry() {
    let Some(world) = start(|acr| acr.member(IDENTITY, Role::Push)) else { return };
    let refresh = world.refresh_token();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(refresh.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3 * 3600);
    let by_get = world.token_by_get(NOBODY, &refresh).json();
    assert_eq!(world.statuses(&by_get), (202, 404));
    let by_post = world.token_by_post(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).json();
    assert_eq!(world.statuses(&by_post), (202, 404));
    let by_password = [("grant_type", "password"), ("username", NOBODY), ("password", &refresh)];
    assert_eq!(world.token_by_post(&by_password).status, 400);
}

#[test]
fn a_role_and_a_tenant_decide() {
    let Some(world) = start(|acr| acr.member(IDENTITY, Role::Pull)) else { return };
    assert_eq!(world.statuses(&world.token_by_get(NOBODY, &world.refresh_token()).json()), (401, 404));
    let token = world.entra_token(MANAGEMENT);
    assert_eq!(world.exchange(&token, "another").status, 401);
    assert_eq!(world.exchange("no token", TENANT).status, 401);
    assert_eq!(world.exchange(&world.entra_token("https://vault.azure.net"), TENANT).status, 401);
    let Some(empty) = start(|acr| acr) else { return };
    assert_eq!(empty.exchange(&token, TENANT).json()["errors"][0]["code"], "UNAUTHORIZED");
}

#[test]
fn a_policy_refuses_what_was_not_made_for_registries() {
    let Some(world) = start(|acr| acr.member(IDENTITY, Role::Push).registry_tokens_only()) else { return };
    assert_eq!(world.exchange(&world.entra_token(MANAGEMENT), TENANT).status, 401);
    assert_eq!(world.exchange(&world.entra_token(REGISTRIES), TENANT).status, 200);
}

#[test]
fn a_refresh_token_ends() {
    let rules = |acr: AcrBuilder| acr.member(IDENTITY, Role::Push).refresh_life(Duration::ZERO);
    let Some(world) = start(rules) else { return };
    assert_eq!(world.token_by_get(NOBODY, &world.refresh_token()).status, 401);
}

#[test]
fn a_service_principal_has_a_key() {
    let Some(world) = start(|acr| acr.principal(IDENTITY, "its key")) else { return };
    assert_eq!(world.statuses(&world.token_by_get(IDENTITY, "its key").json()), (202, 404));
    let fields = [("grant_type", "password"), ("username", IDENTITY), ("password", "its key")];
    assert_eq!(world.statuses(&world.token_by_post(&fields).json()), (202, 404));
    assert_eq!(world.token_by_get(IDENTITY, "another").status, 401);
}

#[test]
fn a_machine_gives_tokens_to_whom_asks_as_the_sdks_do() {
    let (machine, none) = (ManagedIdentity::start(TENANT, IDENTITY), ManagedIdentity::none());
    let ask = |machine: &ManagedIdentity, path: &str, header: Option<(&str, &str)>| {
        let request = client().get(format!("http://{}/{path}", machine.authority()));
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = Answer::read(request.call().unwrap()).unwrap();
        (answer.status, answer.json()["error_description"].as_str().map(str::to_owned))
    };
    let metadata = "metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://x";
    let header = Some(("Metadata", "true"));
    assert_eq!(ask(&machine, metadata, header), (200, None));
    assert_eq!(ask(&none, metadata, header), (400, Some("Identity not found".to_owned())));
    let refused = Some("Required metadata header not specified".to_owned());
    assert_eq!(ask(&machine, metadata, None), (400, refused.clone()));
    let [(_, url), (_, secret)] = machine.app_service();
    let path = format!("{}?api-version=2019-08-01&resource=https://x", url.rsplit_once("/msi").unwrap().1);
    assert_eq!(ask(&machine, &format!("msi{path}"), Some(("X-IDENTITY-HEADER", &secret))), (200, None));
    assert_eq!(ask(&machine, &format!("msi{path}"), Some(("X-IDENTITY-HEADER", "x"))), (400, refused));
}
