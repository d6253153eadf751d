"""THE loop: fine-tuning the encoder on pairs, visible and short."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from training.config import TextConfig
from training.encoder import FrozenTexts
from training.history import Interactions
from training.losses import in_batch_softmax

HISTORY_REACH = 30


@dataclass(frozen=True)
class Pairs:
    """Every first time that a shopper took a product, with where that shopper's earlier ones lie.

    item  (n,) products by shopper, in order of first time
    first (n,) position of the shopper's first entry; basket (n,) position where the entry's own basket begins
    usable (m,) positions with something earlier than their own basket
    """

    item: np.ndarray
    first: np.ndarray
    basket: np.ndarray
    usable: np.ndarray

    def draw(self, rng: np.random.Generator, size: int, anchors: int) -> tuple[np.ndarray, np.ndarray]:
        """(size, anchors) products of the history, drawn from the last HISTORY_REACH, and (size,) the product that came next."""
        at = self.usable[rng.integers(0, len(self.usable), size)]
        reach = np.minimum(self.basket[at] - self.first[at], HISTORY_REACH)
        back = (rng.random((size, anchors)) * reach[:, None]).astype(np.int64)
        return self.item[self.basket[at][:, None] - 1 - back], self.item[at]


def history_pairs(events: Interactions, n_items: int) -> Pairs:
    """Pairs of what shoppers took and what they first took later."""
    known = events.take(events.user >= 0)
    order = np.lexsort((np.arange(len(known)), known.time, known.user))
    known = known.take(order)
    code = known.user.astype(np.int64) * n_items + known.item
    first_of_pair = np.sort(np.unique(code, return_index=True)[1])
    known = known.take(first_of_pair)
    new_user = np.ones(len(known), dtype=bool)
    new_user[1:] = known.user[1:] != known.user[:-1]
    new_basket = new_user.copy()
    new_basket[1:] |= known.basket[1:] != known.basket[:-1]
    position = np.arange(len(known))
    first = np.maximum.accumulate(np.where(new_user, position, 0))
    basket = np.maximum.accumulate(np.where(new_basket, position, 0))
    return Pairs(known.item, first, basket, np.flatnonzero(basket > first))


def finetune(texts: FrozenTexts, pairs: Pairs, config: TextConfig, seed: int) -> Iterator[tuple[int, float]]:
    """Train the encoder's upper layers on history → next product; yields (step, mean loss) every `evaluate_every` steps."""
    encoder, device = texts.encoder, texts.device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    count = np.bincount(pairs.item[pairs.usable], minlength=len(texts.lengths)).astype(np.float64)
    log_popularity = config.popularity_correction * np.log(np.maximum(count, 1) / count.sum())
    trained = [p for p in encoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    warmup = max(1, round(config.steps * config.warmup_ratio))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, max(0.0, (config.steps - step) / max(1, config.steps - warmup)))
    )

    encoder.train()
    losses: list[float] = []
    for step in range(1, config.steps + 1):
        # a batch: each product's text is encoded once, however often it occurs
        anchor, target = pairs.draw(rng, config.batch_size, config.anchors)
        unique, inverse = np.unique(np.concatenate([anchor.ravel(), target]), return_inverse=True)
        vector = texts.encode(unique)[torch.from_numpy(inverse).to(device)]
        query = vector[: anchor.size].view(*anchor.shape, -1).mean(1)
        query = torch.nn.functional.normalize(query, dim=1)

        # loss and step
        item = torch.from_numpy(target).to(device)
        correction = torch.from_numpy(log_popularity[target]).float().to(device)
        loss = in_batch_softmax(query, vector[anchor.size :], item, correction, config.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())

        if step % config.evaluate_every == 0 or step == config.steps:
            yield step, float(np.mean(losses))
            losses.clear()
