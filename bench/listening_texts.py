"""Polarity of whole texts, and retrieval of the answer to a product question.

The clothing and Chinese fits are those of `bench tasks`. Product questions are split by a hash of
the question; the right answer is looked for among all answers, those of training questions
included.
"""

from bench.__main__ import measure
from bench.fits import chinese, clothing, fit, value
from bench.listening_serving import product_questions
from bench.tasks import CHINESE, CHINESE_REVIEWS


def run() -> dict[str, dict]:
    liked = fit("sentiment", clothing(), "clothing-sentiment", {"onnx": False})
    spoken = fit(
        "sentiment",
        chinese(CHINESE_REVIEWS, 7),
        "chinese",
        {"text.encoder": "multilingual", "onnx": False, **CHINESE},
    )
    found = fit("answers", product_questions(), "product-questions", {})
    return {
        "polarity.clothing_auc": measure(
            value(liked, "text_after", "auc"), "AUC", value(liked, "text_before", "auc")
        ),
        "polarity.chinese_accuracy": measure(
            value(spoken, "text_after", "accuracy"),
            "accuracy",
            value(spoken, "text_before", "accuracy"),
        ),
        "qa.recall_before": measure(value(found, "text_before", "recall@10"), "recall@10"),
        "qa.recall_after": measure(
            value(found, "text_after", "recall@10"),
            "recall@10",
            value(found, "text_before", "recall@10"),
        ),
    }
