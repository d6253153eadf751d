"""The door to training/: the only room that imports the library.

It imports it inside functions, because numpy, scipy and lightgbm take seconds to load. Serving
needs no torch.
"""


def forget_everything() -> None:
    """Empty every cache of models, as in a process that has just begun; for tests."""
    from recommender.inference import behaviour_model, checkpoint_files, model_cache

    model_cache.models.clear()
    checkpoint_files.unreadable.clear()
    behaviour_model.behaviour_of.cache_clear()
