//! HTTP origins: one GET for one key, with everything bounded. Whether to ask again is the engine's business.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use hotplate_engine::origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION},
    redirect::Policy,
};
use url::{Host, Url};

use crate::origin::{
    BadOrigin,
    freshness::lifetime,
    guard::{Guard, Refused},
    template::{Template, Values},
};

/// Redirects followed for one key.
const REDIRECTS_MAX: usize = 3;
/// Longest ETag that is kept, in bytes.
const ETAG_BYTES_MAX: usize = 256;
/// What the origin is told about who asks.
const USER_AGENT: &str = concat!("hotplate/", env!("CARGO_PKG_VERSION"));

/// How to reach an HTTP origin.
#[derive(Clone)]
pub struct HttpOriginConfig {
    /// Its name, for messages.
    pub name: String,
    /// URL with `{key}`, `{namespace}` and parameters in path and query.
    pub url_template: String,
    /// Sent with every request; values may be secrets.
    pub headers: BTreeMap<String, String>,
    /// Time one key may take, redirects and the whole body included.
    pub timeout: Duration,
    /// Bytes of an answer's body at most.
    pub bytes_max: usize,
    /// Whether it may be at a private or loopback address. Link-local ones are refused all the same.
    pub allow_private_addresses: bool,
}

impl std::fmt::Debug for HttpOriginConfig {
    /// Without the values of headers, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOriginConfig")
            .field("name", &self.name)
            .field("url_template", &self.url_template)
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .field("bytes_max", &self.bytes_max)
            .field("allow_private_addresses", &self.allow_private_addresses)
            .finish()
    }
}

/// An HTTP origin.
pub struct HttpOrigin {
    name: String,
    template: Template,
    headers: HeaderMap,
    guard: Guard,
    timeout: Duration,
    bytes_max: usize,
    client: Client,
}

impl std::fmt::Debug for HttpOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOrigin").field("name", &self.name).finish_non_exhaustive()
    }
}

impl HttpOrigin {
    /// Makes an origin. Connects to nothing yet.
    ///
    /// # Errors
    /// A template, header or bound that cannot be used.
    pub fn new(config: HttpOriginConfig) -> Result<Self, BadOrigin> {
        let HttpOriginConfig { name, url_template, headers, timeout, bytes_max, allow_private_addresses } = config;
        let template = Template::parse(&url_template)?;
        if timeout.is_zero() || bytes_max == 0 {
            return Err(BadOrigin("timeout and bytes_max are above zero".to_owned()));
        }
        let guard = Guard { allow_private: allow_private_addresses };
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            // A proxy would connect in our place, past the check of addresses.
            .no_proxy()
            .dns_resolver(Arc::new(guard))
            .build()
            .map_err(|error| BadOrigin(format!("the HTTP client cannot be made: {error}")))?;
        Ok(Self { name, template, headers: secret_headers(&headers)?, guard, timeout, bytes_max, client })
    }

    async fn fetch(&self, request: OriginRequest) -> Result<OriginAnswer, OriginError> {
        let OriginRequest { namespace, key, parameters, validator } = request;
        let values = Values { key: &key, namespace: &namespace, parameters: &parameters };
        let url = self.template.fill(&values).map_err(|what| final_error("BAD_PARAMETERS", what))?;
        let mut headers = self.headers.clone();
        let validator = validator.and_then(|validator| HeaderValue::from_str(&validator).ok());
        let conditional = validator.is_some();
        if let Some(validator) = validator {
            headers.insert(IF_NONE_MATCH, validator);
        }
        let response = self.follow(url, &headers).await?;
        match response.status() {
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION | StatusCode::NO_CONTENT => {
                self.found(response).await.map(OriginAnswer::Found)
            }
            StatusCode::NOT_MODIFIED if conditional => {
                Ok(OriginAnswer::NotModified { ttl: lifetime(response.headers()) })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(OriginAnswer::Absent),
            status => Err(self.unusable(status)),
        }
    }

    /// Sends the request, again where a redirect stays on the same scheme, host and port.
    async fn follow(&self, mut url: Url, headers: &HeaderMap) -> Result<Response, OriginError> {
        for _ in 0..=REDIRECTS_MAX {
            self.check_literal(&url)?;
            let request = self.client.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            let next = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = next.and_then(|to| url.join(to).ok());
            url = next.filter(|next| same_place(&url, next)).ok_or_else(|| {
                self.refused("redirects to another scheme, host or port, or to nowhere, which is not followed")
            })?;
        }
        Err(self.refused("redirects too often"))
    }

    /// Addresses written as such are never resolved, so that the resolver does not see them.
    fn check_literal(&self, url: &Url) -> Result<(), OriginError> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => v4.into(),
            Some(Host::Ipv6(v6)) => v6.into(),
            _ => return Ok(()),
        };
        self.guard.check(address).map_err(|Refused| self.refused(NOT_PUBLIC))
    }

    async fn found(&self, mut response: Response) -> Result<Loaded, OriginError> {
        let headers = response.headers();
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = Arc::from(text(&CONTENT_TYPE));
        let encoding = Arc::from(text(&CONTENT_ENCODING));
        let etag = Some(text(&ETAG)).filter(|etag| (1..=ETAG_BYTES_MAX).contains(&etag.len()));
        let (validator, ttl) = (etag.map(Arc::from), lifetime(headers));
        let value = self.body(&mut response).await?;
        Ok(Loaded { value, content_type, encoding, ttl, validator })
    }

    /// Counts what really comes: a length that was announced proves nothing.
    async fn body(&self, response: &mut Response) -> Result<Bytes, OriginError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > self.bytes_max {
                let what = format!("the origin `{}` answered with more than {} bytes", self.name, self.bytes_max);
                return Err(final_error("ORIGIN_TOO_LARGE", what));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn unusable(&self, status: StatusCode) -> OriginError {
        let retryable =
            status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        let message = format!("the origin `{}` answered with status {}", self.name, status.as_u16());
        OriginError { reason: "ORIGIN_STATUS", message, retryable }
    }

    /// A failed connection or transfer. The error's own text is left out: it holds the URL and so the key.
    fn unreachable(&self, error: &reqwest::Error) -> OriginError {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(at) = cause {
            if at.is::<Refused>() {
                return self.refused(NOT_PUBLIC);
            }
            cause = at.source();
        }
        let what = if error.is_connect() { "cannot be connected to" } else { "broke off the transfer" };
        let message = format!("the origin `{}` {what}", self.name);
        OriginError { reason: "ORIGIN_UNREACHABLE", message, retryable: true }
    }

    fn refused(&self, what: &str) -> OriginError {
        final_error("ORIGIN_REFUSED", format!("the origin `{}` {what}", self.name))
    }
}

const NOT_PUBLIC: &str =
    "is at an address that is not public; allow_private_addresses permits private and loopback ones";

impl Origin for HttpOrigin {
    fn load(&self, request: OriginRequest) -> BoxFuture<'_, Result<OriginAnswer, OriginError>> {
        Box::pin(async move {
            tokio::time::timeout(self.timeout, self.fetch(request)).await.unwrap_or_else(|_elapsed| {
                let message = format!("the origin `{}` did not answer within {:?}", self.name, self.timeout);
                Err(OriginError { reason: "ORIGIN_TIMEOUT", message, retryable: true })
            })
        })
    }
}

fn final_error(reason: &'static str, message: String) -> OriginError {
    OriginError { reason, message, retryable: false }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn same_place(a: &Url, b: &Url) -> bool {
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    place(a) == place(b) && b.username().is_empty() && b.password().is_none()
}

fn secret_headers(headers: &BTreeMap<String, String>) -> Result<HeaderMap, BadOrigin> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header.map_err(|_bad| BadOrigin(format!("`{name}` is no name of a header")))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_bad| BadOrigin(format!("the value of header `{name}` holds characters no header may have")))?;
        value.set_sensitive(true);
        map.insert(header, value);
    }
    Ok(map)
}
