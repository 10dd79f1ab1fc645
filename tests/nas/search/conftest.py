"""The module of a search on a formula, found by tests and by their workers under the same name."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture
def searching(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield importlib.import_module("searching")
    sys.modules.pop("searching", None)
