# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walks of docs/architecture.md are those of real runs: the same files, in the order of their first use."""

from __future__ import annotations

import os
import random
import re
import typing as t
from pathlib import Path

from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.modules import backup_restore, portal_health
from lab.archive_writer import Entry, write_archive
from lab.cloud.server import CloudServer
from unit import walk
from unit.plugins.module_utils.health.toy_portal import DOMAIN
from unit.plugins.module_utils.health.toy_site import Authority, ToySite
from unit.plugins.modules import conftest

run_module = conftest.run_module
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PART = "The walk of a part, from socket to disk"
CHECK = "The walk of a check, from playbook to report"


def short(file: str) -> str:
    return re.sub(r"^plugins/(module_utils/|plugin_utils/)?", "", file)


def stages(heading: str) -> list[list[str]]:
    """The numbered lists of files in a section of the page; a line in bold begins each."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [re.findall(r"^\d+\. `([^`]+)`", stage, re.MULTILINE) for stage in section.split("\n**")[1:]]


def differences(expected: list[list[str]], found: list[list[str]]) -> str:
    lists = ("\n".join(f"{n}. `{file}`" for n, file in enumerate(stage, 1)) for stage in found)
    missing = {file for stage in found for file in stage} - {file for stage in expected for file in stage}
    gone = {file for stage in expected for file in stage} - {file for stage in found for file in stage}
    return f"not on the page: {sorted(missing)}; no longer used: {sorted(gone)}; a run gives\n" + "\n\n".join(lists)


def each_once(lanes: t.Iterable[list[str]]) -> list[list[str]]:
    """Every file where it comes first."""
    seen: set[str] = set()
    found = []
    for lane in lanes:
        found.append([file for file in dict.fromkeys(lane) if file not in seen])
        seen.update(lane)
    return found


def test_a_part_from_socket_to_disk(tmp_path: Path, tls: t.Any, run_module: t.Any) -> None:
    noise = random.Random(1)
    entries = [Entry(b"d", type="dir"), *(Entry(b"d/%d" % number, data=noise.randbytes(3000)) for number in range(40))]
    (tmp_path / "cloud").mkdir()
    parts = write_archive(entries, tmp_path / "cloud", "base", kind="enc.gz", password="x")
    with CloudServer(tmp_path / "cloud", certificate=tls.certificate, key=tls.key, faults={}) as cloud:
        params = {"source": f"{cloud.url}{parts[0].name}", "ca_path": str(tls.authority), "password": "x"}
        places = {"document_root": str(tmp_path / "www"), "state_dir": str(tmp_path / "state")}
        with walk.Tracer(str(tmp_path / "walk")):
            result = run_module(backup_restore, **params, **places, connections=1, jobs=1)
    assert result["files"] == 40
    lanes: dict[tuple[int, int], list[str]] = {}
    for _moment, lane, file in walk.read(str(tmp_path / "walk")):
        lanes.setdefault(lane, []).append(short(file))
    task = lanes.pop((os.getpid(), os.getpid()))
    worker = lanes.pop(next(lane for lane in lanes if lane[0] != os.getpid()))
    fetch = lanes.pop(next(lane for lane, files in lanes.items() if "download/fetch.py" in files))
    # With one part there is one thread that brings it and one that proves it; others find nothing to do.
    bringing, proving = sorted(sorted(lanes.values(), key=len)[-2:], key=lambda files: "restore/source.py" in files)
    found = each_once([bringing, proving, worker, task + fetch])
    expected = stages(PART)
    assert found == expected, differences(expected, found)


def test_a_check_through_its_module(tmp_path: Path, run_module: t.Any) -> None:
    """From outside, with one check that asks the portal for a page: no other is there to blur the walk."""
    authority = Authority(tmp_path)
    site = ToySite(authority.server_context(DOMAIN))
    others = [name for name, check in all_checks().checks.items() if check.area == "web" and name != "web.answers"]
    portal = {"base_url": f"https://{DOMAIN}:{site.tls.server_address[1]}", "address": "127.0.0.1"}
    look = {"vantage": "outside", "areas": ["web"], "skip": others, "ca_path": str(authority.path)}
    try:
        with walk.Tracer(str(tmp_path / "walk")):
            result = run_module(portal_health, **portal, **look)
    finally:
        site.close()
    assert [finding["id"] for finding in result["findings"] if finding["status"] == "pass"] == ["web.answers"]
    entered = [short(entry.file) for entry in walk.read(str(tmp_path / "walk"))]
    expected, found = [stages(CHECK)[1]], each_once([entered])
    assert found == expected, differences(expected, found)


def names(text: str, file: str) -> bool:
    """Whether the text of one file names another one: a role, a plugin or tasks in YAML, an import, a template."""
    path = Path(file)
    if path.parts[0] == "roles" and path.stem != "main":
        return f"_tasks: {path.name}" in text
    full = f"boxlift.portal.{path.parts[1] if path.parts[0] == 'roles' else path.stem}"
    module = rf"_utils\.{re.escape('.'.join(path.parent.parts))}(\.{path.stem} import| import [\w, ]*\b{path.stem}\b)"
    return bool(re.search(rf"{re.escape(full)}\b(?!\.)|{module}", text)) or f'"{path.name}"' in text


def test_each_file_of_a_check_is_named_by_an_earlier_one() -> None:
    """Only the first of each list stands for itself; a real run has proven the second list."""
    said = ""
    for number, stage in enumerate(stages(CHECK)):
        for file in stage:
            bases = (ROOT / base for base in ("", "plugins", "plugins/module_utils", "plugins/plugin_utils"))
            text = next((base / file).read_text() for base in bases if (base / file).exists())
            assert number == 1 or file == stage[0] or names(said, file), f"no file before {file} names it"
            said += text
