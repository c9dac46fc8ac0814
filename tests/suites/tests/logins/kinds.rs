//! Each kind of connection, from the connection to an image that is pushed and pulled again.

use super::*;

const SCHEMES: [&str; 3] = ["ServicePrincipal", "ManagedServiceIdentity", "WorkloadIdentityFederation"];

/// Builds and pushes an image, and builds from it by its digest after it is gone from the engine.
fn pushes_and_pulls(azure: &Azure) {
    let name = unique("kind");
    let outcome = azure.pushed(&azure.step(&name));
    let (host, digest) = (azure.acr.host(), outcome.output("imageDigest").unwrap());
    azure.world.docker(&["image", "rm", "--force", &format!("{host}/{name}:1")]);
    let base = format!("{host}/{name}@{digest}");
    azure.pushed(&build(&azure.world, &base, &unique("kind")).input("containerRegistry", AZURE));
    let pulled = format!(" /v2/{name}/manifests/{digest}");
    let pulls = azure.acr.requests_to(&pulled);
    assert!(pulls.iter().any(|request| request.status == Some(200)), "{pulls:#?}");
}

#[test]
fn every_kind_of_connection_pushes_and_pulls() {
    at_once(STORES.iter().flat_map(|store| SCHEMES.map(|scheme| (*store, scheme))), |(store, scheme)| {
        let azure = Azure::with(store, |acr| acr.member(IDENTITY, Role::Push).principal(IDENTITY, KEY));
        azure.connect(scheme);
        pushes_and_pulls(&azure);
    });
}

#[test]
fn the_old_client_pulls_with_the_login_of_an_identity() {
    let azure = Azure::new(Store::Classic);
    azure.world.use_client(Client::Legacy);
    azure.connect("WorkloadIdentityFederation");
    pushes_and_pulls(&azure);
}

#[test]
fn a_federated_identity_asks_entra_with_a_fresh_id_token() {
    let azure = Azure::new(Store::Containerd);
    azure.connect("WorkloadIdentityFederation");
    azure.pushed(&azure.step(&unique("federated")));
    let issued = azure.world.sandbox.issued_tokens();
    let [id_token, entra] = &issued[..] else { panic!("an id token and an Entra token: {issued:?}") };
    let asked = azure.world.sandbox.requests_to("POST …/oauth2/v2.0/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path(), format!("/{}/oauth2/v2.0/token", azure.world.sandbox.tenant()));
    let form = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(form.contains("scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default"), "{form}");
    assert!(form.contains(&format!("client_assertion={id_token}")), "{form}");
    let through: Vec<String> = azure.proxy.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(through, ["login.microsoftonline.com:443"]);

    let exchanged = azure.acr.requests_to("POST /oauth2/exchange");
    assert_eq!(exchanged.len(), 1);
    let host = azure.acr.host().replace(':', "%3A");
    assert_eq!(
        String::from_utf8_lossy(&exchanged[0].body),
        format!(
            "grant_type=access_token&service={host}&access_token={entra}&tenant={}",
            azure.world.sandbox.tenant()
        )
    );
}

#[test]
fn a_managed_identity_is_asked_for_on_this_machine() {
    at_once([false, true], |in_app_service| {
        let azure = Azure::new(Store::Containerd);
        azure.connect("ManagedServiceIdentity");
        let name = unique("managed");
        let variables = azure.identity.app_service().into_iter().filter(|_| in_app_service);
        let step = variables.fold(azure.step(&name), |step, (name, value)| step.env(name, &value));
        azure.pushed(&step);
        let asked = azure.identity.requests();
        let [asked] = &asked[..] else { panic!("one request: {asked:#?}") };
        assert!(asked.target.contains("resource=https%3A%2F%2Fmanagement.core.windows.net%2F"), "{asked:#?}");
        assert_eq!(azure.proxy.requests().len(), 0, "no proxy stands between");
        assert_eq!(azure.world.sandbox.issued_tokens(), [""; 0]);
    });
}

#[test]
fn a_registry_that_takes_tokens_for_registries_only_gets_one() {
    at_once(["ManagedServiceIdentity", "WorkloadIdentityFederation"], |scheme| {
        let azure =
            Azure::with(Store::Containerd, |acr| acr.member(IDENTITY, Role::Push).registry_tokens_only());
        azure.connect(scheme);
        azure.pushed(&azure.step(&unique("registry-tokens")));
        let statuses: Vec<_> =
            azure.acr.requests_to("/oauth2/exchange").iter().map(|request| request.status).collect();
        assert_eq!(statuses, [Some(401), Some(200)]);
    });
}

#[test]
fn a_login_server_is_known_in_any_case() {
    let azure = Azure::new(Store::Containerd);
    let server = azure.acr.host().to_uppercase();
    azure.connect_with("WorkloadIdentityFederation", &[("loginServer", &server)], &[("registrytype", "acr")]);
    let name = unique("upper-case");
    let outcome = azure.pushed(&azure.step(&name));
    let reference = format!("{}/{name}:1", azure.acr.host());
    assert_eq!(outcome.output("imageReferences"), Some(reference.as_str()));
}

#[test]
fn a_connection_says_which_cloud_it_is_of() {
    let clouds = [
        (
            vec![("environment", "AzureUSGovernment")],
            "login.microsoftonline.us",
            "management.core.usgovcloudapi.net",
        ),
        (
            vec![("environment", "AzureChinaCloud")],
            "login.chinacloudapi.cn",
            "management.core.chinacloudapi.cn",
        ),
        (
            vec![
                ("activeDirectoryAuthority", "https://login.chinacloudapi.cn/"),
                ("activeDirectoryServiceEndpointResourceId", "https://management.core.chinacloudapi.cn/"),
            ],
            "login.chinacloudapi.cn",
            "management.core.chinacloudapi.cn",
        ),
    ];
    at_once(clouds, |(data, login, management)| {
        let azure = Azure::new(Store::Containerd);
        azure.connect_with("WorkloadIdentityFederation", &[], &data);
        azure.pushed(&azure.step(&unique("cloud")));
        let through: Vec<String> = azure.proxy.requests().into_iter().map(|request| request.target).collect();
        assert_eq!(through, [format!("{login}:443")]);
        let asked = azure.world.sandbox.requests_to("POST …/oauth2/v2.0/token");
        let form = String::from_utf8_lossy(&asked[0].body).into_owned();
        assert!(form.contains(&format!("scope=https%3A%2F%2F{management}%2F%2F.default")), "{form}");
    });
}
