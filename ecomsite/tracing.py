"""OpenTelemetry, exported to OTEL_EXPORTER_OTLP_ENDPOINT: one span per request with its route,
without path and query.
"""

import os


def begin() -> bool:
    """Set up OpenTelemetry tracing, before Django's handler is created. Returns False, and imports
    nothing, where OTEL_EXPORTER_OTLP_ENDPOINT is not set.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return False
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "vitrine")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(response_hook=_without_persons)
    return True


PERSONAL = (
    "http.target",
    "http.url",
    "url.path",
    "url.query",
    "url.full",
    "net.peer.ip",
    "client.address",
    "net.peer.port",
    "http.user_agent",
    "user_agent.original",
)


def _without_persons(span, request, response) -> None:
    """Remove paths and queries from a span: they contain ids of shoppers."""
    for name in PERSONAL:
        if span.is_recording() and name in (span.attributes or {}):
            span.set_attribute(name, "")
