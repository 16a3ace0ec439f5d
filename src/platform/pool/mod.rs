//! What the connections to the platform are made from, and the making: a pool for each key, so that no connection ever
//! serves two. Not the requests over them: that is `transport`.

pub mod credentials;
pub mod keys;
pub mod lanes;
pub mod trust;

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::Version;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Url, redirect};
use rustls::{ClientConfig, client::Resumption, crypto::ring};

use self::{
    lanes::Lanes,
    trust::{Trust, TrustError},
};
use crate::config::{self, Http2, roots};

/// This machine is reached without a proxy whatever the environment says.
const THIS_MACHINE: &str = "localhost, 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104";
/// The largest head of an answer: so many headers, and so many bytes; HTTP/2 counts more for each than it is long.
const MAX_HEADERS: usize = 256;
const MAX_HEAD: usize = 64 << 10;
const HEADER_OVERHEAD: usize = 32;
/// A connection's window is the largest there is, so that those of its streams add up to less: a stream that is not read
/// holds no other up. Half of it is also what h2 bears of small frames, each counted as 256 bytes before it closes the
/// connection; so the streams' windows share what it bears in frames of four bytes.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const SMALLEST_FRAME: u32 = 4;
const COUNTED: u32 = 256;
/// How much of a stream may be unread at least and at most.
const STREAM_WINDOWS: (u32, u32) = (16 << 10, 1 << 20);
/// A connection is not given up for a shorter silence.
const SILENCE: Duration = Duration::from_secs(1);

/// The forward proxies, to know which requests go through one.
#[derive(Clone, Default)]
pub struct Forward(Option<Arc<Matcher>>);

impl Forward {
    /// Whether a request to this address goes through a proxy.
    pub fn is_on_the_way(&self, url: &Url) -> bool {
        let address = || url.as_str().parse().ok();
        self.0.as_ref().is_some_and(|matcher| address().is_some_and(|address| matcher.intercept(&address).is_some()))
    }
}

/// What every pool is made from.
pub struct Pools {
    /// Kept: reading the system's authorities takes milliseconds, and a caller of a new key makes a new pool.
    tls: ArcSwap<ClientConfig>,
    trust: Trust,
    settings: Arc<config::Platform>,
}

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file of certificate authorities cannot be used.
    #[error("platform.ca_file {0}: {1}")]
    CaFile(PathBuf, String),
    /// The TLS library refuses its settings, or the system has no certificate authorities.
    #[error("to the platform: {0}; platform.ca_file may name authorities")]
    Trust(TrustError),
    /// The HTTP client refuses its settings.
    #[error("the platform's HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

impl Pools {
    /// Reads the authorities to trust.
    ///
    /// # Errors
    /// When there are none and TLS is spoken.
    pub fn new(settings: &config::Platform) -> Result<Self, BuildError> {
        // The process's one, where libraries look for it; a second client finds it there already.
        let _ = ring::default_provider().install_default();
        let trust = match &settings.ca_file {
            Some(path) => Trust::File(path.clone()),
            None if speaks_tls(settings) => Trust::System,
            None => Trust::Nobody,
        };
        let settings = Arc::new(settings.clone());
        Ok(Self { tls: ArcSwap::from_pointee(tls(&trust, settings.http2)?), trust, settings })
    }

    /// Reads the authorities again, for pools that are opened from now on.
    ///
    /// # Errors
    /// When they cannot be used; what was read before stays in force.
    pub fn reload(&self) -> Result<(), BuildError> {
        self.tls.store(Arc::new(tls(&self.trust, self.settings.http2)?));
        Ok(())
    }

    /// A new pool; it connects when it is used.
    ///
    /// # Errors
    /// When the HTTP client refuses the settings.
    pub fn open(&self) -> Result<Lanes, BuildError> {
        let mut tls = ClientConfig::clone(&self.tls.load());
        // A session of its own too: nothing that one key's connections leave behind serves another's.
        tls.resumption = Resumption::default();
        let settings = Arc::clone(&self.settings);
        let times = [settings.pool_idle_timeout, SILENCE.min(settings.request_timeout)];
        let (most, speaks) = self.shared();
        Ok(Lanes::new(most, speaks, times, move |idle| client(&settings, tls.clone(), idle))?)
    }

    /// The forward proxies on the way.
    pub fn forward(&self) -> Forward {
        let proxies = &self.settings.proxies;
        let is_there = proxies.https.is_some() || proxies.http.is_some();
        let matcher = || {
            let (https, http) = (proxies.https.clone().unwrap_or_default(), proxies.http.clone().unwrap_or_default());
            Matcher::builder().https(https).http(http).no(without(proxies)).build()
        };
        Forward(is_there.then(|| Arc::new(matcher())))
    }

    /// How many requests share a connection, zero where HTTP/2 is not spoken; and what is spoken, where that is known.
    fn shared(&self) -> (usize, Option<Version>) {
        let streams = usize::try_from(self.settings.http2_streams).unwrap_or(usize::MAX);
        match self.settings.http2 {
            Http2::Off => (0, Some(Version::HTTP_11)),
            // Only TLS offers it.
            Http2::Auto if self.settings.base_url.starts_with("http://") => (0, Some(Version::HTTP_11)),
            Http2::Auto => (streams, None),
            Http2::PriorKnowledge => (streams, Some(Version::HTTP_2)),
        }
    }
}

/// Whether any connection is made over TLS: to either of the platform's hosts, or to a proxy on the way.
fn speaks_tls(settings: &config::Platform) -> bool {
    let roots = roots(&settings.base_url, "");
    let addresses = [Some(&roots.rest), Some(&roots.events), settings.proxies.http.as_ref()];
    addresses.into_iter().flatten().any(|address| !address.starts_with("http://"))
}

fn tls(trust: &Trust, http2: Http2) -> Result<ClientConfig, BuildError> {
    let tls = trust.client().map_err(|error| match error {
        TrustError::File(path, why) => BuildError::CaFile(path, why),
        error => BuildError::Trust(error),
    })?;
    let mut tls = tls.with_no_client_auth();
    tls.alpn_protocols = match http2 {
        Http2::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Http2::PriorKnowledge => vec![b"h2".to_vec()],
        Http2::Off => vec![b"http/1.1".to_vec()],
    };
    Ok(tls)
}

/// A client whose connections may be unused for `idle` at most.
fn client(settings: &config::Platform, tls: ClientConfig, idle: Duration) -> reqwest::Result<Client> {
    let max_head = MAX_HEAD + MAX_HEADERS * HEADER_OVERHEAD;
    let http = Client::builder()
        .user_agent(concat!("xpander-grpc-proxy/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(idle)
        .tcp_nodelay(true)
        .http1_max_headers(MAX_HEADERS)
        // What other clients read too: nothing of such a header is used, and a create's answer would be lost for it.
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_initial_stream_window_size(stream_window(settings.http2_streams))
        .http2_keep_alive_interval(settings.keepalive_interval)
        .http2_keep_alive_timeout(settings.keepalive_timeout)
        .http2_keep_alive_while_idle(true)
        .tls_backend_preconfigured(tls);
    let http = match settings.http2 {
        Http2::Auto => http,
        Http2::PriorKnowledge => http.http2_prior_knowledge(),
        Http2::Off => http.http1_only(),
    };
    through(http, &settings.proxies)?.build()
}

/// How much of each of so many streams on a connection may be unread.
fn stream_window(streams: u32) -> u32 {
    let (least, most) = STREAM_WINDOWS;
    let borne = CONNECTION_WINDOW / 2 / (COUNTED / SMALLEST_FRAME);
    (borne / streams.max(1)).clamp(least, most)
}

/// Through the proxies that the environment names, which the library itself would read differently.
///
/// # Errors
/// When an address is none of a proxy.
pub fn through(http: ClientBuilder, proxies: &config::Proxies) -> reqwest::Result<ClientBuilder> {
    let without = || NoProxy::from_string(&without(proxies));
    let mut http = http.no_proxy();
    if let Some(address) = &proxies.https {
        http = http.proxy(Proxy::https(address)?.no_proxy(without()));
    }
    if let Some(address) = &proxies.http {
        http = http.proxy(Proxy::http(address)?.no_proxy(without()));
    }
    Ok(http)
}

/// Who is reached without a proxy.
fn without(proxies: &config::Proxies) -> String {
    format!("{THIS_MACHINE}, {}", proxies.without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_of_all_streams_add_up_to_less_than_the_connections_and_what_h2_bears() {
        for streams in [1, 4, 100, 128, 1000] {
            let window = u64::from(stream_window(streams));
            let all = window * u64::from(streams);
            assert!(all < u64::from(CONNECTION_WINDOW), "{streams}");
            let counted = all / u64::from(SMALLEST_FRAME) * u64::from(COUNTED - SMALLEST_FRAME);
            assert!(counted < u64::from(CONNECTION_WINDOW / 2), "{streams}");
        }
    }
}
