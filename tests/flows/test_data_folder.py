"""The folder of `--data` is nobody's but its user's, and leads nowhere else."""

import os
import pwd
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.commands import refused_up, said
from tests.support.local_runtime import runtime
from tests.support.shop import Shop

NAMES = ["runtime.json", "runtime.json.new", "runtime.lock", "postgres", "postgres.new", "logs"]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's folder")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that must stay as it is."""
    path = tmp_path / "secret"
    path.write_text("untouched")
    path.chmod(0o600)
    return path


@pytest.fixture
def trap(tmp_path: Path, secret: Path) -> Path:
    """A folder in which every name that is used leads to that file."""
    folder = tmp_path / "trap"
    folder.mkdir(mode=0o755)
    for name in NAMES:
        (folder / name).symlink_to(secret)
    return folder


def untouched(secret: Path) -> bool:
    return (secret.read_text(), secret.stat().st_mode & 0o777) == ("untouched", 0o600)


@as_root
def test_folder_of_another_user_full_of_links_is_refused(trap: Path, secret: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(trap, nobody.pw_uid, nobody.pw_gid)

    refused = refused_up("--data", trap)

    assert said(refused) == f"{trap} belongs to another user: choose another folder"
    assert untouched(secret)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o722])
def test_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)

    assert said(refused_up("--data", folder)).startswith(f"other users may write to {folder}: ")


def test_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")

    refused = refused_up("--data", tmp_path / "link")

    assert said(refused) == f"{tmp_path / 'link'} is no folder that this user can have"
    assert list((tmp_path / "own").iterdir()) == []


def test_links_in_a_folder_of_ones_own_are_not_followed(trap: Path, secret: Path) -> None:
    said(refused_up("--data", trap))

    assert untouched(secret)


@pytest.mark.parametrize("name", ["logs/echo.log", "runtime.json.new"])
def test_no_file_of_the_runtime_is_written_through_a_link(
    tmp_path: Path, secret: Path, name: str
) -> None:
    link = tmp_path / "data" / name
    link.parent.mkdir(parents=True, mode=0o700)
    (tmp_path / "data").chmod(0o700)
    link.symlink_to(secret)

    with suppress(AssertionError), runtime(tmp_path):  # it may also refuse to start
        pass

    assert untouched(secret)


@pytest.mark.any_broker
def test_nobody_else_reads_what_a_running_stack_keeps(shop: Shop) -> None:
    modes = {path: path.lstat().st_mode & 0o777 for path in shop.data.rglob("*")}

    assert shop.data.stat().st_mode & 0o777 == 0o700
    open_to_others = [
        path
        for path, mode in modes.items()
        if mode & 0o077 and not path.is_socket() and not path.is_dir()
    ]
    assert open_to_others == []
    assert (shop.data / "logs").stat().st_mode & 0o777 == 0o700
