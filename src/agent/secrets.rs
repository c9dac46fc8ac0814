//! Every secret that the agent lays into the environment of a step: secret variables, what service connections hold,
//! tickets of secure files, passwords of proxies.

use secrecy::SecretString;
use url::Url;

use super::env::{Env, mangle};

/// Parameters of a service connection that open nothing: names, addresses and kinds. Whatever is not listed counts as a
/// secret. The agent's own list (`MaskingUtil.cs`) is shorter, so it masks some of these.
const HARMLESS: [&str; 20] = [
    "ACCESSTOKENTYPE",
    "AUDIENCE",
    "AUTHENTICATIONTYPE",
    "AUTHORIZATIONTYPE",
    "AUTHORITY",
    "EMAIL",
    "EXPIRESAT",
    "IDTOKENISSUER",
    "ISSUEDAT",
    "LOGINSERVER",
    "REGISTRY",
    "ROLE",
    "SCOPE",
    "SCHEME",
    "SERVICEPRINCIPALID",
    "SUBJECT",
    "TENANTID",
    "USERNAME",
    "WORKLOADIDENTITYFEDERATIONISSUER",
    "WORKLOADIDENTITYFEDERATIONSUBJECT",
];

/// Variables that may hold the URL of a proxy with its password.
const PROXIES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// What people call each secret, and the secret.
#[must_use]
pub fn job_secrets(env: &Env) -> Vec<(String, SecretString)> {
    let variables: Vec<String> =
        env.get("VSTS_SECRET_VARIABLES").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let spelt =
        |key: &str| variables.iter().find(|name| mangle(name) == key).map_or(key, String::as_str).to_owned();
    let of_variable = |(name, value): (&str, &str)| {
        let what = if let Some(key) = name.strip_prefix("SECRET_") {
            format!("secret variable `{}`", spelt(key))
        } else if let Some(rest) = name.strip_prefix("ENDPOINT_AUTH_PARAMETER_") {
            let (id, key) = rest.split_once('_')?;
            if HARMLESS.contains(&key) {
                return None;
            }
            format!("`{}` of service connection `{id}`", key.to_lowercase())
        } else if let Some(id) = name.strip_prefix("SECUREFILE_TICKET_") {
            format!("the ticket of secure file `{id}`")
        } else if PROXIES.contains(&name) {
            let password = Url::parse(value).ok()?.password()?.to_owned();
            let password = percent_encoding::percent_decode_str(&password).decode_utf8().ok()?.into_owned();
            return Some((format!("the password in variable `{name}`"), password.into()));
        } else {
            return None;
        };
        Some((what, SecretString::from(value)))
    };
    env.iter().filter_map(of_variable).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn secrets_are_told_from_names_and_addresses() {
        let env = Env::from_iter([
            ("VSTS_SECRET_VARIABLES", r#"["Npm.Password"]"#),
            ("SECRET_NPM_PASSWORD", "a"),
            ("SECRET_OTHER", "b"),
            ("ENDPOINT_AUTH_PARAMETER_0f8fad5b-d9cb-469f-a165-70867728950e_PASSWORD", "c"),
            ("ENDPOINT_AUTH_PARAMETER_0f8fad5b-d9cb-469f-a165-70867728950e_USERNAME", "ci"),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "d"),
            ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://dev.azure.com/contoso/"),
            ("SECUREFILE_TICKET_1", "e"),
            ("https_proxy", "http://user:p%40ss@proxy:8080"),
            ("http_proxy", "http://proxy:8080"),
            ("PATH", "/bin"),
        ]);
        let found = job_secrets(&env);
        let shown: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(
            shown,
            [
                ("`password` of service connection `0f8fad5b-d9cb-469f-a165-70867728950e`", "c"),
                ("`accesstoken` of service connection `SYSTEMVSSCONNECTION`", "d"),
                ("secret variable `Npm.Password`", "a"),
                ("secret variable `OTHER`", "b"),
                ("the ticket of secure file `1`", "e"),
                ("the password in variable `https_proxy`", "p@ss"),
            ]
        );
    }
}
