import numpy as np
import pytest
import torch
from torch.nn import functional

from training.configuration.fields import ConfigError
from training.data.product_text import length_batches
from training.encoders.bert import TextEncoder, packaged_folder
from training.finetuning.losses import in_batch_softmax
from training.finetuning.text_store import TextStore

TEXTS = ["red lantern", "small vintage glass teapot", "garden", "large blue paper lantern classic"]


@pytest.fixture
def encoder(tiny_encoder):
    return TextEncoder.load(str(tiny_encoder), max_tokens=16, frozen_layers=1)


def test_padding_does_not_change_a_vector(encoder):
    texts = TextStore(encoder, TEXTS, torch.device("cpu"))
    alone = texts.batch(np.array([0])).encode(encoder).detach().numpy()
    among = texts.batch(np.array([3, 0, 1])).encode(encoder).detach().numpy()[1]
    assert alone[0] == pytest.approx(among, abs=1e-3)


def test_frozen_layers_kept_aside_give_what_the_whole_bert_gives(encoder):
    ids = torch.tensor([encoder.tokenize(TEXTS[:1])[0]])
    mask = torch.ones_like(ids)
    whole = encoder.bert(input_ids=ids, attention_mask=mask).last_hidden_state.mean(1)
    ours = TextStore(encoder, TEXTS[:1], torch.device("cpu")).vectors()
    assert ours[0] == pytest.approx(
        functional.normalize(whole, dim=1)[0].detach().numpy(), abs=2e-3
    )


def test_equal_texts_are_read_once_and_stand_where_they_stood(encoder):
    texts = TextStore(encoder, [TEXTS[1], TEXTS[0], TEXTS[1]], torch.device("cpu"))
    assert (
        len(texts) == 3
        and len(texts.tokens) == 2
        and texts.lengths[0] == texts.lengths[2] == len(texts.tokens[0])
    )
    assert np.array_equal(
        texts.vectors(), TextStore(encoder, TEXTS[:2], torch.device("cpu")).vectors()[[1, 0, 1]]
    )
    assert np.array_equal(
        encoder.encode([TEXTS[1], TEXTS[0], TEXTS[1]]), encoder.encode(TEXTS[:2])[[1, 0, 1]]
    )
    paired = TextStore(
        encoder,
        ["red", "red", "red"],
        torch.device("cpu"),
        pairs=["blue", "green", "blue"],
        keep=False,
    )
    assert paired.number.tolist() == [0, 1, 0] and np.array_equal(
        paired.vectors()[0], paired.vectors()[2]
    )


def test_vectors_have_unit_length(encoder):
    assert np.linalg.norm(
        TextStore(encoder, TEXTS, torch.device("cpu")).vectors(), axis=1
    ) == pytest.approx(np.ones(4), abs=1e-5)


def test_only_upper_layers_are_trained(encoder):
    trained = {name.split(".")[2] for name, p in encoder.bert.named_parameters() if p.requires_grad}
    assert trained == {"1"}


def test_the_packaged_bert_knows_what_words_mean():
    encoder = TextEncoder.load("", frozen_layers=6)
    vectors = TextStore(
        encoder,
        ["christmas tree candle", "xmas decoration light", "garden hose"],
        torch.device("cpu"),
    ).vectors()
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1
    assert packaged_folder().is_dir()


def test_a_folder_that_is_no_bert_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"text\.encoder"):
        TextEncoder.load(str(tmp_path))


def test_batches_hold_like_lengths_within_the_limit():
    lengths = np.array([3, 9, 3, 8, 4])
    batches = list(length_batches(lengths, 12))
    assert sorted(np.concatenate(batches).tolist()) == [0, 1, 2, 3, 4]
    assert all(lengths[b].max() * len(b) <= 12 for b in batches)


def test_in_batch_softmax_by_hand():
    query, positive = torch.eye(2), torch.eye(2)
    loss = in_batch_softmax(query, positive, torch.tensor([1, 2]), torch.zeros(2), temperature=1.0)
    assert loss.item() == pytest.approx(-np.log(np.e / (np.e + 1)))


def test_the_same_product_elsewhere_in_the_batch_is_no_negative():
    query, positive = torch.eye(2), torch.eye(2)
    assert in_batch_softmax(
        query, positive, torch.tensor([5, 5]), torch.zeros(2), 1.0
    ).item() == pytest.approx(0.0)


def test_popular_negatives_count_less():
    query, positive = torch.eye(2), torch.eye(2)
    equal = in_batch_softmax(
        query[:, :], positive, torch.tensor([1, 2]), torch.log(torch.tensor([0.5, 0.5])), 1.0
    )
    corrected = in_batch_softmax(
        query, positive, torch.tensor([1, 2]), torch.log(torch.tensor([0.1, 0.9])), 1.0
    )
    first_row = -np.log(np.exp(1) / 0.1 / (np.exp(1) / 0.1 + 1 / 0.9))
    second_row = -np.log(np.exp(1) / 0.9 / (np.exp(1) / 0.9 + 1 / 0.1))
    assert corrected.item() == pytest.approx((first_row + second_row) / 2, abs=1e-6)
    assert equal.item() == pytest.approx(-np.log(np.e / (np.e + 1)), abs=1e-6)


def test_unknown_tokens_are_counted_by_text_and_over_all():
    texts = ["物流太慢了", "delivery was slow", ""]
    encoder = TextEncoder.load("", 48, 0)
    shares = encoder.unknown_shares(texts)
    assert shares[0] > 0.3 and shares[1:].tolist() == [0, 0]
    tokens = [len(ids) - 2 for ids in encoder.tokenize(texts)]
    assert encoder.unknown_share(texts) == np.average(shares, weights=tokens)
    assert encoder.unknown_share([]) == 0
