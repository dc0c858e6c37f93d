"""Functions called in-process over ASGI, on a real database and broker."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from functions_framework.aio import create_asgi_app_from_module

from orderflow import batch, config, outbox

FUNCTIONS = Path(__file__).parents[2] / "functions"


@pytest.fixture(scope="session", autouse=True)
def environment(postgres: str, broker: str) -> Iterator[None]:
    """The environment of a function, and nothing cached from another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
        for cached in (config.settings, batch.worker, outbox.outbox):
            cached.cache_clear()
        yield


@cache
def module_of(function: str) -> ModuleType:
    """Load a function's main.py as functions-framework does, under a name of its own."""
    path = FUNCTIONS / function / "main.py"
    spec = importlib.util.spec_from_file_location(f"{function}_main", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def client_of(function: str) -> httpx.AsyncClient:
    """Return a client of one function."""
    source = str(FUNCTIONS / function / "main.py")
    app = create_asgi_app_from_module(function, source, "http", module_of(function), None)
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://orderflow")
