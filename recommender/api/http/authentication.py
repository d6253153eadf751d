"""API key authentication and scopes."""

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recommender.api.http.key_cache import find_key
from recommender.models import ApiKey


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY`; request.auth is the ApiKey, request.auth.shop its shop."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != b"bearer":
            raise AuthenticationFailed("Send the key as: Authorization: Bearer KEY")
        key = key_of(parts[1].decode("latin-1"))
        request._request.key_prefix = key.prefix
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def key_of(secret: str) -> ApiKey:
    """The API key of a header. Raises AuthenticationFailed where it is unknown or expired."""
    key = find_key(secret)
    if key is None:
        raise AuthenticationFailed("This key is not known.")
    if key.expired:
        raise AuthenticationFailed(f"This key expired on {key.expires_at:%Y-%m-%d}.")
    return key


class HasScope(BasePermission):
    """Permission: the key holds the view's scope for this method.

    Public keys reach only views that are open to pages.
    """

    def has_permission(self, request: Request, view) -> bool:
        if request.auth is None:
            return False
        method = "GET" if request.method == "HEAD" else request.method
        if not hasattr(view, method.lower()):
            return True  # a 405 follows
        scope = view.scopes.get(method, view.scopes.get("*"))
        if request.auth.is_public and not getattr(view, "open_to_pages", False):
            self.message = "A public key cannot make this call; it sends events and shows lists."
            return False
        self.message = f"This key lacks the scope {scope}."
        return request.auth.allows(scope)
