# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a host of the lab against dev-sec's baselines, and writes the table into docs/security.md.

What a control demands is said in our own words, and measured by our own code: what the services really use, not the
text of a certain file. PYTHONPATH=.cache/collections:tests python -m scorecard.measure CONTAINER [PAGE]
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import typing as t

from scorecard import hosts, servers
from scorecard.control import CONTROLS, NOT_APPLICABLE, NOT_TAKEN, PASS, Host, Score, score

MODULES = (servers, hosts)  # importing them has registered the controls
BEGIN, END = "<!-- scorecard begins -->", "<!-- scorecard ends -->"
MOST_EXPOSURE, LEAST_SHARE = 4.5, 0.95
OPEN_PORTS = [22, 80, 443]
#: Tries every port of an address from a neighbour, and prints those that answer.
SCAN = """
import asyncio, resource, sys
async def one(port, found):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(sys.argv[1], port), 2)
        writer.close(); found.append(port)
    except (OSError, asyncio.TimeoutError):
        pass
async def all_ports():
    found = []
    for first in range(1, 65536, 4096):
        await asyncio.gather(*(one(port, found) for port in range(first, min(first + 4096, 65536))))
    print(*sorted(found))
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
asyncio.run(all_ports())
"""


def exposure(host: Host, unit: str) -> float:
    """systemd's figure for a service: 0 is closed, 10 is open."""
    shown = host.output("systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
    if found is None:
        raise RuntimeError(f"systemd-analyze said nothing of {unit}: {shown[-200:]}")
    return float(found.group(1))


def php_unit(host: Host) -> str:
    listed = host.output("systemctl", "list-units", "--plain", "--no-legend", "--type=service", "php*-fpm.service")
    return listed.split()[0]


def ports_for_a_neighbour(host: Host) -> list[int]:
    """The open ports, tried from another host in the same network: one of the same image, for this moment."""
    form = "{{.Image}} {{range $name, $net := .NetworkSettings.Networks}}{{$name}} {{$net.IPAddress}}{{end}}"
    image, network, address = _docker("inspect", "--format", form, host.container).split()
    run = ("run", "--rm", "--network", network, "--ulimit", "nofile=8192", "--entrypoint", "python3", image)
    return [int(port) for port in _docker(*run, "-c", SCAN, address).split()]


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def table(scores: t.Sequence[Score], exposed: dict[str, float], ports: list[int]) -> str:
    lines = ["| baseline | pass | apply | share |", "|---|---|---|---|"]
    for baseline in sorted({each.control.baseline for each in scores}):
        passed, applied = shares(scores, baseline)
        lines.append(f"| dev-sec {baseline} | {passed} | {applied} | {passed / applied:.0%} |")
    lines += ["", "| service | exposure, by systemd-analyze security |", "|---|---|"]
    lines += [f"| {unit} | {figure} |" for unit, figure in exposed.items()]
    lines += ["", f"Of all 65,535 ports a neighbour in the same network finds open: {', '.join(map(str, ports))}.", ""]
    for baseline in sorted({each.control.baseline for each in scores}):
        lines += [f"### dev-sec {baseline}", "", "| control | demands | state | why |", "|---|---|---|---|"]
        lines += [
            f"| {each.control.id} | {cell(each.control.demand)} | {each.status} | {cell(each.told)} |"
            for each in sorted(scores, key=lambda each: each.control.id)
            if each.control.baseline == baseline
        ]
        lines.append("")
    return "\n".join(lines)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def shares(scores: t.Sequence[Score], baseline: str) -> tuple[int, int]:
    """How many controls pass, and how many apply."""
    own = [each.status for each in scores if each.control.baseline == baseline]
    return own.count(PASS), len(own) - own.count(NOT_APPLICABLE)


def misses(scores: t.Sequence[Score], exposed: dict[str, float], ports: list[int]) -> list[str]:
    """Where the host is below the aim."""
    low = [
        f"dev-sec {baseline}: {passed} of {applied}"
        for baseline in sorted({each.control.baseline for each in scores})
        for passed, applied in [shares(scores, baseline)]
        if passed < applied * LEAST_SHARE
    ]
    low += [f"{unit} is exposed by {figure}" for unit, figure in exposed.items() if figure > MOST_EXPOSURE]
    return low + ([f"open ports: {ports}"] if set(ports) - set(OPEN_PORTS) else [])


def placed(page: str, made: str) -> str:
    """The page with the table between its markers. Raises ValueError if it has none."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{begin}\n{made}{end}{after}"


def main(container: str, page: str = "") -> int:
    host = Host(container)
    scores = [score(host, each) for each in CONTROLS]
    exposed = {unit: exposure(host, unit) for unit in ("nginx.service", php_unit(host))}
    ports = ports_for_a_neighbour(host)
    for each in scores:
        if each.status == NOT_TAKEN:
            print(f"{each.control.baseline} {each.control.id}: {each.told}")
    made = table(scores, exposed, ports)
    print(made.partition("###")[0])
    if page:
        path = pathlib.Path(page)
        path.write_text(placed(path.read_text("utf-8"), made), "utf-8")
    below = misses(scores, exposed, ports)
    print(*(f"below the aim: {each}" for each in below), sep="\n")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
