"""Bottleneck adapters in the layers of a BERT (Houlsby et al. 2019)."""

from collections.abc import Iterable

import torch
from torch import nn


class Adapter(nn.Module):
    """Bottleneck adapter with a residual connection: h + up(gelu(down(h))). It is the identity at
    initialization (Houlsby et al. 2019).
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, size), nn.Linear(size, dim)
        nn.init.normal_(self.down.weight, std=1e-2)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, dim) states with the adapter's correction added."""
        return hidden + self.up(nn.functional.gelu(self.down(hidden)))


class AdaptedLayer(nn.Module):
    """A BERT layer followed by an adapter."""

    def __init__(self, inner: nn.Module, dim: int, size: int) -> None:
        super().__init__()
        self.inner, self.adapter = inner, Adapter(dim, size)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, dim) states with the adapter's correction added."""
        return self.adapter(self.inner(hidden, mask))


def add_adapters(layers: nn.ModuleList, dim: int, size: int, numbers: Iterable[int]) -> None:
    """Add an adapter of bottleneck `size` to the layers with these numbers, in place. dim:
    dimension of the hidden states.
    """
    for i in numbers:
        layers[i] = AdaptedLayer(layers[i], dim, size)
