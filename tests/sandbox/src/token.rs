//! Access tokens and what they open.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{HeaderMap, header, header::HeaderValue};

use crate::feed::{Feed, is};

/// An access token that the sandbox accepts.
#[derive(Clone, Debug)]
pub struct Token {
    value: String,
    readable: Option<Vec<String>>,
    bearer: bool,
}

impl Token {
    /// A job's access token: good for all feeds, as Basic password with any user name or as Bearer token.
    pub fn new(value: &str) -> Self {
        Self { value: value.to_owned(), readable: None, bearer: true }
    }

    /// A personal access token: as [`Token::new`], but refused as a Bearer token.
    pub fn personal(value: &str) -> Self {
        Self { bearer: false, ..Self::new(value) }
    }

    /// The same token with the right to read only these feeds (`project/feed` or `feed`); others answer 403.
    #[must_use]
    pub fn reader_of(mut self, feeds: &[&str]) -> Self {
        self.readable = Some(feeds.iter().map(|&feed| feed.to_owned()).collect());
        self
    }

    /// The token itself.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the token may read `feed`.
    pub(crate) fn reads(&self, feed: &Feed) -> bool {
        self.readable.as_ref().is_none_or(|feeds| feeds.iter().any(|one| is(one, &feed.path())))
    }
}

impl From<&str> for Token {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// What a request's `Authorization` field comes to.
pub(crate) enum Identity {
    /// A registered token.
    Known(Token),
    /// No credential at all.
    Anonymous,
    /// A credential that is not registered, or not in this scheme.
    Unknown,
}

/// Finds the token that a request carries among `tokens`.
pub(crate) fn identify(headers: &HeaderMap, tokens: &[Token]) -> Identity {
    let Some(field) = headers.get(header::AUTHORIZATION) else { return Identity::Anonymous };
    let bearer = credential(field, "bearer");
    let secret = bearer.map(str::to_owned).or_else(|| basic_credential(field).map(|(_, password)| password));
    tokens
        .iter()
        .find(|token| secret.as_ref() == Some(&token.value) && (bearer.is_none() || token.bearer))
        .map_or(Identity::Unknown, |token| Identity::Known(token.clone()))
}

/// User name and password of a field value in the Basic scheme.
pub(crate) fn basic_credential(field: &HeaderValue) -> Option<(String, String)> {
    let decoded = BASE64_STANDARD.decode(credential(field, "basic")?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn credential<'a>(field: &'a HeaderValue, wanted: &str) -> Option<&'a str> {
    let (scheme, credential) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(credential.trim())
}
