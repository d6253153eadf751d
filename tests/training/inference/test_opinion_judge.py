"""Opinions clause by clause: the packaged encoder with a linear head on the default examples."""

import numpy as np
import pytest

from training.data.opinions import POLARITIES
from training.inference.calibration import EnsembleMember, OutputCalibration
from training.inference.checkpoint import CheckpointError
from training.inference.opinion_judge import LANGUAGE, UNSURE, OpinionJudge
from training.inference.text_predictor import Predictor, load_predictor


@pytest.fixture(scope="module")
def judge(opinion_checkpoint) -> OpinionJudge:
    return OpinionJudge(load_predictor(opinion_checkpoint))


def opinions(judge: OpinionJudge, text: str) -> list[tuple]:
    return [
        (text[c.begin : c.end], c.polarity, [topic for topic, _ in c.topics], c.why_not)
        for c in judge.judge([text])[0]
    ]


def test_a_text_that_praises_and_complains_has_two_opinions(judge):
    assert opinions(judge, "Great quality, late delivery") == [
        ("Great quality", "positive", ["quality"], ""),
        ("late delivery", "negative", ["delivery"], ""),
    ]


def test_an_opinion_on_the_whole_has_no_topic(judge):
    assert opinions(judge, "I love it!") == [("I love it!", "positive", [], "")]


def test_what_the_encoder_cannot_read_is_not_judged(judge):
    assert opinions(judge, "质量很好") == [("质量很好", None, [], LANGUAGE)]
    ((_, polarity, _, why_not),) = opinions(judge, "love it 👍")
    assert (polarity, why_not) == ("positive", "")


def test_an_unsure_judgment_is_not_said(judge):
    flat = EnsembleMember(judge.predictor.members[0].encoder, np.zeros((21, 384)), np.zeros(21))
    unsure = OpinionJudge(Predictor([flat], OutputCalibration(1.0), judge.predictor.facts))
    assert opinions(unsure, "too small") == [("too small", None, [], UNSURE)]


def test_texts_without_a_clause_have_no_opinion(judge):
    assert judge.judge(["", "👍", "too small"])[:2] == [[], []]
    assert judge.judge(["!!!"]) == [[]] and judge.judge([]) == []


def test_a_text_is_judged_alike_alone_and_with_others(judge):
    texts = ["too small", "The box arrived crushed, but the seller was kind.", "ok"]
    for text, together in zip(texts, judge.judge(texts), strict=True):
        for one, other in zip(judge.judge([text])[0], together, strict=True):
            assert (one.begin, one.end, one.polarity) == (other.begin, other.end, other.polarity)
            assert one.probability == pytest.approx(other.probability, abs=1e-5)


def test_probabilities_are_of_a_topic_and_a_polarity(judge):
    probability = judge.probabilities(["far too expensive"])
    assert probability.shape == (1, len(judge.topics) + 1, len(POLARITIES))
    assert probability.sum() == pytest.approx(1)
    topic, polarity = np.unravel_index(probability[0].argmax(), probability[0].shape)
    assert (judge.topics[topic], POLARITIES[polarity]) == ("price", "negative")


@pytest.mark.parametrize("classes", [["refund", "late"], ["negative", "positive"], []])
def test_a_checkpoint_with_other_classes_is_refused(classes):
    with pytest.raises(CheckpointError, match="judges no opinions"):
        OpinionJudge(Predictor([], OutputCalibration(1.0), {"classes": classes}))
