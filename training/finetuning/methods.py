"""Fine-tuning methods (full, top layers, LoRA, AdaLoRA, bottleneck adapters, only the head) and
optimizers.
"""

import math

import torch
from torch import nn

from training.configuration.tuning import TuningConfig
from training.encoders.adapters import add_adapters
from training.encoders.bert import TextEncoder

ATTENTION = ("query", "value")


class TuningMethod:
    """An encoder prepared for the configured fine-tuning method. `finish` merges LoRA into the
    weights.
    """

    def __init__(self, encoder: TextEncoder, config: TuningConfig) -> None:
        self.encoder, self.peft = encoder, None
        _set_dropout(encoder, config.dropout)
        encoder.freeze(config.frozen_layers)
        if config.train in ("lora", "adalora"):
            self.peft = _inject(encoder, config)
        elif config.train == "adapters":
            encoder.bert.requires_grad_(False)
            add_adapters(
                encoder.layers,
                encoder.dim,
                config.adapter_size,
                range(encoder.frozen_layers, len(encoder.layers)),
            )
        elif config.train == "head":
            encoder.bert.requires_grad_(False)
        self.adaptive = config.train == "adalora"

    def penalty(self) -> torch.Tensor | float:
        """Orthogonality penalty of AdaLoRA (Zhang et al. 2023, equation 4); 0 for other methods."""
        if not self.adaptive:
            return 0.0
        total = 0.0
        for name, p in self.encoder.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                gram = p @ p.T if "lora_A" in name else p.T @ p
                total = total + torch.linalg.matrix_norm(
                    gram - torch.eye(len(gram), device=p.device)
                )
        return 0.1 * total

    def after_backward(self, step: int) -> None:
        """Hook after the backward pass: AdaLoRA reallocates ranks by the importance of the
        gradients.
        """
        if self.adaptive:
            self.peft.base_model.update_and_allocate(step)

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """Gradient statistics of AdaLoRA; empty for other methods."""
        allocator = self.peft.base_model.rankallocator if self.adaptive else None
        return (
            {name: dict(getattr(allocator, name)) for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
            if allocator
            else {}
        )

    def load_state(self, state: dict[str, dict[str, torch.Tensor]]) -> None:
        """Restore the statistics that `state` returned, each of its weight's shape."""
        for name, values in state.items():
            setattr(self.peft.base_model.rankallocator, name, dict(values))

    def finish(self) -> TextEncoder:
        """Merge LoRA into the weights and return the encoder; bottleneck adapters stay in it."""
        if self.peft is not None:
            self.encoder.bert = self.peft.merge_and_unload()
            self.peft, self.adaptive = None, False
        return self.encoder


class NoTuning(TuningMethod):
    """Tuning method that trains nothing in the encoder."""

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self.encoder, self.peft, self.adaptive = encoder, None, False


def _inject(encoder: TextEncoder, config: TuningConfig):
    from peft import AdaLoraConfig, LoraConfig, get_peft_model

    layers = "|".join(str(i) for i in range(encoder.frozen_layers, len(encoder.layers)))
    targets = rf".*encoder\.layer\.({layers})\..*\.({'|'.join(ATTENTION)})"
    if config.train == "lora":
        chosen = LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.dropout,
            target_modules=targets,
        )
    else:
        first, last = max(1, config.steps // 10), max(2, config.steps // 3)
        chosen = AdaLoraConfig(
            target_r=config.lora_rank,
            init_r=round(1.5 * config.lora_rank),
            lora_alpha=config.lora_alpha,
            lora_dropout=config.dropout,
            tinit=first,
            tfinal=last,
            deltaT=max(1, config.steps // 50),
            total_step=config.steps + 1,
            target_modules=targets,
        )
    return get_peft_model(encoder.bert, chosen)


def _set_dropout(encoder: TextEncoder, share: float) -> None:
    for module in encoder.bert.modules():
        if isinstance(module, nn.Dropout):
            module.p = share


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def trainable_share(model: nn.Module) -> float:
    """Share of the parameters that are trainable, 0 to 1."""
    return sum(p.numel() for p in trainable(model)) / max(
        1, sum(p.numel() for p in model.parameters())
    )


def _parameter_groups(model: nn.Module) -> list[tuple[tuple[bool, bool], list[nn.Parameter]]]:
    """Trainable parameters by (of the encoder, a matrix)."""
    groups: dict[tuple[bool, bool], list] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            of_encoder = name.startswith("encoder.bert") or ".encoder.bert" in name
            groups.setdefault((of_encoder, p.ndim > 1), []).append(p)
    return sorted(groups.items(), key=lambda group: group[0])


def make_optimizer(model: nn.Module, config: TuningConfig) -> torch.optim.Optimizer:
    """Optimizer with three parameter groups: encoder matrices (with weight decay), encoder biases
    and norms (without), and the head with its own learning rate.
    """
    sets = [
        {
            "params": ps,
            "lr": config.learning_rate if body else config.head_learning_rate,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (body, decays), ps in _parameter_groups(model)
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(sets, lr=config.learning_rate, momentum=0.9)
    if config.optimiser == "adafactor":
        return torch.optim.Adafactor(sets, lr=config.learning_rate)
    return torch.optim.AdamW(sets, lr=config.learning_rate, fused=True)


def schedule_of(config: TuningConfig):
    """Function from step (from 0) to the factor of the peak learning rate: linear warm-up, then
    linear, cosine (Loshchilov & Hutter 2017) or constant.
    """
    warmup = max(1, round(config.steps * config.warmup_ratio))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if config.schedule == "constant":
            return 1.0
        part = min(1.0, (step - warmup) / max(1, config.steps - warmup))
        return 1.0 - part if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * part))

    return factor
