"""Text encoder without torch: ONNX with int8 weights, batches of equal length."""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from training.data.product_text import equal_lengths

BATCH_TOKENS = 512
NAME = "encoder.int8.onnx"
DATA = "encoder.int8.data"
"""External data: onnxruntime maps the file, so that processes share the memory of the weights."""
ROWS = "row"
"""Key in encoder.json: activations are scaled per row."""


def export_onnx(encoder, folder: Path) -> Path:
    """Write `encoder.int8.onnx`, its weights and its tokenizer.

    ids, mask and types (batch, length) int64 -> vectors (batch, dim) float32. Matrices are
    quantized to int8 per output channel, activations to 8 bits per token (`scale_rows`), so that
    the vector of a text does not depend on its batch.
    """
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / "encoder.onnx"
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    inputs = tuple(torch.ones((2, 6), dtype=torch.long, device=device) for _ in range(3))
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", max=encoder.bert.config.max_position_embeddings)
    with _silence():
        torch.onnx.export(
            encoder,
            inputs,
            str(plain),
            input_names=["ids", "mask", "types"],
            output_names=["vector"],
            dynamo=True,
            verbose=False,
            external_data=False,
            dynamic_shapes=({0: batch, 1: length},) * 3,
        )
        quantize_dynamic(
            str(plain),
            str(folder / NAME),
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"DefaultTensorType": 1},
        )
    _save(scale_rows(onnx.load(str(folder / NAME))), folder)
    plain.unlink()
    encoder.train(was_training)
    encoder.tokenizer.save_pretrained(folder)
    for extra in ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        (folder / extra).unlink(missing_ok=True)
    about = {
        "max_tokens": encoder.max_tokens,
        "prefix": encoder.prefix,
        "dim": encoder.dim,
        "sep": encoder.tokenizer.sep_token_id,
        "scales": ROWS,
    }
    (folder / "encoder.json").write_text(json.dumps(about), encoding="utf-8")
    return folder / NAME


def _save(model, folder: Path) -> None:
    """Write the graph and, next to it, its weights as external data."""
    import onnx

    (folder / DATA).unlink(missing_ok=True)
    onnx.save_model(
        model,
        str(folder / NAME),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=DATA,
        size_threshold=1024,
    )
    (folder / DATA).chmod((folder / NAME).stat().st_mode)  # onnx writes it for its user only


def scale_rows(model):
    """Replace each DynamicQuantizeLinear, which has one scale per tensor, by nodes with one scale
    per row (token).

    x (…, row, k) -> round(127 x / max|x|) + 128 as uint8, and its scale max|x| / 127 (…, row, 1).
    The product is scaled by column first, then by row. With both at once, onnxruntime 1.32 returned
    other vectors at its default optimization level than at its basic one (mean cosine 0.74).
    """
    from onnx import TensorProto, helper, numpy_helper

    graph, nodes, row_scales, products = model.graph, [], set(), {}
    constants = {
        "row_axes": np.array([-1], np.int64),
        "row_least": np.float32(1e-12),
        "row_127": np.float32(127),
        "row_128": np.float32(128),
        "row_zero": np.uint8(128),
    }
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    known = {initializer.name for initializer in graph.initializer}
    zeros: dict[str, str] = {}
    for node in graph.node:
        factors = set(node.input) if node.op_type == "Mul" else set()
        if node.op_type == "DynamicQuantizeLinear":
            x, (quantised, scale, zero) = node.input[0], node.output

            def step(name, quantised=quantised):
                return f"{quantised}.row.{name}"

            nodes += [
                helper.make_node("Abs", [x], [step("abs")]),
                helper.make_node("ReduceMax", [step("abs"), "row_axes"], [step("max")], keepdims=1),
                helper.make_node("Max", [step("max"), "row_least"], [step("most")]),
                helper.make_node("Div", [step("most"), "row_127"], [scale]),
                helper.make_node("Div", [x, scale], [step("steps")]),
                helper.make_node("Round", [step("steps")], [step("whole")]),
                helper.make_node("Add", [step("whole"), "row_128"], [step("shifted")]),
                helper.make_node("Cast", [step("shifted")], [quantised], to=TensorProto.UINT8),
            ]
            row_scales.add(scale)
            zeros[zero] = "row_zero"
        elif len(factors & row_scales) == 1 and len(factors & known) == 1:
            products[node.output[0]] = (factors & row_scales).pop(), (factors & known).pop()
        elif scaled := factors & products.keys():
            row, column = products[scaled.pop()]
            (product,) = factors - products.keys()
            nodes += [
                helper.make_node("Mul", [product, column], [f"{node.output[0]}.column"]),
                helper.make_node("Mul", [f"{node.output[0]}.column", row], [node.output[0]]),
            ]
        else:
            node.input[:] = [zeros.get(name, name) for name in node.input]
            nodes.append(node)
    del graph.node[:]
    del graph.value_info[:]  # shapes of the scales have changed
    graph.node.extend(nodes)
    return model


@contextlib.contextmanager
def _silence():
    """Silence the log messages of the exporter and the quantizer about each node."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class OnnxEncoder:
    """Encoder from texts to unit vectors with onnxruntime and `tokenizers`, without torch.

    threads: batches that are read at once, each by one thread; 0: as many as there are processors
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        about = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        self.dim = about["dim"]
        self.max_tokens = about["max_tokens"]
        self.prefix = about["prefix"]
        self.sep = about["sep"]
        self.alone = about.get("scales") != ROWS
        """Exported with one scale for a whole batch: texts are read one by one, or their
        vectors would depend on each other.
        """
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_tokens)
        # Two threads of one call are hardly quicker than one; two calls at once are.
        self.calls = threads or len(os.sched_getaffinity(0))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # Waiting threads would take the processor from other requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = (
            False  # it keeps what the largest batch ever took, and is no quicker
        )
        self.session = onnxruntime.InferenceSession(
            str(folder / NAME), options, providers=["CPUExecutionProvider"]
        )

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, groups: int = 0
    ) -> np.ndarray:
        """Encode texts (or text pairs) as unit vectors: (n, dim) float32.

        groups: batches of similar length with padding, quicker for a few texts, but a vector then
            depends on its batch in the last digits; 0: of equal length, without padding
        """
        most = 20 * self.max_tokens
        first = [self.prefix + t[:most] for t in texts]
        encodings = self.tokenizer.encode_batch(
            first if pairs is None else list(zip(first, [t[:most] for t in pairs], strict=True))
        )
        tokens = [e.ids for e in encodings]
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        out = np.zeros((len(tokens), self.dim), dtype=np.float32)
        batches = equal_lengths(lengths, 0 if self.alone else BATCH_TOKENS)
        if groups and not self.alone:
            by_length = np.argsort(lengths, kind="stable")
            batches = [rows for rows in np.array_split(by_length, groups) if len(rows)]

        def run(rows: np.ndarray) -> None:
            out[rows] = self._run([tokens[r] for r in rows], pairs is not None)

        batches = list(batches)
        if self.calls > 1 and len(batches) > 1:
            with ThreadPoolExecutor(min(self.calls, len(batches))) as pool:
                list(pool.map(run, batches))
        else:
            for rows in batches:
                run(rows)
        return out

    def unknown_shares(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) share of the tokens of each text that are outside the vocabulary."""
        known = (self.tokenizer.token_to_id(name) for name in ("[UNK]", "<unk>"))
        unknown = next((i for i in known if i is not None), -1)
        rows = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return np.array([row.ids.count(unknown) / max(1, len(row.ids)) for row in rows])

    def _run(self, tokens: list[list[int]], paired: bool) -> np.ndarray:
        longest = max(len(t) for t in tokens)
        ids = np.zeros((len(tokens), longest), dtype=np.int64)
        mask = np.zeros((len(tokens), longest), dtype=np.int64)
        for i, row in enumerate(tokens):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        ends = (ids == self.sep).astype(np.int64)
        types = (
            (((np.cumsum(ends, axis=1) - ends) > 0) & (mask > 0)).astype(np.int64)
            if paired
            else np.zeros_like(ids)
        )
        inputs = {"ids": ids, "mask": mask, "types": types}
        names = {i.name for i in self.session.get_inputs()}
        return self.session.run(None, {k: v for k, v in inputs.items() if k in names})[0]
