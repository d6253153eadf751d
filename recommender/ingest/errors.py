"""Errors of values in files and requests."""


class FieldError(ValueError):
    """A value that is refused: its field, and the reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message
