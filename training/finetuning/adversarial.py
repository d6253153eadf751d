"""Adversarial steps on the embeddings: the fast gradient method of Miyato, Dai & Goodfellow
(2017).
"""

import torch


def fgm(gradient: torch.Tensor, epsilon: float) -> torch.Tensor:
    """epsilon · g / |g| for each text: (batch, length, dim) in and out; zero where the gradient
    is.
    """
    norm = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
    return epsilon * gradient / norm
