//! The HTTP client that exports over OTLP: trusts whom the variables say, and tells why it failed, which the exporter
//! keeps to itself.

use std::{error::Error as _, fmt, iter, pin::Pin, sync::Arc, thread};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use opentelemetry_http::{HttpClient, HttpError};
use percent_encoding::percent_decode_str;
use reqwest::{Url, blocking::Client};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tracing::warn;

use super::error::ExportError;
use crate::config::{Export, pem};

/// A client for the exporters' own threads: it blocks.
pub struct Http(Client);

/// The client as the variables say.
///
/// # Errors
/// When a file cannot be used.
pub fn client(export: &Export) -> Result<Http, ExportError> {
    let (tls, timeout) = (tls(export)?, export.timeout);
    let make = move || Client::builder().timeout(timeout).tls_backend_preconfigured(tls).build();
    // Not where a runtime is: a blocking client brings its own.
    let client = thread::spawn(make).join().map_err(|_| ExportError::Http("the client cannot be made".to_owned()))?;
    client.map(Http).map_err(|error| ExportError::Http(error.to_string()))
}

fn tls(export: &Export) -> Result<ClientConfig, ExportError> {
    let library = |error: rustls::Error| ExportError::Http(error.to_string());
    let provider = Arc::new(ring::default_provider());
    let builder = || ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = match &export.ca_file {
        Some(path) => {
            let roots = pem::authorities(path).map_err(|why| ExportError::File(path.clone(), why))?;
            builder().map_err(library)?.with_root_certificates(roots)
        }
        // Where the system has no roots, cleartext still works.
        None => match builder().map_err(library)?.with_platform_verifier() {
            Ok(tls) => tls,
            Err(_) => builder().map_err(library)?.with_root_certificates(RootCertStore::empty()),
        },
    };
    let Some((certificate, key)) = &export.identity else { return Ok(tls.with_no_client_auth()) };
    let chain = pem::certificates(certificate).map_err(|why| ExportError::File(certificate.clone(), why))?;
    let private = pem::key(key).map_err(|why| ExportError::File(key.clone(), why))?;
    tls.with_client_auth_cert(chain, private).map_err(library)
}

impl HttpClient for Http {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let request = without_password(request)?;
            let answer = self.0.send_bytes(request).await;
            answer.inspect_err(|error| {
                warn!(target: "opentelemetry_otlp", error = reason(error), "telemetry cannot be exported");
            })
        })
    }
}

/// A user and a password in the address become a header, which no library logs.
fn without_password(mut request: Request<Bytes>) -> Result<Request<Bytes>, HttpError> {
    let (endpoint, authorization) = apart(&request.uri().to_string());
    if let Some(value) = authorization {
        *request.uri_mut() = endpoint.parse()?;
        request.headers_mut().entry(AUTHORIZATION).or_insert(value);
    }
    Ok(request)
}

/// An endpoint without the user and password that it may carry, and a header's value with them.
pub fn apart(endpoint: &str) -> (String, Option<HeaderValue>) {
    let Some(mut url) = Url::parse(endpoint).ok().filter(|url| !url.username().is_empty() || url.password().is_some())
    else {
        return (endpoint.to_owned(), None);
    };
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [decoded(url.username()), decoded(url.password().unwrap_or_default())].join(&b':');
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).ok();
    if let Some(value) = &mut value {
        value.set_sensitive(true);
    }
    // Neither fails where there is a host.
    let _ = (url.set_username(""), url.set_password(None));
    (url.into(), value)
}

/// The whole chain of causes, but for the address, which may hold a password.
fn reason(error: &HttpError) -> String {
    let Some(error) = error.downcast_ref::<reqwest::Error>() else { return error.to_string() };
    let causes = iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
    causes.collect::<Vec<_>>().join(": ")
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}
