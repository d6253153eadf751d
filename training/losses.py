"""Losses take embeddings. Each returns a scalar tensor."""

import torch
from torch.nn import functional


def in_batch_softmax(
    query: torch.Tensor, positive: torch.Tensor, item: torch.Tensor, log_popularity: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Cross-entropy over the batch's products, each row's own being right, with the logQ correction (Yi et al. 2019).

    query, positive  (batch, dim) of unit length
    item             (batch,) product of each row; another row's copy of the same product is no negative
    log_popularity   (batch,) log of each product's chance to be drawn, already scaled by how much of it to take off
    """
    logits = query @ positive.T / temperature - log_popularity[None, :]
    same = item[:, None] == item[None, :]
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, float("-inf"))
    return functional.cross_entropy(logits, torch.arange(len(item), device=logits.device))
