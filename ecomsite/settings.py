"""Django settings from the environment, validated at start."""

import os
import secrets
from datetime import timedelta
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from ecomsite import embedded
from recommender.infrastructure.proxies import networks_of

BASE_DIR = Path(__file__).resolve().parent.parent

# All state of this installation: database, queue, checkpoints, logs.
VITRINE_HOME = Path(os.environ.get("VITRINE_HOME", BASE_DIR / "var")).resolve()
# Checkpoint folders; several hosts may share it.
VITRINE_CHECKPOINTS = Path(
    os.environ.get("VITRINE_CHECKPOINTS", VITRINE_HOME / "checkpoints")
).resolve()
# Search indexes of this host, on a local disk; hosts do not share it.
VITRINE_INDEXES = Path(os.environ.get("VITRINE_INDEXES", VITRINE_HOME / "search")).resolve()
# A Hugging Face folder or name of a BERT; empty: the packaged MiniLM.
VITRINE_ENCODER = os.environ.get("VITRINE_ENCODER", "")
# Names that trainings of REST and the console may use, in addition to the shop's versions:
# encoders, synonym files, functions for back-translation
# (module:function), with commas between. `manage.py train` may name anything.
VITRINE_TRAINING_NAMES = frozenset(
    name.strip() for name in os.environ.get("VITRINE_TRAINING_NAMES", "").split(",") if name.strip()
)
# Label in the console's header: LIVE, STAGING or DEMO.
VITRINE_ENVIRONMENT = os.environ.get("VITRINE_ENVIRONMENT", "LIVE")


def _flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "1" if default else "0").lower()
    if value not in ("0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ImproperlyConfigured(f"{name}={value!r} is neither on nor off")
    return value in ("1", "true", "yes", "on")


def _number(name: str, default: float) -> float:
    try:
        value = float(os.environ.get(name, default))
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ImproperlyConfigured(f"{name}={os.environ[name]!r} is not a number above 0")
    return value


def _stored_secret(name: str) -> str:
    """A random secret, created once below VITRINE_HOME and readable only by this user."""
    path = VITRINE_HOME / name
    if not path.exists():
        VITRINE_HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            os.write(handle, secrets.token_urlsafe(50).encode())
            os.close(handle)
        except FileExistsError:
            pass  # another process was first
    return path.read_text()


# Debug pages; never on in a shop.
DEBUG = _flag("DEBUG")
# Signs sessions.
SECRET_KEY = os.environ.get("SECRET_KEY") or _stored_secret("secret_key")
# Host names that may be served.
ALLOWED_HOSTS = [
    h for h in os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",") if h
]
# Origins whose forms are trusted behind a TLS proxy.
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("CSRF_TRUSTED_ORIGINS", "").split(",") if o]

# Addresses and networks of reverse proxies, with commas between; only their X-Forwarded-For and
# X-Forwarded-Proto count.
try:
    TRUSTED_PROXIES = networks_of(os.environ.get("TRUSTED_PROXIES", ""))
except ValueError as error:
    raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from None
# Networks that webhooks may reach although they are not public, with commas between, over HTTP too.
try:
    VITRINE_WEBHOOK_NETWORKS = networks_of(os.environ.get("VITRINE_WEBHOOK_NETWORKS", ""))
except ValueError as error:
    raise ImproperlyConfigured(f"VITRINE_WEBHOOK_NETWORKS: {error}") from None
# The console is reached over HTTPS: cookies are Secure and HSTS is sent. Off for plain HTTP on a
# private network.
VITRINE_HTTPS = _flag("VITRINE_HTTPS", True)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = VITRINE_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
# Sent with replies over HTTPS alone.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if VITRINE_HTTPS else 0

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "recommender.console.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_celery_beat",
    "axes",
    "recommender",
]

MIDDLEWARE = [
    "recommender.infrastructure.middleware.Observed",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "recommender.infrastructure.middleware.ContentSecurity",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "recommender.infrastructure.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "recommender.infrastructure.middleware.Forgery",
    "recommender.infrastructure.middleware.SignedIn",
    "recommender.infrastructure.middleware.Messages",
    "recommender.infrastructure.middleware.Htmx",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ecomsite.urls"
WSGI_APPLICATION = "ecomsite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# PostgreSQL; unset: the embedded one below VITRINE_HOME.
DATABASE_URL = os.environ.get("DATABASE_URL", "")
if DATABASE_URL:
    DATABASES = {
        "default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)
    }
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
    if "postgresql" not in DATABASES["default"]["ENGINE"]:
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database")
else:
    _dsn = embedded.postgres_dsn(VITRINE_HOME)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _dsn["dbname"],
            "USER": _dsn["user"],
            "HOST": _dsn["host"],
            "PORT": _dsn["port"],
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": 3},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis or Valkey for the queue; unset: the embedded one below VITRINE_HOME.
REDIS_URL = os.environ.get("REDIS_URL", "") or embedded.valkey_url(VITRINE_HOME)

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Above the longest run: a task that is still at work must not be delivered again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 24 * 3600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "recommender.tasks.train": {"queue": "train"},
    "recommender.tasks.score_*": {"queue": "score"},
    "recommender.tasks.judge_*": {"queue": "score"},
    "recommender.tasks.update_*": {"queue": "score"},
    "recommender.tasks.deliver_webhook*": {"queue": "webhooks"},
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

# Five wrong passwords of one name from one address, and neither is tried again for a quarter of an
# hour.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT, AXES_COOLOFF_TIME = 5, timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "recommender.infrastructure.proxies.client_of"
AXES_LOCKOUT_CALLABLE = "ecomsite.errors.locked_out"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}
]
# Messages of the console may hold a secret that is shown once: in the session, not in a cookie.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_FAILURE_VIEW = "ecomsite.errors.csrf_failure"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VITRINE_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Served lists are written by a thread of their own, some times a second; tests write them when they
# look.
VITRINE_WRITES_BEHIND = True

# Largest request body, in bytes; larger ones are refused with 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
# Seconds within which a request's body has to arrive; a later one is refused with 408.
VITRINE_BODY_SECONDS = _number("VITRINE_BODY_SECONDS", 30)
# Threads of a web process that serve lists and events; slow calls and the console have threads of
# their own.
VITRINE_THREADS = int(_number("VITRINE_THREADS", 2))
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["recommender.api.http.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["recommender.api.http.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["recommender.api.http.throttling.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["recommender.api.http.renderers.FastJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["recommender.api.http.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "recommender.api.http.openapi.Schema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "recommender.api.http.renderers.AlwaysJSON",
    "EXCEPTION_HANDLER": "recommender.api.http.problem_details.problem_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Vitrine",
    "DESCRIPTION": "Recommendations from the shop's own data. Send `Authorization: Bearer KEY`.",
    "VERSION": "1.0.0",  # of the API: the first part is raised where clients break
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "recommender.api.http.openapi.whole",
    ],
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RunStatus": "recommender.models.registry.RunStatus",
        "VersionStatus": "recommender.models.registry.VersionStatus",
        "EventType": "recommender.models.events.EventType",
        "AttributeType": "recommender.models.product_attributes.AttributeType",
        "RowStatus": ["accepted", "rejected"],
        "AnswerKind": "recommender.models.conversations.ANSWER_KINDS",
        "ConversationState": "recommender.models.conversations.STATES",
    },
}

# How lines of log look: json (an object each) or plain.
LOG_FORMAT = os.environ.get("LOG_FORMAT", "json")
if LOG_FORMAT not in ("json", "plain"):
    raise ImproperlyConfigured(f"LOG_FORMAT={LOG_FORMAT!r} is neither json nor plain")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.orjson.OrjsonFormatter",
            "format": "{asctime}{levelname}{name}{message}{request_id}",
            "style": "{",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
        },
    },
    "filters": {"request_id": {"()": "recommender.infrastructure.request_id.WithRequestId"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # Django's own lines hold the path, and so ids of persons; the access log has the route, and
    # what was not expected.
    "loggers": {
        "django.request": {"level": "CRITICAL"},
        "vitrine.access": {"level": os.environ.get("ACCESS_LOG_LEVEL", "INFO")},
    },
}

# Bearer token of /metrics; unset: generated once, in VITRINE_HOME/metrics_token.
# Mail of alerts; without EMAIL_HOST none is sent.
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = int(_number("EMAIL_PORT", 587))
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "vitrine@localhost")

METRICS_TOKEN = os.environ.get("METRICS_TOKEN") or _stored_secret("metrics_token")

from ecomsite.unfold import UNFOLD  # noqa: E402, F401  the console's shell: colors, sidebar, header
