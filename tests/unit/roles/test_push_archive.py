# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of the push server, with a folder around everything and without."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import pathlib
import tarfile
import typing as t

import pytest
from unit.plugins.playbook import REPOSITORY, run_playbook

PLAYBOOK = """
- name: Unpack
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Role push_server
      ansible.builtin.import_role:
        name: boxlift.portal.push_server
        tasks_from: unpack
    # Without its handlers: there is no service to restart.
    - name: End here
      ansible.builtin.meta: end_play
"""
FLAT = REPOSITORY / "tests" / "unit" / "faults" / "push-flat.tgz"
BARE = {"package.json": "{}", "server.js": "// server"}
NEEDY = {**BARE, "package.json": '{"dependencies": {"ws": "^8"}}'}
WS = {"node_modules/ws/package.json": "{}", "node_modules/ws/server.js": "//"}


def under(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {folder + name: text for name, text in files.items()}


def pack(path: pathlib.Path, files: dict[str, str], mode: str = "w:gz") -> pathlib.Path:
    with tarfile.open(path, t.cast("t.Any", mode)) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o600
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def unpack(tmp_path: pathlib.Path) -> t.Callable[[pathlib.Path], t.Any]:
    """Runs the role's step; what the playbook gave."""

    def run(archive: pathlib.Path) -> t.Any:
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        (tmp_path / "opt" / digest[:12]).mkdir(parents=True, exist_ok=True)
        variables = {
            "push_server_archive": str(archive),
            "push_server_key": "x" * 32,
            "__push_server_root": str(tmp_path / "opt"),
            "__push_server_user": getpass.getuser(),
            "__push_server_file": {"stat": {"checksum": digest}},
        }
        return run_playbook(tmp_path, PLAYBOOK, "-c", "local", "-i", "localhost,", "-e", json.dumps(variables))

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "files, place",
    [
        (None, ""),
        (under("./", BARE), ""),
        (under("push-server/", BARE), "/push-server"),
        ({**under("opt/push/", BARE), **under("opt/push/lib/", BARE)}, "/opt/push"),
        ({**NEEDY, **WS}, ""),
        ({**under("a/", NEEDY), **under("a/", WS), "._a": "x"}, "/a"),
    ],
    ids=["the fault", "dotted", "folder", "two folders", "packages", "packages in a folder"],
)
def test_what_is_a_push_server_runs(
    unpack: t.Any, tmp_path: pathlib.Path, files: dict[str, str] | None, place: str
) -> None:
    archive = FLAT if files is None else pack(tmp_path / "push.tgz", files)
    done = unpack(archive)
    assert done.returncode == 0, done.stdout
    current = tmp_path / "opt" / "current"
    assert current.joinpath("server.js").is_file()
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert str(current.readlink()) == digest[:12] + place
    assert current.joinpath("package.json").stat().st_mode & 0o777 == 0o644
    if place != "/push-server":
        return
    done = unpack(archive)
    assert (done.returncode, "changed=0" in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "files, words",
    [
        ({"readme.txt": "x"}, "is no push server"),
        ({"a/server.js": "x", "b/package.json": "{}"}, "is no push server"),
        (under("push-server/", NEEDY), "needs ws and has no node_modules"),
        ({**NEEDY, **under("other/", WS)}, "needs ws and has no node_modules"),
    ],
)
def test_what_is_none_is_refused(unpack: t.Any, tmp_path: pathlib.Path, files: dict[str, str], words: str) -> None:
    done = unpack(pack(tmp_path / "push.tgz", files))
    assert (done.returncode, words in done.stdout) == (2, True), done.stdout
    assert not (tmp_path / "opt" / "current").exists()
