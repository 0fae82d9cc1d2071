# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terminal as text: nothing reaches the disk before the journal has learned what is secret in it."""

from __future__ import annotations

import hashlib
import logging
import types
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.journal.redact import Redactor
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.recording import Recording, listen


def test_a_secret_that_is_learned_after_it_was_shown_is_masked(tmp_path: Path) -> None:
    redactor = Redactor()
    display = types.SimpleNamespace(logger=None)
    recording = Recording(redactor.text)
    listen(recording, display)
    recording.open(str(tmp_path / "recordings/one.txt"))
    file = Path(recording.path)
    display.logger.info("TASK [Log in]")
    display.logger.info("canary-1234 was typed, 100 % of it")
    assert file.read_bytes() == b""
    redactor.learn({"portal_password": "canary-1234"})
    recording.keep()
    assert file.read_text() == "TASK [Log in]\n******** was typed, 100 % of it\n"
    proof = recording.proof()
    assert proof == {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": 46}
    display.logger.warning("more")
    recording.keep()
    recording.keep()
    # What is written later leaves the proof of the first bytes as it was.
    assert file.read_bytes()[46:] == b"more\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_before_it_is_known_to_be_wanted(tmp_path: Path) -> None:
    recording = Recording(str)
    recording.handle(logging.makeLogRecord({"msg": "before"}))
    recording.keep()
    recording.open(str(tmp_path / "one.txt"))
    recording.keep()
    assert (tmp_path / "one.txt").read_text() == "before\n"


def test_a_run_that_is_not_kept_is_not_held_either(tmp_path: Path) -> None:
    recording = Recording(str)
    recording.handle(logging.makeLogRecord({"msg": "before"}))
    recording.drop()
    recording.handle(logging.makeLogRecord({"msg": "behind"}))
    recording.open(str(tmp_path / "one.txt"))
    recording.keep()
    assert (tmp_path / "one.txt").read_text() == ""


def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("another run")
    with pytest.raises(FileExistsError):
        Recording(str).open(str(tmp_path / "one.txt"))


def test_ansible_s_own_log_goes_on(tmp_path: Path) -> None:
    own = logging.Logger("ansible", logging.DEBUG)
    display = types.SimpleNamespace(logger=own)
    recording = Recording(str)
    listen(recording, display)
    assert display.logger is own
    assert recording in own.handlers
