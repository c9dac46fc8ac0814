//! Access tokens: how they may be presented, whose they are, what they open, and for how long.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{HeaderMap, header, header::HeaderValue};

use crate::feed::{Feed, is};

/// An access token that the sandbox accepts.
#[derive(Clone, Debug)]
pub struct Token {
    value: String,
    kind: Kind,
    owner: Option<String>,
    readable: Option<Vec<String>>,
    writes: bool,
    exchangeable: bool,
    end: Option<Instant>,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Job,
    Personal,
    Password { user: String },
    Entra,
    Session,
}

impl Token {
    /// A job's access token: good for all feeds, as Basic password with any user name or as Bearer token.
    pub fn new(value: &str) -> Self {
        Self::of(Kind::Job, value)
    }

    /// A personal access token: as [`Token::new`], but refused as a Bearer token.
    pub fn personal(value: &str) -> Self {
        Self::of(Kind::Personal, value)
    }

    /// A password: good with this user name only, and as Basic only.
    pub fn password(user: &str, value: &str) -> Self {
        Self::of(Kind::Password { user: user.to_owned() }, value)
    }

    /// An access token of Entra: as [`Token::new`], and good to make session tokens with.
    pub fn entra(value: &str) -> Self {
        Self::of(Kind::Entra, value).exchangeable()
    }

    /// A session token.
    pub(crate) fn session(value: &str) -> Self {
        Self::of(Kind::Session, value)
    }

    fn of(kind: Kind, value: &str) -> Self {
        Self {
            value: value.to_owned(),
            kind,
            owner: None,
            readable: None,
            writes: true,
            exchangeable: false,
            end: None,
        }
    }

    /// The same token with the right to read only these feeds (`project/feed` or `feed`); others answer 403.
    #[must_use]
    pub fn reader_of(mut self, feeds: &[&str]) -> Self {
        self.readable = Some(feeds.iter().map(|&feed| feed.to_owned()).collect());
        self
    }

    /// The same token without the right to publish.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.writes = false;
        self
    }

    /// The same token, good to make session tokens with.
    #[must_use]
    pub fn exchangeable(mut self) -> Self {
        self.exchangeable = true;
        self
    }

    /// The same token of this identity; else it is `Project Collection Build Service ({org})`.
    #[must_use]
    pub fn owned_by(mut self, identity: &str) -> Self {
        self.owner = Some(identity.to_owned());
        self
    }

    /// The same token, refused like an unknown one once this time from now has passed.
    #[must_use]
    pub fn expires_in(mut self, life: Duration) -> Self {
        self.end = Some(Instant::now() + life);
        self
    }

    /// The token itself.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The identity that it was given.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Whether the token may read `feed`.
    pub(crate) fn reads(&self, feed: &Feed) -> bool {
        self.readable.as_ref().is_none_or(|feeds| feeds.iter().any(|one| is(one, &feed.path())))
    }

    /// Whether the token may publish to feeds.
    pub(crate) fn writes(&self) -> bool {
        self.writes
    }

    /// Whether it is a job's.
    pub(crate) fn is_job(&self) -> bool {
        self.kind == Kind::Job
    }

    /// Whether session tokens are made for it.
    pub(crate) fn makes_sessions(&self) -> bool {
        self.exchangeable
    }

    /// A session token for the same identity and the same feeds.
    pub(crate) fn derive_session(&self, value: &str, life: Duration, writes: bool) -> Self {
        let session = Self::session(value).expires_in(life);
        Self { owner: self.owner.clone(), readable: self.readable.clone(), writes, ..session }
    }

    fn admits(&self, credential: &Credential) -> bool {
        if self.end.is_some_and(|end| end <= Instant::now()) {
            return false;
        }
        match (credential, &self.kind) {
            (Credential::Bearer(_), Kind::Personal | Kind::Password { .. }) => false,
            (Credential::Bearer(token), _) => *token == self.value,
            (Credential::Basic(user, password), Kind::Password { user: own }) => {
                user == own && *password == self.value
            }
            (Credential::Basic(_, password), _) => *password == self.value,
        }
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
    /// A credential that is not registered, expired, or not in this scheme.
    Unknown,
}

enum Credential {
    Bearer(String),
    Basic(String, String),
}

/// Finds the token that a request carries among `tokens`.
pub(crate) fn identify(headers: &HeaderMap, tokens: &[Token]) -> Identity {
    let Some(field) = headers.get(header::AUTHORIZATION) else { return Identity::Anonymous };
    let bearer = || parameter(field, "bearer").map(|token| Credential::Bearer(token.to_owned()));
    let basic = || basic_credential(field).map(|(user, password)| Credential::Basic(user, password));
    let Some(credential) = bearer().or_else(basic) else { return Identity::Unknown };
    let found = tokens.iter().find(|token| token.admits(&credential));
    found.map_or(Identity::Unknown, |token| Identity::Known(token.clone()))
}

/// User name and password of a field value in the Basic scheme.
pub(crate) fn basic_credential(field: &HeaderValue) -> Option<(String, String)> {
    let decoded = BASE64_STANDARD.decode(parameter(field, "basic")?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn parameter<'a>(field: &'a HeaderValue, wanted: &str) -> Option<&'a str> {
    let (scheme, parameter) = field.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(parameter.trim())
}
