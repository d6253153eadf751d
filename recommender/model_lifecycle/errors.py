"""Errors that end a training run."""


class RunFailed(RuntimeError):
    """The run failed; the message is for merchandisers."""


class RunCancelled(Exception):
    """The run was canceled by a user or by the API."""
