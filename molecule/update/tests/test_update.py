# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a good update, one that was stopped on the first host, and its way back."""

from __future__ import annotations

import json

from testinfra.host import Host


def notes(host: Host) -> list[dict[str, object]]:
    return [
        json.loads(line) for line in host.file("/var/lib/boxlift/updates/history.jsonl").content_string.splitlines()
    ]


def test_the_good_version_is_installed(host: Host) -> None:
    """On the first host again, and on the second one still: nobody has begun there."""
    assert host.package("lab-web").version == "1.1"


def test_each_update_has_its_line(host: Host) -> None:
    first = host.check_output("hostname") == "box12"
    found = [(line["by"], line["outcome"], line["packages"]) for line in notes(host)]
    assert found == [("playbook", "done", 1)] + ([("playbook", "done", 1), ("back", "done", 1)] if first else [])


def test_what_was_taken_back_is_held(host: Host) -> None:
    first = host.check_output("hostname") == "box12"
    assert host.check_output("apt-mark showhold").split() == (["lab-web"] if first else [])


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
