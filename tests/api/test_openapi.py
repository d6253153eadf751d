"""The whole REST API against its OpenAPI schema, by schemathesis: for any input, no reply is
a server error, and each is what the schema says.
"""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

RAW = SchemaGenerator().get_schema(request=None, public=True)
schema = schemathesis.openapi.from_dict(RAW)
schema.config.base_url = "http://localhost"
schema.app = get_wsgi_application()


@pytest.fixture
def keyed(live_shop, api, monkeypatch):
    """The key of a shop that has everything; nothing is queued, and the test's own connection
    stays open between requests.
    """
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield api.key
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_reply_is_a_server_error(case, keyed):
    response = case.call(headers={"Authorization": f"Bearer {keyed}"})
    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])
