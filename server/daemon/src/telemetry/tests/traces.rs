//! Traces: what the environment asks for, and spans that arrive at a real OTLP collector in this process.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value},
    trace::v1::{Span as SentSpan, status::StatusCode},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use super::*;
use crate::telemetry::trace::wanted;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "b7ad6b7169203331";

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn traces_are_sent_only_when_the_environment_asks() {
    let asks = |pairs: &[(&str, &str)]| wanted(&variables(pairs)).unwrap().is_some();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    assert!(!asks(&[]));
    assert!(!asks(&[("OTEL_SERVICE_NAME", "x")]));
    assert!(!asks(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]));
    assert!(asks(&[endpoint]));
    assert!(asks(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4317")]));
    assert!(asks(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]));
    assert!(!asks(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
    assert!(!asks(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    let other = wanted(&variables(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]));
    assert!(other.unwrap_err().to_string().contains("set OTEL_EXPORTER_OTLP_PROTOCOL to `grpc`"));
}

/// Hands on every request it gets.
struct Collector(mpsc::Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).await.unwrap();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text_of<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|pair| pair.key == name)?.value.as_ref()?;
    match found.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Makes one traced call and returns what the collector got of it, with the service's name.
async fn traced(headers: &HeaderMap, record: &CallRecord<'_>) -> (SentSpan, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut received) = mpsc::channel(8);
    let mut collector = JoinSet::new();
    let service = TraceServiceServer::new(Collector(sender));
    collector.spawn(
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)),
    );

    let lines = Lines::default();
    let writer = lines.clone();
    let output = Output { writer: move || writer.clone(), terminal: false };
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "hotplate-test")];
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let log = settings(LogLevel::Debug, LogFormat::Json);
    let (telemetry, dispatch) = Telemetry::build(&log, output, Clock::manual(), environment).unwrap();
    tracing::dispatcher::with_default(&dispatch, || {
        telemetry.call_span(record.rpc, headers).in_scope(|| telemetry.call(record));
    });
    telemetry.flush(Duration::from_secs(5)).await;

    let sent = received.recv().await.unwrap();
    let resource = &sent.resource_spans[0];
    let service = text_of(&resource.resource.as_ref().unwrap().attributes, "service.name").unwrap().to_owned();
    let spans = &resource.scope_spans[0].spans;
    assert_eq!(spans.len(), 1, "{spans:?}");
    (spans[0].clone(), service, lines.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_continues_the_trace_of_its_caller() {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01").parse().unwrap());
    let (span, service, lines) = traced(&headers, &record("Get", Code::Ok)).await;
    assert_eq!(hex::encode(&span.trace_id), TRACE_ID);
    assert_eq!(hex::encode(&span.parent_span_id), PARENT_ID);
    assert_eq!(span.name, "hotplate.v1.CacheService/Get");
    assert_eq!(service, "hotplate-test");
    for (name, value) in [
        ("rpc.system", "grpc"),
        ("rpc.method", "Get"),
        ("hotplate.namespace", "team-a/models"),
        ("hotplate.outcome", "hit"),
        ("hotplate.tier", "memory"),
    ] {
        assert_eq!(text_of(&span.attributes, name), Some(value), "{name}");
    }
    assert_eq!(text_of(&span.attributes, "hotplate.key_hash").unwrap().len(), 16);
    assert!(!format!("{span:?}").contains("jane"));
    assert_eq!(lines.lines().count(), 1, "spans are no lines: {lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_without_trace_starts_one_and_failures_of_the_server_are_marked() {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", "nonsense".parse().unwrap());
    let (span, _, _) = traced(&headers, &record("Put", Code::Internal)).await;
    assert!(span.parent_span_id.is_empty() && span.trace_id.iter().any(|byte| *byte != 0));
    assert_eq!(span.status.unwrap().code, StatusCode::Error as i32);
}

/// Of how many calls with these headers a span is made, where these variables say which are traced.
async fn sampled(sampler: &[(&str, &str)], headers: &HeaderMap) -> usize {
    let environment = [sampler, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")]].concat();
    let environment = environment.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let output = Output { writer: std::io::sink, terminal: false };
    let log = settings(LogLevel::Info, LogFormat::Json);
    let (telemetry, dispatch) = Telemetry::build(&log, output, Clock::manual(), environment).unwrap();
    let made = || (0..CALLS).filter(|_| !telemetry.call_span("Get", headers).is_none()).count();
    tracing::dispatcher::with_default(&dispatch, made)
}

const CALLS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_span_is_made_of_a_call_that_is_not_traced_and_a_traced_parent_is_followed() {
    let parent = |flag: &str| {
        let text = format!("00-{TRACE_ID}-{PARENT_ID}-{flag}").parse().unwrap();
        HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), text)])
    };
    let (none, on, off) = (HeaderMap::new(), parent("01"), parent("00"));
    let sampler = |name| [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
    for (name, alone, with_traced, with_other) in [
        ("always_on", CALLS, CALLS, CALLS),
        ("always_off", 0, 0, 0),
        ("parentbased_always_on", CALLS, CALLS, 0),
        ("parentbased_always_off", 0, CALLS, 0),
        ("nonsense", CALLS, CALLS, 0),
    ] {
        let counts = [sampled(&sampler(name), &none).await, sampled(&sampler(name), &on).await];
        assert_eq!(counts, [alone, with_traced], "{name}");
        assert_eq!(sampled(&sampler(name), &off).await, with_other, "{name}");
    }
    assert_eq!([sampled(&[], &none).await, sampled(&[], &off).await], [CALLS, 0], "as nothing says otherwise");
    for name in ["traceidratio", "parentbased_traceidratio"] {
        let some = sampled(&sampler(name), &none).await;
        assert!((CALLS / 20..CALLS / 5).contains(&some), "{name}: {some}");
    }
    assert_eq!(sampled(&sampler("parentbased_traceidratio"), &on).await, CALLS);
    // Everybody who sees a trace decides the same of it.
    assert!([0, CALLS].contains(&sampled(&sampler("traceidratio"), &on).await));
}

#[test]
fn without_traces_no_span_is_made() {
    let telemetry = Telemetry::detached(Clock::manual());
    assert!(telemetry.call_span("Get", &HeaderMap::new()).is_none());
}

#[tokio::test]
async fn endpoints_may_be_secure_and_must_be_addresses() {
    let start = |endpoint: &str| {
        let wanted = wanted(&variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)])).unwrap().unwrap();
        Traces::start(wanted).map(drop)
    };
    assert_eq!(start("https://collector.example.com:4317"), Ok(()));
    assert!(start("not an address").is_err());
}

#[test]
fn traces_need_a_runtime_and_say_so() {
    let wanted = wanted(&variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")])).unwrap().unwrap();
    assert!(Traces::start(wanted).is_err());
}
