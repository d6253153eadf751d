"""API key cache: entries expire after two seconds, but not while the database is down."""

import threading
import time
from collections import OrderedDict

from recommender.infrastructure import process_caches
from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.models import ApiKey
from recommender.models.api_keys import hash_of

FRESH_SECONDS = 2.0
CAPACITY = 1000


class _Keys:
    def __init__(self) -> None:
        self.known: OrderedDict[str, tuple[ApiKey, float]] = OrderedDict()
        self.lock = threading.Lock()

    def find(self, secret: str) -> ApiKey | None:
        """The key, expired or not; None where unknown.

        Raises the errors of the database where the key is not cached.
        """
        digest = hash_of(secret)
        known, read_at = self.known.get(digest, (None, 0.0))
        if known is not None and (database.gone or time.monotonic() - read_at < FRESH_SECONDS):
            return known
        try:
            key = ApiKey.objects.find(secret)
            if key is not None and not key.expired:
                key.note_use()
        except UNREACHABLE:
            database.note_gone()
            if known is None:
                raise
            return known
        self._keep(digest, key)
        return key

    def _keep(self, digest: str, key: ApiKey | None) -> None:
        with self.lock:
            self.known.pop(digest, None)
            if key is not None:
                self.known[digest] = (key, time.monotonic())
            while len(self.known) > CAPACITY:
                self.known.popitem(last=False)


_keys = _Keys()


def find_key(secret: str) -> ApiKey | None:
    return _keys.find(secret)


@process_caches.register
def clear() -> None:
    global _keys
    _keys = _Keys()
