"""Rows of the recipe `opinion`: languages that the encoder cannot read are left out."""

import numpy as np

from training.configuration.text_recipes import OpinionConfig
from training.data.labeled_texts import labeled_rows
from training.encoders.bert import TextEncoder
from training.recipes.classification import readable

CHINESE, ENGLISH = "物流太慢了", "delivery was slow"


def rows_of(*texts: str):
    rows = [(str(i), text, "delivery|negative", "train") for i, text in enumerate(texts)]
    return labeled_rows(rows, 0.1, 0.0)


def test_unknown_tokens_are_counted_by_text_and_over_all():
    encoder = TextEncoder.load("", 48, 0)
    shares = encoder.unknown_shares([CHINESE, ENGLISH, ""])
    assert shares[0] > 0.3 and shares[1:].tolist() == [0, 0]
    tokens = [len(ids) - 2 for ids in encoder.tokenize([CHINESE, ENGLISH])]
    over_all = np.average(shares[:2], weights=tokens)
    assert encoder.unknown_share([CHINESE, ENGLISH]) == over_all
    assert encoder.unknown_share([]) == 0


def test_texts_that_the_encoder_cannot_read_are_no_rows():
    config = OpinionConfig()
    assert readable(rows_of(CHINESE, ENGLISH), config).texts == [ENGLISH]
    assert readable(rows_of(CHINESE), config).texts == [CHINESE], "there is nothing else to learn"
