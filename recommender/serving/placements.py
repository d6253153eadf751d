"""Placements of a shop, cached by key."""

from recommender.models import Change, Placement


class Placements:
    """Cache of all placements of one shop."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._generation = 0
        self._by_key: dict[str, Placement] | None = None

    @property
    def is_loaded(self) -> bool:
        return self._by_key is not None

    def get(self, key: str) -> Placement | None:
        by_key = self._by_key
        if by_key is None:
            generation = self._generation
            by_key = {p.key: p for p in Placement.objects.filter(shop=self.shop_id)}
            self._by_key = by_key if generation == self._generation else None
        return by_key.get(key)

    def chosen_versions(self) -> set[int]:
        """Primary keys of the model versions that cached placements, and arms of their
        experiments, choose.
        """
        placements = list((self._by_key or {}).values())
        arms = [arm["version"] for p in placements for arm in p.experiment.get("arms", ())]
        return {pk for pk in [*(p.version_id for p in placements), *arms] if pk is not None}

    def load(self) -> None:
        self.get("")

    def invalidate(self, change: Change) -> None:
        self._generation += 1
        if change.kind == Change.PLACEMENT:
            self._by_key = None
