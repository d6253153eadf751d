"""A/B tests between models at one placement: a shopper always gets the same arm.

    {"key": "home-2026-11", "arms": [{"name": "A", "share": 0.5, "model_version": null},
                                     {"name": "B", "share": 0.5, "model_version": "fusion@3"}]}

The arm follows from a hash of the experiment's key and the shopper (or the session), so no
assignment has to be stored, and two experiments assign independently.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
ARM = re.compile(r"[A-Za-z0-9_-]{1,20}")
MOST_ARMS = 10


class ExperimentError(ValueError):
    """An invalid experiment; `field` is its place, such as experiment.arms[1].share."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True)
class Arm:
    """The arm of a shopper in the experiment of a placement.

    version: primary key of a model version; None: the placement's own model
    """

    experiment: str
    name: str
    version: int | None

    @property
    def label(self) -> str:
        """The arm in one word, as exposures hold it: home-2026-11:B."""
        return f"{self.experiment}:{self.name}"

    def named(self) -> dict[str, str]:
        """The arm as a reply names it."""
        return {"key": self.experiment, "arm": self.name}


def check_experiment(value: Any, versions: Mapping[str, int]) -> dict[str, Any]:
    """The stored form of an experiment. versions: primary keys of ranking versions by label.

    Raises ExperimentError.
    """
    if not isinstance(value, Mapping) or value.keys() - {"key", "arms"}:
        raise ExperimentError("experiment", "must be an object with key and arms")
    key, arms = value.get("key"), value.get("arms")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise ExperimentError("experiment.key", "must be small letters, digits, - and _")
    if not isinstance(arms, list) or not 2 <= len(arms) <= MOST_ARMS:
        raise ExperimentError("experiment.arms", f"must be a list of 2 to {MOST_ARMS} arms")
    stored = [_arm(arm, versions, f"experiment.arms[{i}]") for i, arm in enumerate(arms)]
    if len({arm["name"] for arm in stored}) < len(stored):
        raise ExperimentError("experiment.arms", "must have different names")
    total = sum(arm["share"] for arm in stored)
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ExperimentError("experiment.arms", f"shares add up to {total:g}, not to 1")
    return {"key": key, "arms": stored}


def _arm(arm: Any, versions: Mapping[str, int], at: str) -> dict[str, Any]:
    if not isinstance(arm, Mapping) or arm.keys() - {"name", "share", "model_version"}:
        raise ExperimentError(at, "must be an object with name, share and model_version")
    name, share, label = (arm.get(field) for field in ("name", "share", "model_version"))
    if not isinstance(name, str) or not ARM.fullmatch(name):
        raise ExperimentError(f"{at}.name", "must be 1 to 20 letters, digits, - and _")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ExperimentError(f"{at}.share", "must be a number from 0 to 1")
    if label is not None and label not in versions:
        message = f"{str(label)[:40]!r} is not a ranking version of this shop"
        raise ExperimentError(f"{at}.model_version", message)
    return {"name": name, "share": share, "model_version": label, "version": versions.get(label)}


def arm_of(experiment: Mapping[str, Any], visitor: str | None) -> Arm | None:
    """The arm of a shopper or session; None without an experiment, or for nobody in particular."""
    if not experiment or not visitor:
        return None
    key = experiment["key"]
    digest = hashlib.blake2b(f"{key}\x00{visitor}".encode(), digest_size=8).digest()
    point, upper = int.from_bytes(digest) / 2**64, 0.0
    arms = experiment["arms"]
    for arm in arms:
        upper += arm["share"]
        if point < upper:
            return Arm(key, arm["name"], arm["version"])
    return Arm(key, arms[-1]["name"], arms[-1]["version"])
