"""What a run reports while it trains."""

from types import SimpleNamespace

import pytest

from training.finetuning.loop import Evaluation
from training.runs.run import Run


@pytest.mark.parametrize(
    "measure, value, shown",
    [("ndcg@10", 0.25, 0.25), ("masked_word_loss", -7.2, 7.2), ("mse", -0.5, 0.5)],
)
def test_a_loss_is_reported_as_a_positive_number(measure, value, shown):
    """Tasks return a value of which more is better, so that of a loss is negative."""
    metrics, messages = [], []
    progress = SimpleNamespace(
        metric=lambda *given: metrics.append(given),
        stage=lambda name, share, message: messages.append(message),
    )
    run = Run(None, "mlm", None, progress)
    run.look("Fine-tuning", 20, measure)(Evaluation(10, 1.5, 2.0), value)
    assert (f"text.{measure}", 10, shown) in metrics
    assert f"{measure} {shown:.4f}" in messages[0]
