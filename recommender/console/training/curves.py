"""Charts of a training run: validation metric and loss by step, and the selected step."""

from recommender.models import TrainingRun

CURVES = {
    "masked_word_loss": "Loss of masked words",
    "mse": "Mean squared error",
    "cosine": "Cosine to the teacher",
    "accuracy": "Accuracy",
    "auc": "AUC",
}
PHASES = (("projection", "Projection", "challenger"), ("text", "Fine-tuning", "textonly"))
"""Training phases in order: prefix of the points, name, color role."""


def charts(run: TrainingRun) -> dict[str, dict]:
    """Chart data: validation metric and loss by step. The second phase continues the axis. Lines
    keep their places while points arrive.
    """
    points: dict[str, list] = {}
    for name, step, value in run.points.values_list("name", "step", "value"):
        points.setdefault(name, []).append({"x": step, "y": round(value, 5)})
    metric = next((name for name in points if _phase(name) and not name.endswith(".loss")), "")
    words = CURVES.get(metric.partition(".")[2], "NDCG@10") if metric else "Quality"
    validation, loss = _lines(points, metric.partition(".")[2]), _lines(points, "loss")
    validation.append({"label": "Chosen", "role": "champion", "data": _chosen(run, validation)})
    empty = _why_empty(run, any(line["data"] for line in loss))
    return {
        "chart-quality": {
            **_chart(validation, words, empty),
            "caption": f"{words} on the validation data",
            "alt": f"{words} over training steps",
        },
        "chart-loss": {
            **_chart(loss, "Loss", empty),
            "caption": "Loss while fine-tuning",
            "alt": "Training loss over steps",
        },
    }


def _chart(lines: list[dict], label: str, empty: str) -> dict:
    drawn = any(line["data"] for line in lines)
    return {"series": lines, "x": "Training steps", "y": label, "empty": "" if drawn else empty}


def _phase(name: str) -> str:
    prefix = name.partition(".")[0]
    return prefix if prefix in dict(phase[:2] for phase in PHASES) else ""


def _lines(points: dict[str, list], measure: str) -> list[dict]:
    """One line per phase; each starts where the previous one ended."""
    lines, begin = [], 0
    for prefix, label, role in PHASES:
        phase_points = points.get(f"{prefix}.{measure}", [])
        lines.append(
            {
                "label": label,
                "role": role,
                "data": [{**point, "x": begin + point["x"]} for point in phase_points],
            }
        )
        steps = [
            point["x"]
            for name, of in points.items()
            if name.startswith(f"{prefix}.")
            for point in of
        ]
        begin += max(steps, default=0)
    return lines


def _chosen(run: TrainingRun, lines: list[dict]) -> list[dict]:
    """The step whose weights serve, where validation selected it."""
    version = getattr(run, "version", None)
    chosen = (version.report.get("chosen") or {}) if version else {}
    for (prefix, _, _), line, before in reversed(
        list(zip(PHASES, lines, [None, *lines], strict=False))
    ):
        steps = chosen.get("text.projection_steps" if prefix == "projection" else "text.steps") or 0
        begin = before["data"][-1]["x"] if before and before["data"] else 0
        if steps and (matches := [point for point in line["data"] if point["x"] == begin + steps]):
            return matches[:1]
    return []


def _why_empty(run: TrainingRun, trained: bool) -> str:
    if trained:
        return "All labeled texts were trained on; none is left for validation."
    return (
        "The curve begins with fine-tuning."
        if run.is_active
        else "This run did not reach fine-tuning."
    )
