"""How a training run ends early."""


class RunFailed(RuntimeError):
    """The run cannot go on; the message is for the merchandiser."""


class RunCancelled(Exception):
    """Someone asked to stop the run."""
