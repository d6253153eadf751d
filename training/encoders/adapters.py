"""Bottleneck adapters in the layers of a BERT (Houlsby et al. 2019)."""

from collections.abc import Iterable

import torch
from torch import nn


class Adapter(nn.Module):
    """A bottleneck beside the stream: h + up(gelu(down(h))), which changes nothing at first
    (Houlsby et al. 2019).
    """

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, size), nn.Linear(size, dim)
        nn.init.normal_(self.down.weight, std=1e-2)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.up(nn.functional.gelu(self.down(hidden)))


class AdaptedLayer(nn.Module):
    """A BERT layer with an adapter on its output."""

    def __init__(self, inner: nn.Module, dim: int, size: int) -> None:
        super().__init__()
        self.inner, self.adapter = inner, Adapter(dim, size)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.adapter(self.inner(hidden, mask))


def add_adapters(layers: nn.ModuleList, dim: int, size: int, numbers: Iterable[int]) -> None:
    """Put an adapter of bottleneck `size` on the layers of these numbers, in place; `dim` is
    the width of the hidden states.
    """
    for i in numbers:
        layers[i] = AdaptedLayer(layers[i], dim, size)
