"""The trainable sequence model (torch), and its training task."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.candidates.sequence_model import DISTANCES, EPSILON, LENGTH, SequenceModel, Sequences
from training.configuration.ranking_recipes import SequenceConfig
from training.finetuning.heads import Batch
from training.finetuning.loop import Task
from training.finetuning.losses import sampled_softmax
from training.finetuning.pairs import Source

WIDER = 2
"""Factor between the inner dimension and `dim`."""


class SequenceNet(nn.Module):
    """One self-attention block over the latest products. A product is the sum of its own vector and
    a projection of its text; see SequenceModel.states.

    texts: (items, text dim) frozen unit vectors, or None.
    """

    def __init__(self, n_items: int, texts: np.ndarray | None, dim: int, dropout: float) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.randn(n_items, dim) * 0.02)
        self.from_text = nn.Linear(texts.shape[1], dim, bias=False) if texts is not None else None
        self.register_buffer(
            "texts", torch.from_numpy(texts) if texts is not None else None, persistent=False
        )
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.widen, self.narrow = nn.Linear(dim, WIDER * dim), nn.Linear(WIDER * dim, dim)
        self.norm_in, self.norm_inner, self.norm_out = (
            nn.LayerNorm(dim, eps=EPSILON) for _ in range(3)
        )
        self.distance = nn.Parameter(torch.zeros(DISTANCES))
        self.drop = nn.Dropout(dropout)

    def products(self, items: torch.Tensor) -> torch.Tensor:
        """Embed products: (n,) -> (n, dim)."""
        own_vectors = functional.embedding(items, self.own)
        return (
            own_vectors
            if self.from_text is None
            else own_vectors + self.from_text(self.texts[items])
        )

    def states(self, products: torch.Tensor, read: dict[str, torch.Tensor], n: int) -> torch.Tensor:
        """Vectors of histories: (m, dim) distinct products and the histories' entries -> (n, dim).

        read: per entry (e,) `owner` in [0, n), `place` among the products, `back`, `latest`
        (whether in the latest basket).
        """
        owner, place = read["owner"], read["place"]
        now = _summed(
            functional.embedding(place, products)
            * _shares(read["latest"].float(), owner, n)[:, None],
            owner,
            n,
        )
        normed = self.norm_in(products)
        query = functional.embedding(owner, self.query(self.norm_in(now)))
        logits = (query * functional.embedding(place, self.key(normed))).sum(1) / query.shape[
            1
        ] ** 0.5 + self.distance[read["back"]]
        largest = (
            torch.full((n,), float("-inf"))
            .to(logits)
            .scatter_reduce(0, owner, logits.detach(), "amax")
        )
        attention = self.drop(_shares((logits - largest[owner]).exp(), owner, n))
        after = now + self.drop(
            self.out(
                _summed(
                    functional.embedding(place, self.value(normed)) * attention[:, None], owner, n
                )
            )
        )
        after = after + self.drop(
            self.narrow(self.drop(functional.relu(self.widen(self.norm_inner(after)))))
        )
        return self.norm_out(after)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Loss of a batch.

        batch.extra: products (m,) distinct; owner, place, back, latest of the histories' entries;
            places (c,) of the candidates
        batch.target: (n,) position of the next product among the candidates
        """
        products = self.products(batch.extra["products"])
        states = self.states(self.drop(products), batch.extra, len(batch.target))
        return sampled_softmax(states, products[batch.extra["candidates"]], batch.target)

    def plain(self, by_event: bool) -> SequenceModel:
        """Convert to the serving form, which needs no torch."""
        with torch.no_grad():
            items = (
                self.products(torch.arange(len(self.own), device=self.own.device))
                .float()
                .cpu()
                .numpy()
            )
        weights = {
            name: w.float().cpu().numpy()
            for name, w in self.state_dict().items()
            if name not in ("own", "from_text.weight")
        }
        return SequenceModel(items, weights, by_event)


def entries_of(read: Sequences) -> dict[str, np.ndarray]:
    """Histories as entries (e,): owner, item, back, latest (whether in the latest basket)."""
    owner, place = np.nonzero(read.present)
    back = read.back[owner, place]
    return {
        "owner": owner,
        "item": read.item[owner, place],
        "back": back,
        "latest": back == read.back[owner, 0],
    }


def _summed(values: torch.Tensor, owner: torch.Tensor, n: int) -> torch.Tensor:
    """Sum of (e, dim) by owner: (n, dim)."""
    return torch.zeros((n, values.shape[1])).to(values).index_add(0, owner, values)


def _shares(values: torch.Tensor, owner: torch.Tensor, n: int) -> torch.Tensor:
    """(e,) normalized to sum 1 per owner."""
    return values / torch.zeros(n).to(values).index_add(0, owner, values)[owner].clamp(min=1e-12)


@dataclass
class SequenceTask(Task):
    """Task history → next product at every first purchase; softmax over the batch's products and
    sampled ones.
    """

    source: Source
    texts: np.ndarray | None
    n_items: int
    config: SequenceConfig
    by_event: bool
    judge: object
    model: SequenceNet = field(init=False)

    def __post_init__(self) -> None:
        self.model = SequenceNet(self.n_items, self.texts, self.config.dim, self.config.dropout)
        self.known = np.unique(self.source.pairs.item)

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample target purchases: their indices (size,)."""
        return self.source.places(rng, size)

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of training examples: the history before each target, the target products, and
        sampled negatives. rows: (size,) positions of the target purchases, from `draw`.
        """
        read, target = self._read(rows), self.source.pairs.item[rows]
        drawn = (
            self.known
            if self.config.sampled >= len(self.known)
            else rng.choice(self.known, self.config.sampled, replace=False)
        )
        candidates = np.union1d(target, drawn)
        entries = entries_of(read)
        products = np.union1d(candidates, entries["item"])
        extra = {
            "products": products,
            "place": np.searchsorted(products, entries.pop("item")),
            **entries,
        }
        extra["candidates"] = np.searchsorted(products, candidates)
        return Batch(
            None,
            self._tensor(np.searchsorted(candidates, target)),
            {name: self._tensor(values) for name, values in extra.items()},
        )

    def _read(self, rows: np.ndarray) -> Sequences:
        """History before each target, in the form that serving uses: of a repeated product only the
        latest entry.
        """
        pairs = self.source.pairs
        length = np.minimum(pairs.basket[rows] - pairs.first[rows], LENGTH)
        place = np.arange(int(length.max()))
        filled = place[None, :] < length[:, None]
        entry = np.where(
            filled,
            pairs.basket[rows][:, None] - 1 - place[None, :],
            pairs.basket[rows][:, None] - 1,
        )
        item, back = pairs.item[entry], pairs.number[rows][:, None] - 1 - pairs.number[entry]
        code = np.arange(len(rows))[:, None] * np.int64(self.n_items) + item
        newest = np.zeros(code.size, dtype=bool)
        newest[np.unique(code, return_index=True)[1]] = True
        return Sequences(item, np.minimum(back, DISTANCES - 1), filled & newest.reshape(code.shape))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        values = values if values.dtype == bool else values.astype(np.int64)
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.model.own.device)

    def validate(self) -> float:
        return self.judge(self.model.plain(self.by_event))
