"""Which tests run in one process one after the other, where there are several processes."""

from xdist.scheduler import LoadScopeScheduling

# These share the OrderFlow that tests/flows/conftest.py starts: two of them are enough.
SHARED_SHOPS = {
    "tests/flows/test_commands.py": "first shop",
    "tests/flows/test_data_folder.py": "first shop",
    "tests/flows/test_forged_events.py": "first shop",
    "tests/flows/test_race.py": "first shop",
    "tests/flows/test_seed.py": "first shop",
    "tests/flows/test_client.py": "second shop",
    "tests/flows/test_injection.py": "second shop",
    "tests/flows/test_lifecycle.py": "second shop",
    "tests/flows/test_overview.py": "second shop",
    "tests/flows/test_paths.py": "second shop",
    "tests/flows/test_redrive.py": "second shop",
}
# The tests of these share nothing that takes long to start: each goes where there is time.
SPREAD = {"tests/conformance/test_dispatcher.py", "tests/flows/test_graceful_shutdown.py"}


class ByWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """A file at a time, because the tests of a file share what takes long to start."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return nodeid if path in SPREAD else SHARED_SHOPS.get(path, path)
