"""Search configurations: what a result is made with, so that two can be compared."""

from dataclasses import dataclass, replace

from recommender.ingest.parsing import is_number


@dataclass(frozen=True)
class Configuration:
    """Steps of a search that may be left out or replaced.

    meaning, ranker, cross_encoder, understand, synonyms: whether the step is taken
    proposed: primary keys of synonyms that apply although they are not live
    version: primary key of a search version that ranks instead of the champion
    """

    meaning: bool = True
    ranker: bool = True
    cross_encoder: bool = True
    understand: bool = True
    synonyms: bool = True
    proposed: tuple[int, ...] = ()
    version: int | None = None


LIVE = Configuration()
NAMED = {
    "live": ("Live: as shoppers see it", LIVE),
    "fused": ("Without the ranker", replace(LIVE, ranker=False)),
    "no_cross_encoder": ("Without the cross-encoder", replace(LIVE, cross_encoder=False)),
    "words": ("Words alone", replace(LIVE, meaning=False, ranker=False)),
    "plain": ("Without query understanding", replace(LIVE, understand=False)),
    "no_synonyms": ("Without synonyms", replace(LIVE, synonyms=False)),
}
"""Title and configuration by key."""
VERSION = "version-"


def configuration_of(key: str) -> Configuration:
    """The configuration of a key: one of NAMED, or `version-PK`. Raises KeyError."""
    number = key.removeprefix(VERSION)
    if key.startswith(VERSION) and is_number(number):
        return replace(LIVE, version=int(number))
    return NAMED[key][1]
