"""Errors that end a training run."""


def need(condition: bool, message: str) -> None:
    """Raises TrainingError with this message unless the condition holds."""
    if not condition:
        raise TrainingError(message)


class TrainingError(RuntimeError):
    """A training run cannot continue. The message is written for users: what is missing, or what
    failed.
    """
