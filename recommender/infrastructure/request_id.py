"""The request id of the current thread's request, for logs and replies."""

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


class WithRequestId(logging.Filter):
    """Logging filter that adds the request id to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
