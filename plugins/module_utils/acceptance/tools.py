# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the output of fio and wrk."""

from __future__ import annotations

import dataclasses
import json
import re

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

MIB = 1024**2
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0, "h": 3600000.0}


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One direction of a job of fio."""

    per_second: float
    mib_per_second: float
    p99_ms: float


@dataclasses.dataclass(frozen=True)
class Load:
    """A run of wrk. `errors` counts responses other than 2xx and 3xx, and socket errors."""

    requests: int
    per_second: float
    p99_ms: float
    errors: int


def read_fio(text: str, direction: str) -> Transfer:
    """The job's transfer; `direction` is `read` or `write`. Raises BoxliftError if fio failed or moved nothing."""
    try:
        # fio may print notes before the JSON object.
        job = json.loads(text[text.index("{") :])["jobs"][0]
        done = job[direction]
        error, count = int(job["error"]), int(done["total_ios"])
        found = Transfer(
            float(done["iops"]),
            float(done["bw_bytes"]) / MIB,
            float(done["clat_ns"]["percentile"]["99.000000"]) / 1e6 if count else 0.0,
        )
    except (KeyError, IndexError, TypeError, ValueError) as failure:
        raise BoxliftError(
            f"fio said what cannot be read ({failure!r}): {' '.join(text.split())[:200]}",
            "Run fio by hand on this host.",
        ) from failure
    if error or not count:
        raise BoxliftError(f"fio's {direction} ended with error {error} after {count} transfers.", "See dmesg.")
    return found


def read_wrk(text: str) -> Load:
    requests = re.search(r"^\s*(\d+) requests in ", text, re.MULTILINE)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", text, re.MULTILINE)
    p99 = re.search(r"^\s*99%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.MULTILINE)
    if not (requests and rate and p99) or int(requests[1]) == 0:
        raise BoxliftError(
            f"wrk got no answer: {' '.join(text.split())[:200]}", "Look whether nginx runs and answers on port 443."
        )
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(map(int, broken.groups())) if broken else 0
    errors += int(refused[1]) if refused else 0
    return Load(int(requests[1]), float(rate[1]), float(p99[1]) * _MILLISECONDS[p99[2]], errors)
