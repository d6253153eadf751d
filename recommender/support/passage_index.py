"""Live index of a shop's passages on this host: by words, and by meaning."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db.models import Count

from recommender.inference.passage_vectors import PassageVectors
from recommender.inference.search_engine import Vectors
from recommender.inference.search_index import Document, IndexNotReady, document
from recommender.models import Change, Passage, Shop, SupportSettings
from recommender.search.documents import languages_of
from recommender.search.live_index import FollowedIndex
from recommender.serving.shop_state import register_part

PART = "passages"
CHUNK = 2_000


class ReadVectors(NamedTuple):
    """vectors: by primary key of the passage; encoder: checkpoint folder that made them."""

    vectors: "Vectors | None"
    encoder: str


class LivePassages(FollowedIndex):
    """The index of a shop's passages. A passage never changes, only its vector does."""

    is_needed = False

    def __init__(self, shop_id: int) -> None:
        super().__init__(shop_id)
        self._vectors = PassageVectors(self.host.folder)

    @staticmethod
    def folder_of(shop_id: int) -> str:
        return f"passages-{shop_id}"

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.SUPPORT:
            self.mark(None)

    def build(self, shop: Shop) -> int:
        self.host.rebuild(_documents(shop), _languages_of(shop))
        self._write_vectors(shop)
        return len(self.host.read())

    def update(self, shop: Shop, any_changed: bool, changed: set[str]) -> int:
        if self.host.languages() != _languages_of(shop):
            raise IndexNotReady("the languages have changed")
        known = set(self.host.digests())
        rows = set(_indexed(shop).values_list("pk", flat=True))
        new, gone = sorted(rows - known), known - rows
        if new or gone:
            self.host.update(_documents(shop, new), gone)
        self._write_vectors(shop)
        return len(new) + len(gone)

    def vectors(self) -> ReadVectors:
        """The vectors as this host's writer wrote them last."""
        return ReadVectors(*self._vectors.read())

    def _write_vectors(self, shop: Shop) -> None:
        """Write the vectors of the encoder that made most of them, where they have changed."""
        embedded = _indexed(shop).exclude(vector=None)
        counts = dict(embedded.order_by().values_list("encoder").annotate(Count("pk")))
        most = max(counts, key=counts.__getitem__, default="")
        of_encoder = embedded.filter(encoder=most)
        keys = list(of_encoder.values_list("pk", flat=True))
        if self._vectors.holds(keys, most):
            return
        rows = of_encoder.values_list("pk", "vector").iterator(CHUNK)
        self._vectors.write(((pk, bytes(vector)) for pk, vector in rows), most)


def _indexed(shop: Shop):
    return Passage.objects.of(shop).exclude(text="").order_by("pk")


def _documents(shop: Shop, keys: Sequence[int] | None = None) -> Iterator[Document]:
    rows = _indexed(shop) if keys is None else _indexed(shop).filter(pk__in=keys)
    for row in rows.only("pk", "title", "text").iterator(CHUNK):
        yield document(row.pk, row.title, description=row.text, digest=1)


def _languages_of(shop: Shop) -> tuple[str, ...]:
    settings = SupportSettings.objects.filter(shop=shop).first()
    return tuple(settings.languages) if settings else languages_of(shop)


register_part(PART, LivePassages)
