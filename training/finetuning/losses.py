"""Loss functions: vectors, logits or predictions in, a scalar tensor out."""

import torch
from torch import distributed
from torch.nn import functional


def gathered(rows: torch.Tensor) -> torch.Tensor:
    """Rows (n, …) of all processes in the order of their ranks: (processes x n, …), with gradients
    to each. Alone: these rows.
    """
    if (
        not (distributed.is_available() and distributed.is_initialized())
        or distributed.get_world_size() == 1
    ):
        return rows
    if not rows.is_floating_point():
        parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(rows.contiguous()))


def in_batch_softmax(
    query: torch.Tensor,
    positive: torch.Tensor,
    item: torch.Tensor,
    log_popularity: torch.Tensor,
    temperature: float,
    hard: torch.Tensor | None = None,
    hard_item: torch.Tensor | None = None,
) -> torch.Tensor:
    """Softmax cross-entropy over the products of the batch, with logQ correction (Yi et al. 2019).

    query, positive: (batch, dim) of unit length
    item: (batch,) product of each row; the same product in another row is not a negative
    log_popularity: (batch,) log of each product's sampling probability, scaled by the correction
    hard, hard_item: (batch, n, dim) extra negatives of each row, and (batch, n) their products

    With several processes, the products of all of them are negatives.
    """
    all_positive, all_item, all_log = gathered(positive), gathered(item), gathered(log_popularity)
    begin = distributed.get_rank() * len(item) if len(all_item) > len(item) else 0
    positive_column = torch.arange(begin, begin + len(item), device=item.device)
    logits = query @ all_positive.T / temperature - all_log[None, :]
    same = item[:, None] == all_item[None, :]
    same[torch.arange(len(item), device=item.device), positive_column] = False
    logits = logits.masked_fill(same, float("-inf"))
    if hard is not None:
        extra = torch.einsum("bd,bnd->bn", query, hard) / temperature
        logits = torch.cat(
            [logits, extra.masked_fill(hard_item == item[:, None], float("-inf"))], dim=1
        )
    return functional.cross_entropy(logits, positive_column)


def sampled_softmax(
    state: torch.Tensor, candidates: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Softmax cross-entropy of the next product over the batch's products and sampled ones.

    (batch, dim), (candidates, dim), (batch,) positions among the candidates. With some thousand
    candidates it ranks like the full softmax (Klenitskiy & Vasilev 2023, "Turning Dross Into Gold
    Loss").
    """
    return functional.cross_entropy(state @ candidates.T, target)


def rating_loss(predicted: torch.Tensor, rating: torch.Tensor) -> torch.Tensor:
    """Mean squared error 1/N Σ (r̂ − r)²; with r̂ = θᵀf its gradient is 2/N Σ (r̂ − r) fᵀ. (batch,)
    both.
    """
    return ((predicted - rating) ** 2).mean()


def class_loss(logits: torch.Tensor, label: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy of (batch, classes) logits and (batch,) classes, with label smoothing (Szegedy
    et al. 2016).
    """
    return functional.cross_entropy(logits, label, label_smoothing=smoothing)


def masked_word_loss(logits: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """Cross-entropy at masked positions: (masked, vocabulary) logits, (masked,) ids; 0 without
    masked positions.
    """
    return functional.cross_entropy(logits, token) if len(token) else logits.sum() * 0.0


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of unit vectors, 2 − 2 cos: (batch, dim) both; in [0, 4]."""
    return ((student - teacher) ** 2).sum(dim=1).mean()
