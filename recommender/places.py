"""What goes into a model and comes out of it: places of a list, products beside a checkpoint, texts of products, and what cannot be."""

from dataclasses import dataclass, field

ProductText = tuple[str, str, list[str], str]
"""Title, brand, categories, description."""


@dataclass(frozen=True)
class Addition:
    """A product beside a checkpoint: its vector (as Model.embed gives it), its price, and known products of its brand and category."""

    item_id: str
    vector: bytes
    price: float | None
    brand_of: str | None
    category_of: str | None


@dataclass(slots=True)
class Place:
    """A product in a list: its score, which sources proposed it, and with an explanation base + contributions = score and shares of the history."""

    item_id: str
    score: float
    source: list[str]
    base: float
    contributions: dict[str, float]
    history: dict[str, float]
    examples: dict[str, str] = field(default_factory=dict)
    """By kind of reason, the shopper's own product of which it is most true."""


class InvalidConfig(ValueError):
    """A recipe, preset or field that does not exist or cannot be so; the message names it."""


class BrokenCheckpoint(RuntimeError):
    """The checkpoint folder cannot be served; the message names what is wrong."""
