"""Devices and processes of a training: placement, sharding, gathered weights."""

import torch
from accelerate import PartialState
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from training.configuration.tuning import TuningConfig


def precision_of(config: TuningConfig) -> str:
    """accelerate's name of the configured precision. Half precision needs a device that supports
    it.
    """
    if config.precision == "auto":
        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    return "no" if config.precision == "fp32" else config.precision


def process_state() -> PartialState:
    """accelerate's PartialState of this process.

    `cpu` must be set without a GPU: otherwise accelerate treats each process as single, and the
    first PartialState of a process stays in effect.
    """
    return PartialState(cpu=not torch.cuda.is_available())


def device() -> torch.device:
    """The torch device of this process; with several GPUs, its own one."""
    return process_state().device


def is_main_process() -> bool:
    return process_state().is_main_process


def number_of_processes() -> int:
    return process_state().num_processes


def end_process_group() -> None:
    """Leave the process group, where there is one: a process that exits with its threads at work
    may abort, and the launcher takes the training for failed.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copy of all trainable parameters by name, each a whole tensor of its own shape, also where
    the model is sharded over processes.
    """
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    return {
        name: p.full_tensor() if isinstance(p, DTensor) else p.clone()
        for name, p in trained.items()
    }


def put_weights(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Load parameters by name. The given tensors are whole, also where the model is sharded over
    processes.
    """
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in weights:
                whole = weights[name].to(p.device)
                p.copy_(
                    distribute_tensor(whole, p.device_mesh, p.placements)
                    if isinstance(p, DTensor)
                    else whole
                )


def spread(model: nn.Module) -> nn.Module:
    """Shard weights, gradients and optimizer state over the processes (FSDP, Zhao et al. 2023)."""
    encoder = model.encoder
    for layer in encoder.layers[encoder.frozen_layers :]:
        fully_shard(layer)
    fully_shard(encoder)
    for method in ("states", "lower"):
        register_fsdp_forward_method(encoder, method)
    return fully_shard(model)
