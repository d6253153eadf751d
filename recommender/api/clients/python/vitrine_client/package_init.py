"""Client of the REST API of Vitrine."""

from . import models
from .batching import EventBatch
from .client import AuthenticatedClient, Client
from .failures import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreachable,
    VitrineError,
)
from .version import __version__
from .vitrine import Vitrine

__all__ = (
    "ApiError",
    "AuthenticatedClient",
    "BadRequest",
    "Client",
    "Conflict",
    "EventBatch",
    "Forbidden",
    "NotFound",
    "RateLimited",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Vitrine",
    "VitrineError",
    "__version__",
    "models",
)
