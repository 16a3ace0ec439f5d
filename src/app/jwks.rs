//! The keys of those who make JWTs, fetched: at the start, now and then, and when a caller's token needs one that is not
//! there. Keys that are there stay until others have come. Not what they verify: that is `grpc`.

use std::{
    error::Error as _,
    iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode, redirect};
use tokio::{select, time::sleep};
use tracing::{error, info};

use crate::{
    config::{self, LARGEST_JWKS, Proxies, Settings},
    grpc::Jwt,
    health::Pending,
    platform::{Trust, TrustError, through},
};

/// How long a connection may take, and all of a fetch.
const TIMES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(10)];
/// How long after a fetch the next one begins at the earliest.
const REST: Duration = Duration::from_secs(10);
/// How long after that it does at the latest: a key that its issuer has withdrawn is good for no longer.
const AGE: Duration = Duration::from_secs(290);

/// Fetches keys.
pub struct Fetcher {
    settings: config::Jwt,
    url: String,
    proxies: Proxies,
    jwt: Arc<Jwt>,
    is_away: Arc<AtomicBool>,
    /// What came last, which need not be put in force again.
    last: Vec<u8>,
}

/// Keys that could not be fetched. Without a word of the answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is nobody to trust.
    #[error("auth.jwt.jwks_ca_file: {0}")]
    Trust(#[from] TrustError),
    /// The token to be shown cannot be read.
    #[error("auth.jwt.jwks_token_file: {0}")]
    Token(String),
    /// They cannot be reached, or take too long.
    #[error("{0}")]
    Http(String),
    /// The answer is none that has keys.
    #[error("the answer is HTTP {0}")]
    Refused(StatusCode),
    /// The answer has no keys.
    #[error("the answer holds no keys: {0}")]
    Keys(String),
}

impl Fetcher {
    /// What fetches the keys; None where nobody wants any, or a file has them.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(settings: &Settings, jwt: Option<&Arc<Jwt>>) -> Result<Option<Self>, FetchError> {
        let (Some(jwt), Some(url)) = (jwt.cloned(), settings.auth.jwt.jwks_url.clone()) else { return Ok(None) };
        let (proxies, settings) = (settings.platform.proxies.clone(), settings.auth.jwt.clone());
        let fetcher = Self { settings, url, proxies, jwt, is_away: Arc::default(), last: Vec::new() };
        fetcher.client()?;
        Ok(Some(fetcher))
    }

    /// Whether the last fetch failed.
    pub fn is_away(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let is_away = Arc::clone(&self.is_away);
        move || is_away.load(Relaxed)
    }

    /// Fetches for ever. `pending` is held until keys were there once.
    pub async fn run(mut self, pending: Pending) {
        let mut pending = Some(pending);
        loop {
            self.jwt.keys.begin();
            let result = self.fetch().await;
            let was_away = self.is_away.swap(result.is_err(), Relaxed);
            match result {
                Ok(()) => {
                    pending.take();
                    if was_away {
                        info!("the keys of auth.jwt can be fetched again");
                    }
                }
                // Once, however long it lasts.
                Err(error) if !was_away => {
                    error!(%error, "the keys of auth.jwt cannot be fetched; those that were there stay");
                }
                Err(_) => {}
            }
            self.jwt.keys.rest();
            sleep(REST).await;
            let next = if self.is_away.load(Relaxed) { Duration::ZERO } else { AGE };
            select! {
                () = self.jwt.keys.wanted() => {}
                () = sleep(next) => {}
            }
        }
    }

    /// Puts what is there now in force.
    async fn fetch(&mut self) -> Result<(), FetchError> {
        let json = self.answer().await?;
        if json != self.last {
            let keys = config::keys(&json).map_err(FetchError::Keys)?;
            info!(keys = keys.len(), "the keys of auth.jwt are in force");
            self.jwt.keys.replace(keys);
            self.last = json;
        }
        Ok(())
    }

    async fn answer(&self) -> Result<Vec<u8>, FetchError> {
        let mut request = self.client()?.get(&self.url);
        if let Some(path) = &self.settings.jwks_token_file {
            request = request.bearer_auth(config::secret_from(path).map_err(FetchError::Token)?.expose());
        }
        let mut answer = request.send().await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Refused(answer.status()));
        }
        let mut json = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            json.extend_from_slice(&chunk);
            if json.len() > LARGEST_JWKS {
                return Err(FetchError::Keys(format!("it has more than {LARGEST_JWKS} bytes")));
            }
        }
        Ok(json)
    }

    /// A client for one fetch, so that the authorities are those that the file has now.
    fn client(&self) -> Result<Client, FetchError> {
        let trust = match &self.settings.jwks_ca_file {
            Some(path) => Trust::File(path.clone()),
            None if self.url.starts_with("https:") => Trust::System,
            None => Trust::Nobody,
        };
        let tls = trust.client()?.with_no_client_auth();
        let [connect, all] = TIMES;
        let http = Client::builder()
            .user_agent(concat!("xpander-grpc-proxy/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(connect)
            .timeout(all)
            .tls_backend_preconfigured(tls);
        Ok(through(http, &self.proxies)?.build()?)
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        let causes = iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
        let causes: Vec<_> = causes.collect();
        Self::Http(match causes.last() {
            _ if error.is_timeout() => "no answer within 10 s".to_owned(),
            Some(cause) => cause.clone(),
            None => error.without_url().to_string(),
        })
    }
}
