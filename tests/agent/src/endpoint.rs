//! Service connections as the job gets them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::variable::environment_name;

/// Parameters whose values are no secrets for the agent (`MaskingUtil.cs`); all others are masked, `username` included.
const HARMLESS: [&str; 15] = [
    "role",
    "scope",
    "tenantid",
    "issuedat",
    "expiresat",
    "audience",
    "authenticationtype",
    "authorizationtype",
    "accesstokentype",
    "accesstokenfetchingmethod",
    "usewindowssecurity",
    "unsecured",
    "oauthaccesstokenissupplied",
    "completecallbackpayload",
    "acceptuntrustedcerts",
];

/// A service connection. A step is given it only if one of its `connectedService:` inputs names its id.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Endpoint {
    /// A GUID.
    pub id: String,
    /// The URL as the service stores it.
    pub url: String,
    /// Such as `UsernamePassword` or `WorkloadIdentityFederation`.
    pub scheme: String,
    /// What belongs to the scheme, keys in the service's spelling.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// What else the connection's form holds, such as `registrytype`.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

impl Endpoint {
    /// The values that the agent masks.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(|(key, _)| !HARMLESS.contains(&key.to_lowercase().as_str()))
            .map(|(_, value)| value.as_str())
    }

    /// The environment of a step that uses this connection.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let id = self.id.to_lowercase();
        let mut environment = self.authorization(&id);
        environment.push((format!("ENDPOINT_DATA_{id}"), serde_json::json!(self.data).to_string()));
        environment.extend(flattened(&format!("ENDPOINT_DATA_{id}"), &self.data));
        environment
    }

    /// The connection to the collection, with the job access token, that every step is given.
    pub(crate) fn system(url: &str, token: &str) -> Vec<(String, String)> {
        let parameters = BTreeMap::from([("AccessToken".to_owned(), token.to_owned())]);
        let system = Self { url: url.into(), scheme: "OAuth".into(), parameters, ..Self::default() };
        system.authorization("SYSTEMVSSCONNECTION")
    }

    fn authorization(&self, id: &str) -> Vec<(String, String)> {
        let authorization = serde_json::json!({ "parameters": self.parameters, "scheme": self.scheme });
        let mut environment = vec![
            (format!("ENDPOINT_URL_{id}"), self.url.clone()),
            (format!("ENDPOINT_AUTH_{id}"), authorization.to_string()),
            (format!("ENDPOINT_AUTH_SCHEME_{id}"), self.scheme.clone()),
        ];
        environment.extend(flattened(&format!("ENDPOINT_AUTH_PARAMETER_{id}"), &self.parameters));
        environment
    }
}

fn flattened(prefix: &str, pairs: &BTreeMap<String, String>) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (format!("{prefix}_{}", environment_name(key)), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_laid_as_json_and_flattened() {
        let endpoint: Endpoint = serde_json::from_str(
            r#"{"id": "ABCD-01", "url": "https://registry/", "scheme": "UsernamePassword",
                "parameters": {"username": "u", "tenantId": "t"}, "data": {"registrytype": "Others"}}"#,
        )
        .unwrap();
        let expected = [
            ("ENDPOINT_URL_abcd-01", "https://registry/"),
            (
                "ENDPOINT_AUTH_abcd-01",
                r#"{"parameters":{"tenantId":"t","username":"u"},"scheme":"UsernamePassword"}"#,
            ),
            ("ENDPOINT_AUTH_SCHEME_abcd-01", "UsernamePassword"),
            ("ENDPOINT_AUTH_PARAMETER_abcd-01_TENANTID", "t"),
            ("ENDPOINT_AUTH_PARAMETER_abcd-01_USERNAME", "u"),
            ("ENDPOINT_DATA_abcd-01", r#"{"registrytype":"Others"}"#),
            ("ENDPOINT_DATA_abcd-01_REGISTRYTYPE", "Others"),
        ];
        assert_eq!(endpoint.environment(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(endpoint.secrets().collect::<Vec<_>>(), ["u"]);
    }
}
