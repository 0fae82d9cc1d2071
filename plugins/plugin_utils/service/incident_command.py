# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents by a short command, for people at a telephone. It runs playbook incident in the site's folder.

incident                                  what is open, and who must hear until when
incident open "Mail does not leave"       opens one; a second word says what people notice
incident normal "Search is slow"          the same, where people can work: they hear every 30 minutes, and not every 20
incident note "The relay refuses us"      what is new; with several open ones: incident note 7 "The relay refuses us"
incident told anna ravi                   these people have just heard it by telephone
incident hand ravi                        somebody else is at it
incident close "Disk was full" "Log files removed"     its cause, and what was done
incident alerts < FILE                    what Alertmanager has posted
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

Variables = dict[str, t.Any]


def variables(words: t.Sequence[str], piped: t.Callable[[], str]) -> Variables | None:
    """What the words mean to the playbook; None where they mean nothing. `piped` gives the path of what is piped in."""
    what, *rest = words or ["list"]
    number: Variables = {}
    if what in ("note", "told", "hand", "close") and rest and rest[0].isdigit():
        number, rest = {"incident_number": int(rest[0])}, rest[1:]
    if what == "list" and not rest:
        return {"incident_action": "list"}
    if what in ("open", "normal") and 1 <= len(rest) <= 2:
        users = {"incident_users": rest[1]} if len(rest) == 2 else {}
        kind = "critical" if what == "open" else "normal"
        return {"incident_action": "open", "incident_class": kind, "incident_title": rest[0], **users}
    if what == "note" and len(rest) == 1:
        return {"incident_action": "note", "incident_text": rest[0], **number}
    if what == "told" and rest:
        return {"incident_action": "note", "incident_told": list(rest), **number}
    if what == "hand" and len(rest) == 1:
        return {"incident_action": "hand_over", "incident_owner": rest[0], **number}
    if what == "close" and len(rest) == 2:
        return {"incident_action": "close", "incident_cause": rest[0], "incident_cure": rest[1], **number}
    if what == "alerts" and not rest:
        return {"incident_alerts": piped()}
    return None


def main(words: t.Sequence[str]) -> int:
    """The exit code of ansible-playbook; 2 where it was not called."""
    here = pathlib.Path(__file__).resolve().parent
    site = next((each for each in (here, *here.parents) if (each / "ansible.cfg").is_file()), None)
    with tempfile.TemporaryDirectory() as folder:

        def piped() -> str:
            path = pathlib.Path(folder, "alerts.json")
            path.write_bytes(sys.stdin.buffer.read())
            return str(path)

        given = variables(words, piped)
        if given is None:
            print(__doc__, file=sys.stderr)
            return 2
        file = pathlib.Path(folder, "variables.json")
        file.write_text(json.dumps(given), encoding="utf-8")
        command = ["ansible-playbook", "boxlift.portal.incident", "-e", f"@{file}"]
        return subprocess.run(command, cwd=site or os.getcwd(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
