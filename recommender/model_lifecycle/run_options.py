"""Options of a run: names that its fields may hold, the version it starts from, its overrides."""

from django.conf import settings

from recommender.inference import checkpoint_files, training_options
from recommender.model_lifecycle.errors import RunFailed
from recommender.models import ModelVersion, Shop, TrainingRun

VERSION_PARTS = {"encoder": "encoder", "checkpoint": ""}
"""Kinds of fields that may hold a version of the shop -> the part of its checkpoint."""


def check_names(shop: Shop, overrides: dict) -> None:
    """Raises InvalidConfig where a field names a folder, file or code that is not allowed.

    Allowed are the shop's own versions (`v12`) and what the operator's settings list. Several shops
    share a deployment: a key or a form must not reach another shop's models, the host's files, or
    code.
    """
    for field, (kind, name) in training_options.names_outside(flat(overrides)).items():
        if name in settings.VITRINE_TRAINING_NAMES or (
            kind == "encoder" and name in (training_options.MULTILINGUAL, settings.VITRINE_ENCODER)
        ):
            continue
        if kind in VERSION_PARTS and (number := version_number(name)) is not None:
            if shop.versions.filter(number=number).exists():
                continue
            raise training_options.InvalidConfig(
                f"{field}: there is no version {name} in this shop"
            )
        raise training_options.InvalidConfig(
            f"{field}: {name[:60]!r} is not allowed; the operator's setting "
            "VITRINE_TRAINING_NAMES lists what may be named"
        )


def version_number(name: str) -> int | None:
    """Parse the name of a version: `v12` gives 12, anything else None."""
    digits = name.removeprefix("v")
    return (
        int(digits)
        if name.startswith("v") and digits.isascii() and digits.isdigit() and len(digits) < 10
        else None
    )


def starts_from(run: TrainingRun) -> ModelVersion | None:
    """The version that a run starts from, or is compared with."""
    if training_options.starts_from_newest_encoder(run.recipe):
        return newest_encoder(run.shop)
    return run.shop.champion(training_options.purpose_of(run.recipe))


def newest_encoder(shop: Shop) -> ModelVersion | None:
    """The encoder that was promoted last, by itself or with the ranking that it serves."""
    champions = [
        version
        for purpose in ("encoder", "ranking")
        if (version := shop.champion(purpose)) and version.run.recipe != "mlm"
    ]
    with_one = [
        version
        for version in champions
        if (checkpoint_files.checkpoint_path(version.folder) / "encoder").exists()
    ]
    return max(
        with_one, key=lambda version: version.promoted_at or version.created_at, default=None
    )


def overrides_of(run: TrainingRun, champion: ModelVersion | None) -> dict:
    """The run's fields with the shop's encoder; `v12` becomes the folder of that version.

    Raises RunFailed where the shop has no such version.
    """
    fields = flat(run.overrides)
    if settings.VITRINE_ENCODER and not training_options.starts_from_newest_encoder(run.recipe):
        fields.setdefault("text.encoder", settings.VITRINE_ENCODER)
    recipe = training_options.declared(run.recipe)
    if recipe is not None and recipe.teacher and champion:
        fields.setdefault("teacher", str(champion))
    for name, (kind, value) in training_options.names_outside(fields).items():
        number = version_number(value) if kind in VERSION_PARTS else None
        if number is not None:
            version = run.shop.versions.filter(number=number).first()
            if version is None:
                raise RunFailed(f"{name}: there is no version v{number} in this shop")
            folder = checkpoint_files.checkpoint_path(version.folder)
            fields[name] = str(folder / VERSION_PARTS[kind])
    return fields


def flat(overrides: dict, prefix: str = "") -> dict:
    """{"text": {"steps": 5}} as {"text.steps": 5}."""
    out = {}
    for name, value in overrides.items():
        out |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return out


PROMOTE = ("ask", "if-better", "if-not-worse", "never", "always")
"""if-better: promote what is better by more than chance; if-not-worse: what is not worse and has
learned newer days, as nightly training does.
"""
