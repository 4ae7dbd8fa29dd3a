//! Traces by OTLP, when the standard `OTEL_*` variables ask for them, continuing the caller's W3C trace context.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName};
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{SpanKind, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig, tonic_types::transport::ClientTlsConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SdkTracer, SdkTracerProvider, ShouldSample},
};

use super::TelemetryError;

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    endpoint: String,
    service: Option<String>,
    /// Which calls are traced, and of how many one where that says so.
    sampler: (Option<String>, Option<String>),
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
    let sampler = ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"].map(|name| value(name).map(str::to_owned));
    Ok(Some(Wanted { endpoint: endpoint.to_owned(), service, sampler: sampler.into() }))
}

/// Sends spans away. Needs a tokio runtime around it that lives as long.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    sampling: Sampling,
}

impl Traces {
    /// Starts sending.
    ///
    /// # Errors
    /// An endpoint that is no URL, or no runtime.
    pub(super) fn start(wanted: Wanted) -> Result<Self, TelemetryError> {
        let Wanted { endpoint, service, sampler } = wanted;
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
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            // It was decided before the span was made.
            .with_sampler(Sampler::AlwaysOn)
            .build();
        Ok(Self { provider, sampling: Sampling::of(sampler) })
    }

    /// What decides which calls are traced.
    pub(super) fn sampling(&self) -> Sampling {
        self.sampling.clone()
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

/// Decides of each call whether it is traced, before a span of it is made: of calls that are not, nothing is.
#[derive(Clone, Debug)]
pub(super) struct Sampling(Sampler);

impl Sampling {
    /// As the standard variables say it. What they may not say is told by the library, which reads them too, and means all
    /// calls.
    fn of((sampler, argument): (Option<String>, Option<String>)) -> Self {
        let some = || Sampler::TraceIdRatioBased(argument.and_then(|ratio| ratio.parse().ok()).unwrap_or(1.0));
        let with_parent = |root| Sampler::ParentBased(Box::new(root));
        Self(match sampler.as_deref() {
            Some("always_on") => Sampler::AlwaysOn,
            Some("always_off") => Sampler::AlwaysOff,
            Some("traceidratio") => some(),
            Some("parentbased_always_off") => with_parent(Sampler::AlwaysOff),
            Some("parentbased_traceidratio") => with_parent(some()),
            _ => with_parent(Sampler::AlwaysOn),
        })
    }

    /// What the span of a call continues, be it nothing; `None`: the call is not traced. A trace that begins here gets its id
    /// with its first span: of those the share that is traced is as asked for, and who decides by the id of one that was
    /// continued decides the same of it.
    pub(super) fn traced(&self, headers: &HeaderMap) -> Option<Context> {
        let context = if headers.contains_key(&TRACEPARENT) { context_of(headers) } else { Context::new() };
        let parent = context.span().span_context().trace_id();
        let trace = if parent == TraceId::INVALID { RandomIdGenerator::default().new_trace_id() } else { parent };
        let said = self.0.should_sample(Some(&context), trace, "", &SpanKind::Server, &[], &[]);
        (said.decision == SamplingDecision::RecordAndSample).then_some(context)
    }
}

/// The header that names the caller's trace.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The caller's trace, as its headers tell it.
fn context_of(headers: &HeaderMap) -> Context {
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
