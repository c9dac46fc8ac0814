//! Applications in Entra, for which service connections with workload identity federation stand.

use std::time::Duration;

use crate::token::Token;

/// An application of the sandbox's tenant that trusts the id tokens of one service connection.
#[derive(Clone, Debug)]
pub struct Application {
    client_id: String,
    connection: String,
    token_life: Duration,
    readable: Option<Vec<String>>,
    member: bool,
}

impl Application {
    /// The application `client_id`, for which the service connection with the id `connection` stands. Its access
    /// tokens live an hour and open all feeds.
    pub fn new(client_id: &str, connection: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            connection: connection.to_owned(),
            token_life: Duration::from_secs(3599),
            readable: None,
            member: true,
        }
    }

    /// Its access tokens live this long; feeds refuse them afterwards.
    #[must_use]
    pub fn token_life(mut self, life: Duration) -> Self {
        self.token_life = life;
        self
    }

    /// Its access tokens open these feeds only (`project/feed` or `feed`); others answer 403.
    #[must_use]
    pub fn reader_of(mut self, feeds: &[&str]) -> Self {
        self.readable = Some(feeds.iter().map(|&feed| feed.to_owned()).collect());
        self
    }

    /// Nobody has added it to the organization: it gets access tokens, which every feed refuses with 401.
    #[must_use]
    pub fn stranger(mut self) -> Self {
        self.member = false;
        self
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn connection(&self) -> &str {
        &self.connection
    }

    pub(crate) fn life(&self) -> Duration {
        self.token_life
    }

    /// The access token `value` as the organization sees it, if it knows the application.
    pub(crate) fn token(&self, value: &str) -> Option<Token> {
        let token = Token::entra(value).owned_by(&self.identity()).expires_in(self.token_life);
        let token = match &self.readable {
            None => token,
            Some(feeds) => token.reader_of(&feeds.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        self.member.then_some(token)
    }

    /// What connection data call it.
    fn identity(&self) -> String {
        format!("application {}", self.client_id)
    }
}
