/** Spans and counters of OpenTelemetry. */
package hotplate.opentelemetry;
