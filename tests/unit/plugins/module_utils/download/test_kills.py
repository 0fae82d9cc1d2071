# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills at random moments of a real process: no range that the journal has is ever asked for again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.download.threads import SAMPLE
from lab.cloud.server import CloudServer, Served

from .conftest import SEGMENT, Lab

CONNECTIONS = 4
RATE = 100_000  # bytes a second and connection
# Far more than a process gets to fetch before it is killed, so that it cannot have come to its end.
BYTES_PER_KILL = 150_000
SCRIPT = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from ansible_collections.boxlift.portal.plugins.module_utils.http.client import Client
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import tls_context
from ansible_collections.boxlift.portal.plugins.module_utils.download.fetch import Fetch
from ansible_collections.boxlift.portal.plugins.module_utils.download.request import FetchRequest
from ansible_collections.boxlift.portal.plugins.module_utils.download.bandwidth import BandwidthLimit
url, dest, password, authority, connections, segment = sys.argv[2:]
client = Client({}, 10, tls_context(authority, True))
request = FetchRequest(url, dest, password, int(connections), segment=int(segment))
print(json.dumps(Fetch(request, client, BandwidthLimit(None)).run()))
"""


def journaled(lab: Lab) -> set[tuple[str, int]]:
    """Part and number of every range that is on the disk, as the files beside the parts say."""
    found = set()
    for part in lab.parts:
        note = lab.dest / f".{part.name}.partial.json"
        if note.exists():
            found |= {(part.name, number) for number in json.loads(note.read_text())["done"]}
    state = lab.dest / f".{lab.parts[0].name}.fetched.json"
    if state.exists():
        for name, part in json.loads(state.read_text())["parts"].items():
            if (lab.dest / name).exists():
                found |= {(name, number) for number in range(-(-part["size"] // SEGMENT))}
    return found


def ranges(served: list[Served]) -> list[tuple[str, int]]:
    """What was asked for; but not the beginning of the first part, by which a backup is known."""
    asked = []
    for request in served:
        first, _dash, last = str(request.range).partition("=")[2].partition("-")
        if int(last) != SAMPLE - 1:
            name = request.path.rpartition("/")[2]
            asked += [(name, number) for number in range(int(first) // SEGMENT, int(last) // SEGMENT + 1)]
    return asked


def start(lab: Lab, cloud: CloudServer) -> subprocess.Popen[str]:
    arguments = [f"{cloud.url}{lab.parts[0].name}", str(lab.dest), str(lab.password), str(lab.tls.authority)]
    command = [sys.executable, "-c", SCRIPT, json.dumps(sys.path), *arguments, str(CONNECTIONS), str(SEGMENT)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [8, pytest.param(30, marks=pytest.mark.soak)])
def test_killed_again_and_again(tmp_path: Path, tls: t.Any, kills: int) -> None:
    lab = Lab(tmp_path, tls, "enc.gz")
    lab.write("kills", noise_size=kills * BYTES_PER_KILL, part_limit=200_000)
    moments = random.Random(3)
    fetched = 0
    for _kill in range(kills):
        here = journaled(lab) if lab.dest.exists() else set()
        # A server each: what a process had on its way when it was killed may be heard of after the next has begun.
        with lab.cloud(rate=RATE) as cloud:
            process = start(lab, cloud)
            # Not after a time: a process that starves would be killed before it has fetched anything, again and again.
            enough = moments.randrange(1, 6 * SEGMENT)
            while sum(request.sent for request in cloud.served) < enough and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            _out, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        asked = ranges(cloud.served)
        assert set(asked) & here == set()
        assert len(asked) == len(set(asked))
        fetched += sum(request.sent for request in cloud.served)
        # What is here is never less than before.
        assert journaled(lab) >= here
    here = journaled(lab)
    with lab.cloud(rate=RATE) as cloud:
        # Every range is brought to the disk; where others write as well that took forty seconds instead of nine.
        out, said = start(lab, cloud).communicate(timeout=400)
    result = json.loads(out)
    asked = ranges(cloud.served)
    fetched += sum(request.sent for request in cloud.served)
    assert result["intact"], said
    assert set(asked) & here == set()
    assert 0 < len(here) < sum(-(-part.stat().st_size // SEGMENT) for part in lab.parts)
    # Each kill loses at most what was on its way, and each start may look at the beginning of the first part.
    assert fetched <= lab.size + kills * CONNECTIONS * SEGMENT + (kills + 2) * 4 * SEGMENT
    lab.assert_here()
    assert verify(str(lab.dest), lab.password).intact
