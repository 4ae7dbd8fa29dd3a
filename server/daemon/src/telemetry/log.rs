//! Where log lines and spans go: one subscriber with a layer for lines and, when asked for, one for traces.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::LookupSpan,
};

use super::{SPAN_TARGET, TelemetryError};
use crate::config::{LogFormat, LogLevel, LogSettings};

/// Where log lines go.
pub(super) struct Output<W> {
    /// What makes the writer.
    pub(super) writer: W,
    /// Whether a person is likely to read it.
    pub(super) terminal: bool,
}

/// Makes the subscriber.
pub(super) fn dispatch<W>(
    settings: &LogSettings,
    output: Output<W>,
    tracer: Option<SdkTracer>,
) -> Result<Dispatch, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = lines(settings, output).with_filter(filter(settings)?);
    let spans = tracer.map(|tracer| {
        let only_calls = Targets::new().with_target(SPAN_TARGET, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(only_calls)
    });
    Ok(Dispatch::new(Registry::default().with(lines).with(spans)))
}

fn lines<S, W>(settings: &LogSettings, output: Output<W>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !output.terminal,
    };
    let layer = fmt::layer().with_writer(output.writer);
    if json {
        return layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed();
    }
    layer.with_ansi(output.terminal).boxed()
}

/// What is logged: our own modules at the level asked for, others only when something is wrong.
fn filter(settings: &LogSettings) -> Result<EnvFilter, TelemetryError> {
    let directives = if settings.filter.is_empty() {
        format!("warn,hotplate={}", level_name(settings.level))
    } else {
        settings.filter.clone()
    };
    // Spans are for traces; in lines they would only repeat what the line says.
    EnvFilter::builder()
        .parse(format!("{directives},{SPAN_TARGET}=off"))
        .map_err(|error| TelemetryError::new(format!("log.filter: {error}")))
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
