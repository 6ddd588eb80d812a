//! Requests with patience: retries, time-outs, limits.

use std::io::{self, Read as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url, redirect};

use crate::cache::Validators;
use crate::error::{HttpError, TooSlow};
use crate::source::check_address;

const USER_AGENT: &str = concat!("orlop/", env!("CARGO_PKG_VERSION"));

/// How many redirections are followed.
const REDIRECTIONS: usize = 5;

/// A transfer slower than this for the length of one stall is given up.
const BYTES_PER_SECOND: u128 = 10;

/// How long is waited for a server, and how often it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to begin, or to go on.
    pub stall: Duration,
    /// How often a request is made before it fails.
    pub tries: u32,
    /// The pause before the second try; each further one is three times as long.
    pub pause: Duration,
    /// The longest pause a server may ask for.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            tries: 4,
            pause: Duration::from_millis(400),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// A good answer.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// It exists.
    Found(T),
    /// It is as it was when it was asked for with these validators.
    Unchanged,
    /// There is no such thing.
    Absent,
}

/// Why a body could not be taken.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The sender is to blame: another try may help.
    Broken(io::Error),
    /// It is longer than it may be.
    TooBig(u64),
    /// The receiver is to blame.
    Keep(io::Error),
}

/// One try that failed.
struct Failure {
    /// The pause the server asks for.
    pause: Option<Duration>,
    /// Whether another try may help.
    again: bool,
    /// The error, once it is known how many tries there were.
    error: Box<dyn FnOnce(u32) -> HttpError>,
}

/// Makes requests. The client is made when it is needed first: reading the certificates of the
/// machine takes time.
#[derive(Debug)]
pub(crate) struct Http {
    patience: Patience,
    client: Mutex<Option<Client>>,
}

impl Http {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            patience,
            client: Mutex::new(None),
        }
    }

    /// Asks for `address` and gives the body to `take`, again from the start after a failure.
    pub(crate) fn get<T>(
        &self,
        address: &Url,
        validators: &Validators,
        take: &mut dyn FnMut(Body) -> Result<T, BodyError>,
    ) -> Result<Answer<T>, HttpError> {
        let client = self.client().map_err(HttpError::Setup)?;
        let mut pause = self.patience.pause;
        let mut tries = 1;
        loop {
            tracing::debug!(%address, tries, "request");
            let failure = match self.attempt(&client, address, validators, take) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.again || tries >= self.patience.tries {
                return Err((failure.error)(tries));
            }
            let wanted = failure
                .pause
                .unwrap_or(pause)
                .min(self.patience.longest_pause);
            std::thread::sleep(wanted);
            pause = pause.saturating_mul(3);
            tries += 1;
        }
    }

    fn attempt<T>(
        &self,
        client: &Client,
        address: &Url,
        validators: &Validators,
        take: &mut dyn FnMut(Body) -> Result<T, BodyError>,
    ) -> Result<Answer<T>, Failure> {
        let request = client.get(address.clone()).headers(conditions(validators));
        let response = request
            .send()
            .map_err(|error| connection_failure(address, error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
            StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
                return Ok(Answer::Absent);
            }
            status => return Err(status_failure(address, status, response.headers())),
        }
        if text_header(&response, &header::CONTENT_TYPE)
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
        {
            let address = address.to_string();
            return Err(Failure::last(HttpError::WebPage { address }));
        }
        take(Body::new(response, self.patience.stall))
            .map(Answer::Found)
            .map_err(|error| body_failure(address, error))
    }

    fn client(&self) -> Result<Client, reqwest::Error> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // Fails if the program has chosen a provider already, which is as good.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let new = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.patience.connect)
            .timeout(self.patience.stall)
            .redirect(redirect::Policy::custom(redirection))
            .referer(false)
            .build()?;
        *client = Some(new.clone());
        Ok(new)
    }
}

impl Failure {
    fn last(error: HttpError) -> Self {
        Self {
            pause: None,
            again: false,
            error: Box::new(|_| error),
        }
    }
}

/// The body of an answer, read with an eye on its pace.
#[derive(Debug)]
pub(crate) struct Body {
    response: Response,
    pace: Pace,
}

impl Body {
    fn new(response: Response, window: Duration) -> Self {
        Self {
            response,
            pace: Pace {
                window,
                since: Instant::now(),
                bytes: 0,
            },
        }
    }

    /// Returns the number of bytes the server announced.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Returns what to ask with next time.
    pub(crate) fn validators(&self) -> Validators {
        Validators {
            etag: text_header(&self.response, &header::ETAG).map(str::to_owned),
            last_modified: text_header(&self.response, &header::LAST_MODIFIED).map(str::to_owned),
            stamp: None,
        }
    }

    /// Hands the body to `sink` piece by piece.
    pub(crate) fn read(
        mut self,
        limit: u64,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BodyError> {
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            let count = match self.response.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BodyError::Broken(error)),
            };
            total += count as u64;
            if total > limit {
                return Err(BodyError::TooBig(limit));
            }
            self.pace.advance(count as u64).map_err(BodyError::Broken)?;
            sink(&buffer[..count]).map_err(BodyError::Keep)?;
        }
    }
}

/// Notices a sender that is alive but useless.
#[derive(Debug)]
struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes += bytes;
        if self.since.elapsed() < self.window {
            return Ok(());
        }
        if u128::from(self.bytes) * 1000 < BYTES_PER_SECOND * self.window.as_millis() {
            let error = TooSlow {
                bytes: self.bytes,
                window: self.window,
            };
            return Err(io::Error::new(io::ErrorKind::TimedOut, error));
        }
        self.since = Instant::now();
        self.bytes = 0;
        Ok(())
    }
}

fn conditions(validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name, value: &Option<String>| {
        if let Some(value) = value
            .as_deref()
            .and_then(|text| HeaderValue::from_str(text).ok())
        {
            headers.insert(name, value);
        }
    };
    add(header::IF_NONE_MATCH, &validators.etag);
    if validators.etag.is_none() {
        add(header::IF_MODIFIED_SINCE, &validators.last_modified);
    }
    headers
}

/// Follows a redirection that neither leaves encryption nor carries credentials.
fn redirection(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let leaves_encryption = attempt.url().scheme() != "https"
        && attempt
            .previous()
            .last()
            .is_some_and(|last| last.scheme() == "https");
    if attempt.previous().len() > REDIRECTIONS {
        attempt.error("there are too many redirections")
    } else if leaves_encryption {
        attempt.error("it redirects to an address without encryption")
    } else if let Err(reason) = check_address(attempt.url()) {
        attempt.error(format!(
            "it redirects to an address that cannot be used: {reason}"
        ))
    } else {
        attempt.follow()
    }
}

fn connection_failure(address: &Url, error: reqwest::Error) -> Failure {
    let again = !error.is_builder() && !error.is_redirect();
    let address = address.to_string();
    // The address stands in our own message.
    let source = error.without_url();
    Failure {
        pause: None,
        again,
        error: Box::new(move |tries| HttpError::Connection {
            address,
            tries,
            source,
        }),
    }
}

fn status_failure(address: &Url, status: StatusCode, headers: &HeaderMap) -> Failure {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let address = address.to_string();
    let status_code = status.as_u16();
    Failure {
        pause: seconds.map(Duration::from_secs),
        again: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
        error: Box::new(move |tries| HttpError::Status {
            address,
            status: status_code,
            tries,
        }),
    }
}

fn body_failure(address: &Url, error: BodyError) -> Failure {
    let address = address.to_string();
    match error {
        BodyError::Broken(source) => Failure {
            pause: None,
            again: true,
            error: Box::new(move |tries| HttpError::Body {
                address,
                tries,
                source,
            }),
        },
        BodyError::TooBig(limit) => Failure::last(HttpError::TooBig { address, limit }),
        BodyError::Keep(source) => Failure::last(HttpError::Keep { address, source }),
    }
}

fn text_header<'a>(response: &'a Response, name: &header::HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_is_alive_but_useless_is_noticed() {
        let window = Duration::from_millis(200);
        let long_ago = || Instant::now().checked_sub(window).unwrap();
        let pace = |since| Pace {
            window,
            since,
            bytes: 0,
        };
        assert!(
            pace(Instant::now()).advance(1).is_ok(),
            "it is too early to tell"
        );
        assert!(pace(long_ago()).advance(2).is_ok());
        let error = pace(long_ago()).advance(1).unwrap_err();
        assert_eq!(error.to_string(), "only 1 bytes came in 200ms");
    }
}
