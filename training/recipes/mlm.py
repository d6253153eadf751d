"""Recipe `mlm`: masked-language-model pre-training on the shop's texts with whole-word masking
(Devlin et al. 2019); alone, or within another recipe.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from training.configuration.text_recipes import MlmConfig
from training.data.labeled_texts import review_text
from training.data.product_text import product_texts
from training.data.snapshot import Snapshot
from training.encoders.bert import TextEncoder, pad
from training.errors import need
from training.finetuning.devices import device
from training.finetuning.heads import Batch, MaskedWords
from training.finetuning.loop import Task, train
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import LENGTH_GROUPS, TextBatch
from training.metrics.ranking import bootstrap_interval
from training.runs.run import Run, load_encoder, steps_for

FEWEST_TEXTS = 20
MOST_VALIDATED = 1000


def shop_texts(snapshot: Snapshot) -> list[str]:
    """All distinct texts of the shop: products, reviews, customers' messages, search queries."""
    texts = product_texts(snapshot.products)
    if "reviews" in snapshot.tables:
        texts += [
            review_text(row)
            for row in snapshot.tables["reviews"].iter_rows(named=True)
            if row["split"] != "test"
        ]
    if "dialogues" in snapshot.tables:
        texts += [
            row["text"]
            for row in snapshot.tables["dialogues"].iter_rows(named=True)
            if row["split"] != "test"
        ]
    if "judgements" in snapshot.tables:
        texts += snapshot.tables["judgements"]["query"].to_list()
    if snapshot.queries is not None:
        texts += snapshot.queries["query"].to_list()
    return list(dict.fromkeys(text for text in texts if text.strip()))


@dataclass(frozen=True)
class Words:
    """Tokens of a text and their words. word: (tokens,) int, -1 for special tokens."""

    ids: np.ndarray
    word: np.ndarray


def words_of(encoder: TextEncoder, texts: list[str]) -> list[Words]:
    encoding = encoder.tokenizer(
        [encoder.prefix + t[: 20 * encoder.max_tokens] for t in texts],
        truncation=True,
        max_length=encoder.max_tokens,
        padding=False,
    )
    return [
        Words(
            np.array(ids, dtype=np.int64),
            np.array([-1 if w is None else w for w in encoding.word_ids(i)], dtype=np.int64),
        )
        for i, ids in enumerate(encoding["input_ids"])
    ]


def mask_words(
    words: Words, share: float, mask_id: int, vocabulary: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(tokens,) changed ids, and (tokens,) bool of the masked positions: `share` of the words, at
    least one, with all their tokens.

    Of these words, 80 % are masked, 10 % become random tokens, 10 % are unchanged.
    """
    numbers = np.unique(words.word[words.word >= 0])
    ids, masked = words.ids.copy(), np.zeros(len(words.ids), dtype=bool)
    if not len(numbers):
        return ids, masked
    for number in rng.permutation(numbers)[: max(1, round(share * len(numbers)))]:
        place = words.word == number
        masked |= place
        luck = rng.random()
        if luck < 0.8:
            ids[place] = mask_id
        elif luck < 0.9:
            ids[place] = rng.integers(0, vocabulary, int(place.sum()))
    return ids, masked


@dataclass
class MaskTask(Task):
    """Masked-language-model task. Validation masks the same words each time."""

    words: list[Words]
    training: np.ndarray
    validation: np.ndarray
    share: float
    seed: int
    encoder: TextEncoder
    model: MaskedWords = field(init=False)

    def __post_init__(self) -> None:
        self.model = MaskedWords(self.encoder).to(next(self.encoder.parameters()).device)

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample the training texts of this step: indices (size,)."""
        return self.training[rng.integers(0, len(self.training), size)]

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of masked texts. rows: (size,) indices, from `draw`."""
        tokenizer, where = self.encoder.tokenizer, next(self.encoder.parameters()).device
        changed = [
            mask_words(self.words[r], self.share, tokenizer.mask_token_id, len(tokenizer), rng)
            for r in rows
        ]
        order = np.argsort([len(self.words[r].ids) for r in rows], kind="stable")
        inputs, masks, places, targets = [], [], [], []
        for group in (g for g in np.array_split(order, LENGTH_GROUPS) if len(g)):
            ids, mask = pad([changed[i][0].tolist() for i in group], self.encoder.pad_id)
            masked, _ = pad([changed[i][1].tolist() for i in group], 0)
            right, _ = pad([self.words[rows[i]].ids.tolist() for i in group], 0)
            inputs.append(ids.to(where))
            masks.append(mask.to(where))
            places.append(masked.bool().to(where))
            targets.append(right[masked.bool()])
        texts = TextBatch(
            inputs, masks, [None] * len(inputs), torch.from_numpy(np.argsort(order)).to(where)
        )
        return Batch(texts, torch.cat(targets).to(where), {"places": places})

    def losses(self) -> np.ndarray:
        """Mean validation loss of each batch: (batches,)."""
        rng, out = np.random.default_rng(self.seed), []
        self.model.eval()
        with torch.inference_mode():
            for begin in range(0, len(self.validation), 16):
                out.append(
                    self.model(self.collate(self.validation[begin : begin + 16], rng)).item()
                )
        return np.array(out)

    def validate(self) -> float:
        return -float(self.losses().mean())


def _task(run: Run, encoder: TextEncoder, config: MlmConfig) -> MaskTask:
    texts = shop_texts(run.snapshot)
    need(
        len(texts) >= FEWEST_TEXTS,
        f"only {len(texts)} texts: masked words need at least {FEWEST_TEXTS}",
    )
    need(
        encoder.tokenizer.mask_token_id is not None,
        "this encoder's tokenizer has no mask token, which mlm needs",
    )
    order = np.random.default_rng(config.seed).permutation(len(texts))
    held = max(4, round(config.validation_share * len(texts)))
    validation = np.sort(order[:held])[:MOST_VALIDATED]
    return MaskTask(
        words_of(encoder, texts),
        np.sort(order[held:]),
        validation,
        config.mask_share,
        config.seed,
        encoder,
    )


def pretrain(run: Run, encoder: TextEncoder, steps: int) -> TextEncoder:
    """Train the encoder for this many steps on the shop's texts, as a part of another recipe."""
    config = MlmConfig(seed=run.config.seed)
    config = replace(
        config,
        text=replace(
            config.text,
            steps=steps,
            evaluate_every=max(1, steps // 4),
            max_tokens=run.config.text.max_tokens,
        ),
    )
    frozen = encoder.frozen_layers
    encoder.to(device())
    tuned = TuningMethod(encoder, config.text)
    task = _task(run, encoder, config)
    train(
        task,
        tuned,
        config.text,
        config.seed,
        run.keeper.child("mlm"),
        run.look("Fine-tuning", steps, "masked_word_loss"),
    )
    tuned.finish().freeze(frozen)
    return encoder


def fit_mlm(run: Run) -> tuple[TextEncoder, np.ndarray, dict]:
    """Pre-train on the shop's texts: the encoder, the product vectors (items, dim) and the report.
    Raises TrainingError.
    """
    config = run.config
    texts = shop_texts(run.snapshot)
    encoder = load_encoder(config.text, config.seed, run, texts).to(device())
    task = _task(run, encoder, config)
    chosen = steps_for(config.text, len(task.training))
    tuned = TuningMethod(encoder, chosen)
    before = task.losses()
    outcome = train(
        task,
        tuned,
        chosen,
        config.seed,
        run.keeper.child("mlm"),
        run.look("Fine-tuning", chosen.steps, "masked_word_loss"),
    )
    after = task.losses()
    tuned.finish()
    report = run.report_head(
        {"kind": "masked words", "train": len(task.training), "validation": len(task.validation)}
    )
    report["systems"] = {
        name: {"loss": dict(zip(("value", "low", "high"), bootstrap_interval(losses), strict=True))}
        for name, losses in (
            ("unigram", _unigram_losses(task)),
            ("text_before", before),
            ("text_after", after),
        )
    }
    report["chosen"] = {"text.steps": outcome.best_step, "trainable_share": outcome.trainable_share}
    report["primary"] = {
        "measure": "loss",
        "system": "text_after",
        "baseline": "unigram",
        "higher_is_better": False,
    }
    return encoder, encoder.encode(product_texts(run.snapshot.products)), run.finish_report(report)


def _unigram_losses(task: MaskTask) -> np.ndarray:
    """Loss of the unigram baseline: token frequencies of the training texts with add-one
    smoothing.
    """
    counts = np.ones(len(task.encoder.tokenizer))
    for r in task.training:
        np.add.at(counts, task.words[r].ids[task.words[r].word >= 0], 1)
    cost = -np.log(counts / counts.sum())
    return np.array(
        [
            cost[task.words[r].ids[task.words[r].word >= 0]].mean()
            for r in task.validation
            if (task.words[r].word >= 0).any()
        ]
    )
