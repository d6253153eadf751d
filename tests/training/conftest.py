"""Tests of the library need neither servers nor Django: `pytest -p no:django tests/training`."""

import pytest


@pytest.fixture(autouse=True)
def _own_settings():
    """Replaces the fixture of the application."""


@pytest.fixture(autouse=True)
def _fresh_process():
    """Replaces the fixture of the application."""
