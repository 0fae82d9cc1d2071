# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code brought by a real rsync from the lead, through the forced command that the lead has for it."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.code import Brought, bring
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import Settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

# Stands for ssh and the lead's sshd: the account gets rrsync, whatever it asks for.
LEAD = """#!/bin/sh
while [ "$1" != 192.0.2.1 ]; do shift; done
shift
SSH_ORIGINAL_COMMAND="$*" exec rrsync -ro {root}
"""


class Pair:
    """A lead and another web host; commands that were run, and what rsync said."""

    def __init__(self, folder: Path) -> None:
        self.lead, self.here = folder / "lead", folder / "here"
        self.ssh = folder / "ssh"
        self.ssh.write_text(LEAD.format(root=self.lead))
        self.ssh.chmod(0o755)
        self.settings = Settings(
            host="web2",
            hosts=["web1", "web2"],
            lead="web1",
            lead_address="192.0.2.1",
            lead_port=22,
            document_root=str(self.here),
            database_host="localhost",
            share="/share",
        )
        self.commands: list[list[str]] = []
        self.here.mkdir()
        for name, content in {
            "bitrix/.settings.php": "<?php // settings",
            "bitrix/php_interface/dbconn.php": "<?php // dbconn",
            "bitrix/modules/main/include.php": "<?php // kernel",
            "index.php": "<?php // index",
        }.items():
            self.write(self.lead, name, content)

    @staticmethod
    def write(root: Path, name: str, content: str = "x") -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)

    def run(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        self.commands.append(list(command))
        led = [f"--rsh={self.ssh}" if part.startswith("--rsh=") else part for part in command]
        done = subprocess.run(led, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
        return done.returncode, done.stdout, done.stderr

    def bring(self, look_only: bool = False) -> Brought:
        return bring(self.settings, "/key", self.run, look_only)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.here)) for path in self.here.rglob("*") if not path.is_dir()}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_all_code_comes_and_then_nothing_differs(pair: Pair) -> None:
    assert pair.bring().changed == 4
    assert (pair.here / "bitrix/.settings.php").read_text() == "<?php // settings"
    assert pair.bring() == Brought()
    assert pair.bring(look_only=True) == Brought()


def test_what_the_lead_has_removed_goes(pair: Pair) -> None:
    pair.bring()
    pair.write(pair.here, "local/added/here.php")
    (pair.lead / "index.php").unlink()
    found = pair.bring()
    assert not (pair.here / "index.php").exists() and not (pair.here / "local").exists()
    assert found.changed == found.removed == 4  # two files and two folders


def test_a_settings_file_that_the_lead_has_removed_goes(pair: Pair) -> None:
    pair.write(pair.lead, "bitrix/.settings_extra.php")
    pair.bring()
    (pair.lead / "bitrix/.settings_extra.php").unlink()
    assert pair.bring() == Brought(1, 1, ("bitrix/.settings_extra.php",))
    assert not (pair.here / "bitrix/.settings_extra.php").exists()


def test_what_differs_is_named_and_not_touched(pair: Pair) -> None:
    pair.bring()
    pair.write(pair.here, "index.php", "<?php // somebody was here")
    pair.write(pair.lead, "new.php")
    found = pair.bring(look_only=True)
    assert (found.changed, found.removed, set(found.names)) == (2, 0, {"index.php", "new.php"})
    assert (pair.here / "index.php").read_text().endswith("was here") and not (pair.here / "new.php").exists()
    pair.bring()
    assert (pair.here / "index.php").read_text() == "<?php // index"


def test_uploads_and_caches_stay_as_they_are(pair: Pair) -> None:
    for name in ("upload/a.jpg", "bitrix/cache/x/y", "bitrix/managed_cache/z", "bitrix/backup/b.tar"):
        pair.write(pair.lead, name, "lead")
    pair.bring()
    assert not any(name.startswith(("upload", "bitrix/cache", "bitrix/backup")) for name in pair.files())
    pair.write(pair.here, "bitrix/cache/own/page", "here")
    pair.write(pair.here, "upload/own.jpg", "here")
    assert pair.bring() == Brought()
    assert (pair.here / "bitrix/cache/own/page").exists() and (pair.here / "upload/own.jpg").exists()


def test_a_link_to_the_share_comes(pair: Pair, tmp_path: Path) -> None:
    """And leads to the uploads of another generation, once the lead's does."""
    (pair.lead / "upload").symlink_to("/share/uploads/upload-1")
    pair.bring()
    assert os.readlink(pair.here / "upload") == "/share/uploads/upload-1"
    (pair.lead / "upload").unlink()
    (pair.lead / "upload").symlink_to("/share/uploads/upload-2")
    assert pair.bring().changed == 1
    assert os.readlink(pair.here / "upload") == "/share/uploads/upload-2"


def test_settings_come_after_the_code(pair: Pair) -> None:
    pair.bring()
    copies = [command for command in pair.commands if "--delay-updates" in command]
    code, settings = copies
    assert "--exclude=/bitrix/.settings.php" in code and "--include=/bitrix/.settings.php" in settings
    assert settings[-3] == "--exclude=*"
    # A file is whole before it has its name.
    assert all("--delay-updates" in command and "--inplace" not in command for command in copies)


def test_an_empty_lead_removes_nothing(pair: Pair) -> None:
    """As while a restore has taken the old tree away, or the disk was not mounted."""
    pair.bring()
    before = pair.files()
    for path in sorted(pair.lead.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(BoxliftError, match="web1 shows no portal in .*: nothing was brought or removed"):
        pair.bring()
    assert pair.files() == before


def test_a_lead_that_does_not_answer_removes_nothing(pair: Pair) -> None:
    pair.bring()
    before = pair.files()
    pair.ssh.write_text("#!/bin/sh\necho 'Connection refused' >&2\nexit 255\n")
    with pytest.raises(BoxliftError, match=r"rsync ended with (12|255) and said: Connection refused"):
        pair.bring()
    assert pair.files() == before


def test_the_lead_lets_nobody_write_and_shows_nothing_else(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    for command in (
        ["rsync", f"--rsh={pair.ssh}", str(tmp_path / "outside"), "boxlift-code@192.0.2.1:/"],
        ["rsync", f"--rsh={pair.ssh}", "boxlift-code@192.0.2.1:/../outside", str(tmp_path / "got")],
        [str(pair.ssh), "192.0.2.1", "cat", str(tmp_path / "outside")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "secret" not in done.stdout
    assert not (pair.lead / "outside").exists() and not (tmp_path / "got").exists()


def test_how_the_lead_is_reached(pair: Pair) -> None:
    pair.bring()
    (rsh,) = {part for command in pair.commands for part in command if part.startswith("--rsh=")}
    assert rsh.startswith("--rsh=ssh -F none -i /key -p 22 ")
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "HostKeyAlias=web1", "IdentitiesOnly=yes"):
        assert f"-o {option}" in rsh
    assert "UserKnownHostsFile=/etc/boxlift-web/known_hosts" in rsh
