"""Adversarial training on the embeddings: fast gradient method (Miyato, Dai & Goodfellow 2017)."""

import torch


def fgm(gradient: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Perturbation epsilon · g / |g| per text: (batch, length, dim) in and out; zero where the
    gradient is zero.
    """
    norm = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None]
    return epsilon * gradient / norm
