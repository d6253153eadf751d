"""The encoder for processes without torch: ONNX, weights in int8, batches by length."""

import contextlib
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.text import length_batches

BATCH_TOKENS = 2_048
NAME = "encoder.int8.onnx"


def export_onnx(encoder, folder: Path) -> Path:
    """Write `encoder.int8.onnx` with its tokenizer: ids, mask and types (batch, length) int64 -> vector (batch, dim) float32.

    Matrices are quantised to int8 per channel, activations as they come (dynamic quantisation).
    """
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / "encoder.onnx"
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    inputs = tuple(torch.ones((2, 6), dtype=torch.long, device=device) for _ in range(3))
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=encoder.bert.config.max_position_embeddings)
    with _silence():
        torch.onnx.export(
            encoder, inputs, str(plain), input_names=["ids", "mask", "types"], output_names=["vector"], dynamo=True, verbose=False,
            external_data=False, dynamic_shapes=({0: batch, 1: length},) * 3,
        )  # fmt: skip
        quantize_dynamic(str(plain), str(folder / NAME), weight_type=QuantType.QInt8, per_channel=True, extra_options={"DefaultTensorType": 1})
    plain.unlink()
    encoder.train(was_training)
    encoder.tokenizer.save_pretrained(folder)
    for extra in ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (folder / extra).unlink(missing_ok=True)
    about = {"max_tokens": encoder.max_tokens, "prefix": encoder.prefix, "dim": encoder.dim, "sep": encoder.tokenizer.sep_token_id}
    (folder / "encoder.json").write_text(json.dumps(about), encoding="utf-8")
    return folder / NAME


@contextlib.contextmanager
def _silence():
    """Exporter and quantiser tell of every node, which is nobody's business."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class OnnxEncoder:
    """Texts to unit vectors with onnxruntime and the `tokenizers` library alone."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        about = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        self.dim, self.max_tokens, self.prefix, self.sep = about["dim"], about["max_tokens"], about["prefix"], about["sep"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_tokens)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # it keeps what the largest batch ever took, and is no quicker
        self.session = onnxruntime.InferenceSession(str(folder / NAME), options, providers=["CPUExecutionProvider"])

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Unit vectors of texts (or text pairs): (n, dim) float32."""
        most = 20 * self.max_tokens
        first = [self.prefix + t[:most] for t in texts]
        found = self.tokenizer.encode_batch(first if pairs is None else list(zip(first, [t[:most] for t in pairs], strict=True)))
        tokens = [e.ids for e in found]
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        out = np.zeros((len(tokens), self.dim), dtype=np.float32)
        for rows in length_batches(lengths, BATCH_TOKENS):
            out[rows] = self._run([tokens[r] for r in rows], pairs is not None)
        return out

    def _run(self, tokens: list[list[int]], paired: bool) -> np.ndarray:
        longest = max(len(t) for t in tokens)
        ids, mask = np.zeros((len(tokens), longest), dtype=np.int64), np.zeros((len(tokens), longest), dtype=np.int64)
        for i, row in enumerate(tokens):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        ends = (ids == self.sep).astype(np.int64)
        types = (((np.cumsum(ends, axis=1) - ends) > 0) & (mask > 0)).astype(np.int64) if paired else np.zeros_like(ids)
        inputs = {"ids": ids, "mask": mask, "types": types}
        names = {i.name for i in self.session.get_inputs()}
        return self.session.run(None, {k: v for k, v in inputs.items() if k in names})[0]
