//! Traces by OTLP, when the standard `OTEL_*` variables ask for them, continuing the caller's W3C trace context.

use std::{collections::BTreeMap, time::Duration};

use http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig, tonic_types::transport::ClientTlsConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};

use super::TelemetryError;

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    endpoint: String,
    service: Option<String>,
}

/// Reads the standard variables; `None`: no traces.
///
/// # Errors
/// A protocol that is not built in.
pub(super) fn wanted(variables: &BTreeMap<String, String>) -> Result<Option<Wanted>, TelemetryError> {
    let value = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let disabled = value("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| value("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let exporter = value("OTEL_TRACES_EXPORTER").unwrap_or("otlp");
    let Some(endpoint) = endpoint.filter(|_| !disabled && exporter == "otlp") else { return Ok(None) };
    let protocol = value("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| value("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if let Some(other) = protocol.filter(|protocol| *protocol != "grpc") {
        return Err(TelemetryError::new(format!(
            "traces are sent by gRPC only: set OTEL_EXPORTER_OTLP_PROTOCOL to `grpc`, it is `{other}`"
        )));
    }
    let attributes = value("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named_by_attribute = attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="));
    let own = (!named_by_attribute).then_some("hotplate");
    let service = value("OTEL_SERVICE_NAME").or(own).map(str::to_owned);
    Ok(Some(Wanted { endpoint: endpoint.to_owned(), service }))
}

/// Sends spans away. Needs a tokio runtime around it that lives as long.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts sending.
    ///
    /// # Errors
    /// An endpoint that is no URL, or no runtime.
    pub(super) fn start(wanted: Wanted) -> Result<Self, TelemetryError> {
        let Wanted { endpoint, service } = wanted;
        tokio::runtime::Handle::try_current()
            .map_err(|error| TelemetryError::new(format!("traces to {endpoint}: {error}")))?;
        let builder = SpanExporter::builder().with_tonic().with_endpoint(&endpoint);
        let builder = if endpoint.starts_with("https://") {
            builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
        } else {
            builder
        };
        let exporter =
            builder.build().map_err(|error| TelemetryError::new(format!("traces to {endpoint}: {error}")))?;
        let resource = Resource::builder();
        let resource = match service {
            Some(name) => resource.with_service_name(name),
            None => resource,
        };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        Ok(Self { provider })
    }

    /// What makes spans.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("hotplate")
    }

    /// Sends what is waiting and stops. Blocks, so it runs on a thread of its own.
    pub(super) async fn stop(self, patience: Duration) {
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(patience)).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "some traces were not sent");
        }
    }
}

/// The caller's trace, as its headers tell it.
pub(super) fn context_of(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
