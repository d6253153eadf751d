"""One recommended product: its place in a list, in a reply, in the exposure log."""

from dataclasses import dataclass, field
from typing import Any

NAMING = ("bought_next", "bought_together", "similar")
"""Kinds of reasons that name a product of the shopper's own, beside that of texts."""


@dataclass
class Item:
    """One place of a list."""

    item_id: str
    score: float | None
    source: list[str]
    base: float | None = None
    contributions: dict[str, float] | None = None
    history: list[list] = field(default_factory=list)
    """The shopper's own products behind it, [id, share] each, the largest share first."""
    examples: dict[str, str] | None = None
    """By kind of reason, the own product of which it is most true; None where it was not kept."""
    bought: bool | None = None
    """Has the shopper bought it (and not returned it)? None where it was not kept."""
    suits: str | None = None
    """The own product whose text is nearest; None where that is the product itself."""
    title: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    words: list[tuple[str, float]] = field(default_factory=list)
    """Words that make it like that product, with their shares; only where everything is told."""
    odds: Any = None
    """How it came to its place, where places are drawn."""

    def example_of(self, kind: str) -> str | None:
        """The own product that a reason of this kind names; None where it names none."""
        if kind == "text":
            return self.suits
        if self.examples is None:  # of a list that was stored before examples were kept by kind
            return (
                next((item_id for item_id, _ in self.history if item_id != self.item_id), None)
                if kind in NAMING
                else None
            )
        return self.examples.get(kind)

    @property
    def is_bought(self) -> bool:
        return self.bought if self.bought is not None else "again" in self.source

    def kept(self) -> dict[str, Any]:
        """What of it is stored."""
        return {
            "item_id": self.item_id,
            "score": self.score,
            "source": self.source,
            "base": self.base,
            "contributions": self.contributions,
            "history": self.history,
            "suits": self.suits,
            "examples": self.examples,
            "bought": self.bought,
        }


def row_of(item: Item, score_kind: str = "rank", explained: bool = True) -> dict[str, Any]:
    """A place of a list as a reply tells of it, but for its position."""
    because = (
        dict(zip(("item_id", "share"), item.history[0], strict=True))
        if explained and item.history
        else None
    )
    return {
        "item_id": item.item_id,
        "score": item.score,
        "score_kind": score_kind,
        "source": item.source,
        "rule": None,
        "explored": bool(item.odds and not item.odds.best),
        "reasons": item.reasons,
        "because": because,
    }


def kept_row(item: Item) -> dict[str, Any]:
    """A place of a list as a served list keeps it."""
    kept = {
        "item_id": item.item_id,
        "source": item.source,
        "reason": item.reasons[0]["kind"] if item.reasons else None,
    }
    return kept | item.odds.kept() if item.odds else kept
