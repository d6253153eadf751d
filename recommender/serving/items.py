"""One recommended product, and its forms in a reply, in a precomputed list, in the exposure log."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Item:
    """One recommended product of a list, with score, sources and reasons."""

    item_id: str
    score: float | None
    source: list[str]
    base: float | None = None
    contributions: dict[str, float] | None = None
    history: list[list] = field(default_factory=list)
    """The shopper's own products behind the score, [id, share] each, the largest share first."""
    examples: dict[str, str] | None = None
    """By kind of reason, the own product that speaks most for this one; None: not stored."""
    bought: bool | None = None
    """Whether the shopper bought the product and did not return it; None: not stored."""
    suits: str | None = None
    """The own product whose text is nearest; None where that is the product itself."""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    words: list[tuple[str, float]] = field(default_factory=list)
    """Words of the text that match `suits`, with their shares; only with explain=full."""
    rule: dict[str, str] | None = None
    """The merchandising rule that moved the product to its place."""
    buried: bool = False
    """Whether a rule puts the product behind all others."""
    odds: Any = None
    """Probability of this place, where places are drawn at random (`exploration.Odds`)."""

    def example_of(self, kind: str) -> str | None:
        """Id of the product in the shopper's history that a reason of this kind names: the one that
        contributes most to this reason; None without one.
        """
        if kind == "text":
            return self.suits
        return (self.examples or {}).get(kind)

    @property
    def is_bought(self) -> bool:
        return self.bought if self.bought is not None else "again" in self.source

    def stored(self) -> dict[str, Any]:
        """The item as a precomputed list stores it; `Item(**stored)` restores it."""
        names = ("item_id", "score", "source", "base", "contributions", "history", "suits")
        return {name: getattr(self, name) for name in (*names, "examples", "bought")}


def api_row(item: Item, score_kind: str = "rank", explained: bool = True) -> dict[str, Any]:
    """The item as the API returns it, without its position."""
    because = None
    if explained and item.history:
        because = dict(zip(("item_id", "share"), item.history[0], strict=True))
    return {
        "item_id": item.item_id,
        "score": item.score,
        "score_kind": score_kind,
        "source": item.source,
        "rule": item.rule,
        "explored": bool(item.odds and not item.odds.best),
        "reasons": item.reasons,
        "because": because,
    }


def exposure_row(item: Item) -> dict[str, Any]:
    """The item as the exposure log stores it."""
    kind = item.reasons[0]["kind"] if item.reasons else None
    row = {"item_id": item.item_id, "source": item.source, "reason": kind}
    if item.rule:
        row["rule"] = item.rule["id"]
    return row | item.odds.exposure() if item.odds else row
