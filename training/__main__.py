"""Command line of the library: `python -m training fit|benchmark|evaluate|predict|suggest|recipes`.

Training on several GPUs or hosts: `accelerate launch -m training fit …`.
"""

import argparse
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from training.configuration.fields import ConfigError, to_dict
from training.configuration.recipe import PRESETS
from training.configuration.recipe import STANDARD as USUAL
from training.configuration.recipes import RECIPES, describe, make_config


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    signal.signal(signal.SIGTERM, _stop)
    _keep_memory()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from training.data.snapshot import SnapshotError
    from training.errors import TrainingError
    from training.inference.checkpoint import CheckpointError

    try:
        with logging_redirect_tqdm():
            return options.action(options)
    except (ConfigError, SnapshotError, CheckpointError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 143


def _keep_memory() -> None:
    """Make glibc keep freed memory for the next step. Returning it to the kernel costs about a
    tenth of a step.
    """
    mmap_threshold, trim_threshold = -3, -1
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(mmap_threshold, 1 << 30)
        library.mallopt(trim_threshold, (1 << 31) - 1)


def _stop(*_) -> None:
    loop = sys.modules.get("training.finetuning.loop")
    if loop is None or not loop.stop():
        raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    fit = commands.add_parser("fit", help="snapshot folder -> checkpoint folder")
    fit.add_argument("snapshot", type=Path)
    fit.add_argument("out", type=Path)
    fit.add_argument(
        "--champion",
        type=Path,
        help="checkpoint of the serving model, which is evaluated on the same data; `incremental` "
        "continues from it",
    )
    fit.add_argument(
        "--resume",
        action="store_true",
        help="resume a stopped run of the same configuration, whose state is next to OUT",
    )
    fit.set_defaults(action=_fit)
    benchmark = commands.add_parser("benchmark", help="every system on one protocol, as a report")
    benchmark.add_argument("snapshot", type=Path)
    benchmark.add_argument("--protocol", choices=["leave-last-out", "time"], required=True)
    benchmark.add_argument("--cut", type=_day, help="first day of the test window, YYYY-MM-DD")
    benchmark.add_argument("--days", type=int, default=31)
    benchmark.add_argument(
        "--shuffle-ties", type=int, metavar="SEED", help="reorder events of one shopper on one day"
    )
    benchmark.add_argument(
        "--ablate",
        nargs="+",
        default=[],
        metavar="PART",
        help="what is left without each of these; `all`: each in turn",
    )
    benchmark.set_defaults(action=_benchmark)
    evaluate = commands.add_parser("evaluate", help="a checkpoint on a snapshot's last days")
    evaluate.add_argument("checkpoint", type=Path)
    evaluate.add_argument("snapshot", type=Path)
    evaluate.add_argument("--days", type=int, default=31)
    evaluate.set_defaults(action=_evaluate)
    predict = commands.add_parser(
        "predict", help="a class or rating model's answers, one line of JSON a text"
    )
    predict.add_argument("checkpoint", type=Path)
    predict.add_argument("text", nargs="*", help="without any, lines of standard input")
    predict.set_defaults(action=_predict)
    suggest = commands.add_parser(
        "suggest",
        help="which rows of a snapshot to label next: those of which the model is least sure",
    )
    suggest.add_argument("checkpoint", type=Path)
    suggest.add_argument("snapshot", type=Path)
    suggest.add_argument("--rows", type=int, default=20)
    suggest.set_defaults(action=_suggest)
    recipes = commands.add_parser(
        "recipes", help="every recipe, every field, its default and meaning"
    )
    recipes.set_defaults(action=_recipes)
    for command in (fit, benchmark):
        command.add_argument("--recipe", default="fusion", choices=list(RECIPES))
        command.add_argument("--preset", default=USUAL, choices=list(PRESETS))
        command.add_argument("--set", nargs="+", action="extend", default=[], metavar="FIELD=VALUE")
        command.add_argument(
            "--progress",
            type=Path,
            help="file for progress lines; default: progress.jsonl next to the output",
        )
    for command in (benchmark, evaluate):
        command.add_argument("--out", type=Path, required=True, metavar="REPORT.json")
    return parser


def _day(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2011-11-09") from None


def _config(options: argparse.Namespace):
    wrong = [pair for pair in options.set if "=" not in pair]
    if wrong:
        raise ConfigError(f"--set: {wrong[0]!r} is not of the form field=value")
    return make_config(
        options.recipe, dict(pair.split("=", 1) for pair in options.set), options.preset
    )


def _run(options: argparse.Namespace, config, progress, snapshot, folder: Path):
    """A `Run` with its resumable state, cache and TensorBoard files below `folder`."""
    from training.finetuning.resume_state import ResumableState
    from training.runs.run import Run

    belongs = {
        "recipe": options.recipe,
        "data": snapshot.manifest["digest"],
        "encoder": config.text.encoder,
        "train": config.text.train,
    }
    keeper = ResumableState(folder / "state", getattr(options, "resume", False), belongs)
    return Run(
        snapshot,
        options.recipe,
        config,
        progress,
        getattr(options, "champion", None),
        keeper,
        folder / "cache",
    )


def _fit(options: argparse.Namespace) -> int:
    from training.data.snapshot import read_snapshot
    from training.finetuning.devices import end_process_group, is_main_process
    from training.fit import fit, new_progress

    config = _config(options)
    folder = options.out.parent
    folder.mkdir(parents=True, exist_ok=True)
    main_process = is_main_process()
    progress = new_progress(
        options.progress or folder / "progress.jsonl" if main_process else None,
        options.recipe,
        not main_process,
        to_dict(config),
    )
    progress.stage(next(iter(progress.stages)), 0, "reading the snapshot")
    fit(_run(options, config, progress, read_snapshot(options.snapshot), folder), options.out)
    progress.close()
    end_process_group()
    print(options.out)
    return 0


def _benchmark(options: argparse.Namespace) -> int:
    from training.benchmark import ABLATIONS, STAGES, benchmark_leave_last_out, benchmark_time
    from training.benchmark import RECIPES as JUDGED
    from training.data.snapshot import read_snapshot
    from training.data.splits import shuffle_ties
    from training.runs.progress import Progress

    config = _config(options)
    if options.protocol == "time" and options.cut is None:
        raise ConfigError("--cut: the time protocol needs a day")
    if options.recipe not in JUDGED:
        raise ConfigError(
            f"recipe: the protocols rank products, which {options.recipe} does not; `fit` "
            "reports on its own test data"
        )
    unknown = [part for part in options.ablate if part not in (*ABLATIONS, "all")]
    if unknown:
        raise ConfigError(f"--ablate: {unknown[0]!r} is not one of {', '.join(ABLATIONS)}, all")
    parts = ABLATIONS if "all" in options.ablate else options.ablate
    begun = time.monotonic()
    snapshot = read_snapshot(options.snapshot)
    if options.shuffle_ties is not None:
        snapshot = snapshot.with_events(shuffle_ties(snapshot.events, options.shuffle_ties))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(options.progress or options.out.parent / "progress.jsonl", STAGES)
    if options.protocol == "time":
        report = benchmark_time(
            _run(options, config, progress, snapshot, options.out.parent),
            options.cut,
            options.days,
            parts,
        )
    else:
        report = benchmark_leave_last_out(
            _run(options, config, progress, snapshot, options.out.parent), parts
        )
    report["protocol"]["shuffle_ties"] = options.shuffle_ties
    report["seconds"] = {"total": round(time.monotonic() - begun, 1)}
    return _write(options.out, report, progress)


def _evaluate(options: argparse.Namespace) -> int:
    from training.benchmark import evaluate_checkpoint
    from training.data.snapshot import read_snapshot

    begun = time.monotonic()
    report = evaluate_checkpoint(options.checkpoint, read_snapshot(options.snapshot), options.days)
    report["seconds"] = {"total": round(time.monotonic() - begun, 1)}
    return _write(options.out, report)


def _write(out: Path, report: dict, progress=None) -> int:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1), encoding="utf-8")
    if progress:
        progress.close()
    print(out)
    return 0


def _predict(options: argparse.Namespace) -> int:
    from training.inference.text_predictor import load_predictor

    model = load_predictor(options.checkpoint)
    for text, answer in zip(
        texts := options.text or [line.rstrip("\n") for line in sys.stdin],
        model.answers(texts),
        strict=True,
    ):
        print(json.dumps({"text": text, **answer}, ensure_ascii=False))
    return 0


def _suggest(options: argparse.Namespace) -> int:
    from training.data.snapshot import read_snapshot
    from training.inference.text_predictor import least_sure, load_predictor

    for row in least_sure(
        load_predictor(options.checkpoint), read_snapshot(options.snapshot), options.rows
    ):
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _recipes(options: argparse.Namespace) -> int:
    for recipe in RECIPES:
        print(f"{recipe}: {RECIPES[recipe].config.__doc__}")
        for name, default, meaning in describe(recipe):
            print(f"  {name} = {default!r}\n      {meaning}")
    for preset in PRESETS:
        fields = {name: r.presets[preset] for name, r in RECIPES.items() if preset in r.presets}
        print(f"preset {preset}: {fields or 'the defaults'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
