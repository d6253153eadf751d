"""Texts in other words, and mistyped ones."""

import numpy as np
import pytest

from training.configuration.fields import ConfigError
from training.configuration.tuning import TuningConfig
from training.finetuning.augmentation import (
    disturbed,
    drop_words,
    make_augment,
    replace_words,
    shuffle_parts,
    typos,
)

TEXT = "Red glass lantern. Lightworks. Home Lighting"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def upper(texts: list[str]) -> list[str]:
    return [t.upper() for t in texts]


def short(texts: list[str]) -> list[str]:
    return texts[:-1]


def test_nothing_is_changed_unless_asked():
    assert make_augment(TuningConfig()) is None


def test_word_dropout_keeps_the_order_and_at_least_one_word():
    stored = drop_words(TEXT, 0.9, rng()).split()
    words = TEXT.split()
    assert stored and [w for w in words if w in stored] == stored
    assert drop_words("lantern", 0.9, rng()) == "lantern"
    assert len(
        " ".join(drop_words(TEXT, 0.5, rng(s)) for s in range(200)).split()
    ) == pytest.approx(200 * 6 * 0.5 + 100, rel=0.1)


def test_parts_change_places_and_stay_whole():
    seen = {shuffle_parts(TEXT, rng(s)) for s in range(30)}
    assert len(seen) == 6 and all(
        sorted(s.replace(".", "").split()) == sorted(TEXT.replace(".", "").split()) for s in seen
    )


def test_synonyms_come_from_a_file(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("lantern, lamp\nred, crimson\n")
    augment = make_augment(TuningConfig(synonyms=0.9, synonym_file=str(path)))
    assert any("lamp" in augment(["red lantern"], rng(s))[0] for s in range(5))
    with pytest.raises(ConfigError, match="synonym_file"):
        make_augment(TuningConfig(synonyms=0.5, synonym_file=str(tmp_path / "missing.txt")))


def test_near_words_are_the_encoders_own(monkeypatch):
    from training.encoders.bert import TextEncoder

    augment = make_augment(TuningConfig(synonyms=0.9), TextEncoder.load("", 16))
    changed = {augment(["lanterns"], rng(s))[0] for s in range(20)}
    assert "lantern" in changed
    assert replace_words("unknownword", {}, 0.9, rng()) == "unknownword"


def test_back_translation_is_a_plug_in():
    augment = make_augment(
        TuningConfig(back_translation=f"{__name__}:upper", back_translation_share=1.0)
    )
    assert augment(["red", "blue"], rng()) == ["RED", "BLUE"]
    with pytest.raises(ConfigError, match="back_translation: gave 1 texts for 2"):
        make_augment(
            TuningConfig(back_translation=f"{__name__}:short", back_translation_share=1.0)
        )(["red", "blue"], rng())
    with pytest.raises(ConfigError, match=r"must be module:function"):
        make_augment(TuningConfig(back_translation="nowhere"))


def test_disturbances_are_repeatable_and_small():
    assert disturbed([TEXT], "typos", 3) == disturbed([TEXT], "typos", 3)
    assert disturbed([TEXT], "case", 3) == [TEXT.upper()]
    mistyped = typos("lantern", rng(), share=1.0)
    assert (
        mistyped != "lantern"
        and mistyped[0] == "l"
        and mistyped[-1] == "n"
        and abs(len(mistyped) - 7) <= 1
    )
