# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until sixty requests in a row, all begun after a moment, were answered well.

python3 served.py FOLDER SECONDS_SINCE_1970
"""

from __future__ import annotations

import json
import os
import sys
import time

IN_A_ROW, PATIENCE = 60, 180.0


def served(path: str, since: float) -> bool:
    with open(path, encoding="ascii") as stream:
        lines = [json.loads(line) for line in stream if line.endswith("\n")]
    later = [line for line in lines if line["began"] > since][-IN_A_ROW:]
    return len(later) == IN_A_ROW and not any(line["problem"] for line in later)


def main(folder: str, since: str) -> None:
    path, until = os.path.join(folder, "asked"), time.monotonic() + PATIENCE
    while not (os.path.exists(path) and served(path, float(since))):
        if time.monotonic() > until:
            sys.exit(f"not within {PATIENCE:.0f} s: {IN_A_ROW} answers in a row")
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
