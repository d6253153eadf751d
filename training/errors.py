"""Errors that end a training run, with a message for people."""


def need(condition: bool, message: str) -> None:
    if not condition:
        raise TrainingError(message)


class TrainingError(RuntimeError):
    """The run cannot go on; the message says what is missing or where it broke."""
