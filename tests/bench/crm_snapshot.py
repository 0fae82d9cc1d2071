# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a CRM with 200,000 records: memory, requests, and the time of a difference.

`python -m bench.crm_snapshot`; the portal is simulated in this process, the snapshots are taken in processes of their
own, whose peak memory is measured.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from bench.row import Figure
from lab.authority import Authority
from lab.crm.filling import activities, fill
from lab.crm.server import CrmServer

#: Kind → its part of all records.
PARTS = {"company": 0.1, "contact": 0.3, "lead": 0.3, "deal": 0.15, "activity": 0.15}
MOST_MEGABYTES, MOST_SHARE, MOST_SECONDS = 150, 5.0, 10.0

_READER = """
import json, sys, time
from ansible_collections.boxlift.portal.plugins.module_utils.crm.difference import difference
from ansible_collections.boxlift.portal.plugins.module_utils.crm.rest import Rest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.snapshot import refresh
from ansible_collections.boxlift.portal.plugins.module_utils.crm.store import Store
work, path, webhook, authority, kinds = sys.argv[1:]
begun = time.monotonic()
with Store(path) as store:
    if work == "difference":
        found = difference(store, 1, store, 2)
        told = {each.kind: [each.added, each.changed, each.deleted] for each in found.kinds}
    else:
        done = refresh(Rest(webhook, ca_file=authority), store, kinds.split(","))
        told = {"requests": done.requests, "kinds": {name: each.records for name, each in done.kinds.items()}}
    size = store.size()
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"told": told, "seconds": time.monotonic() - begun, "megabytes": int(peak) / 1024, "bytes": size}))
"""


def reader(*given: str) -> dict[str, t.Any]:
    """What a process of its own says of its work."""
    run = subprocess.run([sys.executable, "-c", _READER, *given], check=True, capture_output=True, text=True)
    answer: dict[str, t.Any] = json.loads(run.stdout)
    return answer


def prepare(server: CrmServer, records: int) -> dict[str, int]:
    """Fill the portal; how many records of each kind."""
    counts = {kind: int(records * part) for kind, part in PARTS.items()}
    crm = server.crm
    for kind, count in counts.items():
        if kind != "activity":
            fill(crm, kind, count)
    activities(crm, "lead", counts["activity"])
    return counts


def change(server: CrmServer, counts: t.Mapping[str, int], part: float) -> dict[str, list[int]]:
    """Change a part of all records, and add and delete a tenth of it; how many were added, changed, deleted."""
    chance = random.Random(20)
    crm, told = server.crm, {}
    for kind, count in counts.items():
        chosen = chance.sample(range(1, count + 1), int(count * part))
        gone = chosen[: len(chosen) // 10]
        now = crm.now()
        with crm.store.transaction():
            for number in chosen[len(gone) :]:
                name = "SUBJECT" if kind == "activity" else "comments"
                when = "LAST_UPDATED" if kind == "activity" else "updatedTime"
                row = t.cast("dict[str, t.Any]", crm.get(kind, number))
                crm.store.replace(kind, number, {**row, name: f"Changed {number}", when: now})
            crm.store.remove(kind, gone)
        if kind != "activity":
            fill(crm, kind, len(gone), seed=1)
        crm.tell(kind, ())
        told[kind] = [0 if kind == "activity" else len(gone), len(chosen) - len(gone), len(gone)]
    return told


def lines(work: Path, records: int = 200_000, children: bool = True) -> t.Iterator[Figure]:
    """Measure, and prove that the difference is what was changed. `children`: product rows and comments are read."""
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        authority = Authority(folder / "authority")
        issued = authority.issue("127.0.0.1")
        kinds = [*PARTS, "status", "category", "field", "user", *(["productrow", "comment"] if children else [])]
        with CrmServer(issued.certificate, issued.key, store=str(folder / "portal.sqlite")) as server:
            counts = prepare(server, records)
            given = (str(folder / "cloud.sqlite"), server.webhook(1), str(authority.certificate), ",".join(kinds))
            full = reader("full", *given)
            wanted = change(server, counts, 0.01)
            second = reader("incremental", *given)
            compared = reader("difference", *given)
    found = {kind: compared["told"][kind] for kind in wanted}
    if found != wanted or any(full["told"]["kinds"][kind] != count for kind, count in counts.items()):
        raise SystemExit(f"The snapshots are wrong: {found} instead of {wanted}, {full['told']['kinds']}.")
    begin = f"CRM of {records:,} records" + (", with product rows and comments" if children else "")
    share = 100 * second["told"]["requests"] / full["told"]["requests"]
    yield Figure(f"{begin}: full snapshot", [full["seconds"]], "s", "")
    yield Figure(f"{begin}: … requests", [full["told"]["requests"]], "", "", ".0f")
    yield Figure(f"{begin}: … peak memory", [full["megabytes"]], "MB", str(MOST_MEGABYTES))
    yield Figure(f"{begin}: … size of the store", [full["bytes"] / 1e6], "MB", "")
    yield Figure(f"{begin}: incremental snapshot, 1 % changed", [second["seconds"]], "s", "")
    yield Figure(f"{begin}: … its requests, of those of the full one", [share], "%", f"{MOST_SHARE:g}")
    yield Figure(f"{begin}: … peak memory", [second["megabytes"]], "MB", str(MOST_MEGABYTES))
    yield Figure(f"{begin}: difference of the two", [compared["seconds"]], "s", f"{MOST_SECONDS:g}")
    yield Figure(f"{begin}: … peak memory", [compared["megabytes"]], "MB", str(MOST_MEGABYTES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--without-children", action="store_true", help="neither product rows nor comments")
    parser.add_argument("--work", type=Path, default=Path(".cache/bench-crm-snapshot"))
    options = parser.parse_args()
    missed = 0
    try:
        for figure in lines(options.work, options.records, not options.without_children):
            (value,) = figure.values
            missed += bool(figure.target) and value > float(figure.target)
            limit = f" (to stay below {figure.target})" if figure.target else ""
            print(f"{figure.what}: {value:{figure.digits}} {figure.unit}{limit}", flush=True)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
