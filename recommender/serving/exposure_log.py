"""Exposure log: rows are buffered in memory and written in batches, so that no request waits.

Above MOST_A_SECOND lists per process and second, exposures are sampled; a row holds the number of
lists that it stands for, so that sums stay unbiased.
"""

import atexit
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from django.conf import settings
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)

from recommender.infrastructure import process_caches, telemetry

if TYPE_CHECKING:
    from prometheus_client import Gauge

log = logging.getLogger(__name__)

WRITE_EVERY = 0.25
MOST_A_SECOND = 200
MOST_WAITING = 20_000
INSERT = """
    INSERT INTO recommender_servedlist (shop_id, recommendation_id, placement, version_id,
        shopper_id, session_id, first_position, items, fallback,
        experiment, weight, simulated, created_at)
    SELECT r.shop, r.recommendation_id, r.placement, v.id, s.id, r.session_id, r.first_position,
        r.items, r.fallback, r.experiment, r.weight, r.simulated,
        r.created_at
    FROM jsonb_to_recordset(%s::jsonb) AS r (shop bigint, recommendation_id text, placement text,
        version bigint, shopper bigint, session_id text,
        first_position smallint, items jsonb, fallback text, experiment text, weight float8,
        simulated boolean, created_at timestamptz)
    JOIN recommender_shop h ON h.id = r.shop
    LEFT JOIN recommender_modelversion v ON v.id = r.version
    LEFT JOIN recommender_shopper s ON s.id = r.shopper
    WHERE r.shopper IS NULL OR s.id IS NOT NULL
    ORDER BY r.created_at"""


@dataclass(frozen=True)
class Exposure:
    """A row of the exposure log before it is written; dropped where its shopper was erased
    meanwhile.
    """

    shop: int
    recommendation_id: str
    placement: str
    version: int | None
    shopper: int | None
    session_id: str | None
    first_position: int
    items: str
    """JSON of the items."""
    fallback: str
    simulated: bool
    created_at: datetime
    experiment: str = ""
    """Key and arm of an A/B test."""

    def fields(self) -> dict[str, Any]:
        return vars(self) | {"items": orjson.Fragment(self.items)}


class Row(Protocol):
    """A row before it is written."""

    def fields(self) -> dict[str, Any]:
        """Its columns, without the sampling weight."""


class RowBuffer:
    """Buffer of rows in memory, which a thread writes to the database.

    Rows stay while the database is unreachable. A full buffer drops the oldest.

    insert: SQL with one parameter, the rows as JSON with their `weight`
    what: the name of the rows in logs; gauge: of how many wait
    """

    def __init__(self, insert: str, what: str, gauge: "Gauge | None" = None) -> None:
        self.insert, self.what, self.gauge = insert, what, gauge
        self.waiting: deque[tuple[Row, float]] = deque(maxlen=MOST_WAITING)
        self.writing = threading.Lock()
        self.begun = threading.Lock()
        self.second, self.count, self.share = 0, 0, 1.0

    def put(self, make: Callable[[], Row]) -> None:
        """Buffer the row that `make` returns, unless sampling leaves it out."""
        share = self._share(int(time.monotonic()))
        if share >= 1.0 or random.random() < share:
            self.waiting.append((make(), 1.0 / share))
        if settings.VITRINE_WRITES_BEHIND and self.begun.acquire(blocking=False):
            threading.Thread(target=self._keep_writing, name=self.what, daemon=True).start()
            atexit.register(self.flush)

    def _share(self, second: int) -> float:
        """The share that is stored in this second, from the previous second's count."""
        if second != self.second:
            self.share = (
                min(1.0, MOST_A_SECOND / self.count)
                if self.count and second == self.second + 1
                else 1.0
            )
            self.second, self.count = second, 0
        self.count += 1
        return self.share

    def flush(self) -> None:
        """Write the buffered rows to the database."""
        with self.writing:
            rows = [self.waiting.popleft() for _ in range(len(self.waiting))]
            if not rows:
                return
            try:
                with connection.cursor() as cursor:
                    fields = [row.fields() | {"weight": weight} for row, weight in rows]
                    cursor.execute(self.insert, [orjson.dumps(fields).decode()])
            except (OperationalError, InterfaceError, IntegrityError) as error:
                log.warning("%d %s wait for the database: %s", len(rows), self.what, error)
                self.waiting.extendleft(reversed(rows))
            except DatabaseError:
                log.exception("%d %s could not be stored", len(rows), self.what)

    def _keep_writing(self) -> None:
        while True:
            time.sleep(WRITE_EVERY)
            if self.waiting:
                close_old_connections()
                self.flush()
            if self.gauge is not None:
                self.gauge.set(len(self.waiting))


exposure_buffer = RowBuffer(INSERT, "served lists", telemetry.served_waiting)
process_caches.register(exposure_buffer.waiting.clear)
