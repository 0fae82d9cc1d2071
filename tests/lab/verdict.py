# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's last line and exit status, from its report: whether people can work with the portal that was moved.

    verdict.py REPORT.json yes|no

The second word says whether the move itself went through. An HTTP status is no proof: what counts is what health saw.
"""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

#: What people need: a page of the portal, and something that search finds. That an agent ran, configure has demanded.
NEEDED = ("web.answers", "search.index")


def verdict(report: dict[str, t.Any], moved: bool) -> tuple[str, int]:
    """The line, and the exit status."""
    findings = {finding["id"]: finding for finding in report["findings"] or []}
    missing = [name for name in NEEDED if findings.get(name, {}).get("status") not in ("pass", "warn")]
    if moved and not missing:
        return f"The demo is done. {report['result']['text']}", 0
    told = [f"{name}: {findings[name]['observed'] if name in findings else 'was not looked at'}" for name in missing]
    text = report["result"]["text"]
    said = text if text.startswith("Nobody can work") else " ".join([text, *told])
    return f"The demo has FAILED. {said}", 1


if __name__ == "__main__":
    line, status = verdict(json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8")), sys.argv[2] == "yes")
    print(line)
    sys.exit(status)
