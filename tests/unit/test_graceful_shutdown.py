"""A stop, however long it takes, is over before something kills what still runs."""

from knative_local.http_client.client import GO_KEEPS_S, VERTX_KEEPS_S
from knative_local.manifests.loader import load_manifests
from knative_local.supervisor.spec import DEFAULT_GRACE_S
from orderflow.server.graceful_shutdown import (
    BUSY_S,
    FINISH_S,
    KEEP_ALIVE_S,
    LAME_DUCK_S,
    LEAVING_KEEP_ALIVE_S,
    QUIET_MARGIN_S,
    watch,
)
from orderflow_cli.project import CHECKOUT, MANIFESTS

LEAVING_S = 1.0  # uvicorn's own way out, once nothing is left to do


def test_longest_stop_fits_into_every_grace() -> None:
    longest_s = LAME_DUCK_S + LEAVING_KEEP_ALIVE_S + QUIET_MARGIN_S + BUSY_S + FINISH_S + LEAVING_S

    graces_s = [s.revision.timeout_seconds for s in load_manifests([CHECKOUT / MANIFESTS]).services]
    assert longest_s < min(DEFAULT_GRACE_S, *graces_s)


def test_callers_end_idle_connections_before_the_function_does() -> None:
    assert max(GO_KEEPS_S, VERTX_KEEPS_S) < KEEP_ALIVE_S


def test_process_that_serves_nothing_keeps_its_signals() -> None:
    assert watch() is None
