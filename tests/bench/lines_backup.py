# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The night's copy of a large portal: what it costs against what one does by hand, and what people notice of it.

On a host of the lab with what the roles database and backup put there. The nights of all ways take turns, each from
what was stored after its first night. People use the portal from outside the host, over TLS.

python -m bench.lines_backup [--gigabytes 0.2] [--name CONTAINER] [--keep] [--shares 2]: this part alone.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

from bench.backup import steady
from bench.row import Figure, Row
from lab.portal.data.people import PASSWORD

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = "boxlift-lab:debian12-provisioned-*"
SITE = CHECKOUT / "molecule" / "provision" / "vars" / "site.yml"
NAME = "portal.boxlift.test"
BACKUP_PASSWORD = "bench-only-5f0c2a719d"
PERCENT = 1
ROUNDS = 3
RATE, PEOPLE = 20.0, 4  # requests a second, by so many people
WARM = 10.0  # seconds for which people work before anything is measured
CALM = 5.0  # seconds between two times that are compared
PAUSE = 30.0  # seconds without a copy, at least
MOST = 1.2
# Flags that let systemd run, as in molecule/shared/create.yml.
FLAGS = (
    "--label=boxlift.lab=host",
    "--stop-signal=SIGRTMIN+3",
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=host",
    "--tmpfs=/run",
    "--tmpfs=/tmp:exec,mode=1777",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--volume=boxlift-lab-packages-debian12:/var/cache/lab-packages",
)
WAYS = {
    "dump": "mariadb-dump, gzip and rsync",
    "restic": "mariadb-backup and restic by hand",
}


class Night(t.NamedTuple):
    """One night in one way."""

    seconds: float
    stored: int


class Pair(t.NamedTuple):
    """Seconds of requests without a copy, and while one was taken, one after the other; and the copy's own seconds."""

    without: list[float]
    during: list[float]
    copy: float

    def ratio(self, share: float) -> float:
        return steady.quantile(self.during, share) / steady.quantile(self.without, share)


class Host:
    """A container with systemd."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *command: str) -> str:
        ended = subprocess.run(["docker", "exec", self.name, *command], stdout=subprocess.PIPE, text=True, check=True)
        return ended.stdout

    def program(self, *given: str) -> t.Any:
        """Let nights.py work."""
        return json.loads(self.run("python3", "/root/nights.py", *given))

    def bring(self, file: str, place: str) -> None:
        """A file of tests/bench/backup."""
        source = CHECKOUT / "tests" / "bench" / "backup" / file
        subprocess.run(["docker", "cp", "--quiet", str(source), f"{self.name}:{place}"], check=True)

    def address(self) -> str:
        form = "{{.NetworkSettings.IPAddress}}"
        return docker("inspect", f"--format={form}", self.name)


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def large_portal(work: Path, name: str, gigabytes: float, shares: int = 0, keep: bool = False) -> t.Iterator[Host]:
    """A host with a large portal, changed since its first night. With `keep` it stays, and is found again."""
    host = Host(name)
    if docker("ps", "--quiet", f"--filter=name=^{name}$"):
        host.bring("nights.py", "/root/nights.py")
        host.bring("order.php", "/srv/portal/www/bench/order.php")
        yield host
        return
    docker("run", "--detach", f"--name={name}", "--hostname=bench", *FLAGS, f"--cpu-shares={shares}", _image())
    try:
        started(host)
        provision(work, name)
        weigh(host)
        host.bring("nights.py", "/root/nights.py")
        host.run("mkdir", "-p", "/srv/portal/www/bench", "/srv/bench")
        host.bring("order.php", "/srv/portal/www/bench/order.php")
        host.run("chown", "-R", "portal:portal", "/srv/portal/www/bench")
        say("filled", host.program("fill", str(gigabytes)))
        say("first night", host.program("first"))
        say("changed", host.program("change", str(PERCENT)))
        yield host
    finally:
        if not keep:
            docker("rm", "--force", "--volumes", name)


def weigh(host: Host) -> None:
    """Give every service a group of its own for the processors, also while no copy is taken.

    The lab's systemd makes these groups only while a unit has a weight. Without them, what runs in the container would
    be in another place among all that runs on this machine, and not only beside the copy.
    """
    host.run("systemd-run", "--quiet", "--unit=bench-weigh", "--property=CPUWeight=100", "sleep", "infinity")


def started(host: Host) -> None:
    """Wait until systemd has started every unit."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        asked = ["docker", "exec", host.name, "systemctl", "is-system-running"]
        state = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        if state.strip() == "running":
            return
        time.sleep(0.5)
    raise RuntimeError(f"not every unit started: docker exec {host.name} systemctl --failed")


def _image() -> str:
    found = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}", f"--filter=reference={IMAGES}").splitlines()
    if not found:
        raise RuntimeError("there is no image of a provisioned host: tests/molecule.sh provision makes it")
    return found[0]


def provision(work: Path, name: str) -> None:
    """Have the roles database and backup do what they do on a site."""
    work.mkdir(parents=True, exist_ok=True)
    groups: dict[str, t.Any] = {group: {"hosts": {"bench": {}}} for group in ("production", "web", "database", "cache")}
    connection = {
        "ansible_connection": "community.docker.docker",
        "ansible_host": name,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    hosts = {"all": {"children": groups, "vars": connection}}
    variables = {
        "site_backup_password": BACKUP_PASSWORD,
        "backup_nightly": False,
        "backup_card": str(work / "card.html"),
        "database_memory_mb": 1024,
    }
    inventory, given = work / "hosts.yml", work / "site.json"
    inventory.write_text(json.dumps(hosts), encoding="utf-8")
    given.write_text(json.dumps(variables), encoding="utf-8")
    Host(name).run("apt-get", "update", "--quiet", "--quiet")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".cache" / "collections"),
        "ANSIBLE_CONFIG": str(CHECKOUT / "tests" / "lab" / "ansible.cfg"),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(work),
        "BOXLIFT_JOURNAL": str(work / "journal.jsonl"),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={inventory}"]
    command += [f"--extra-vars=@{SITE}", f"--extra-vars=@{given}", "boxlift.portal.backup_nightly"]
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(f"the roles failed: {ended.stdout[-3000:]}")


def lines(
    work: Path, gigabytes: float, name: str = "boxlift-bench-backup", rounds: int = ROUNDS, shares: int = 0, **how: bool
) -> t.Iterator[Row | Figure]:
    load = os.getloadavg()[0]
    with large_portal(work, name, gigabytes, shares, **how) as host:
        nights = take_turns(host, rounds)
        begin = f"second night of a portal of {gigabytes:g} GB, {PERCENT} % changed (load average {load:.1f})"
        yield from compared(begin, nights)
        longest = max(PAUSE, statistics.median(night.seconds for night in nights["ours"]))
        yield from noticed(people_work(work, host, rounds, longest))


def take_turns(host: Host, rounds: int) -> dict[str, list[Night]]:
    """The second night of each way, in turn, and in the other order every second time."""
    found: dict[str, list[Night]] = {"ours": [], **{way: [] for way in WAYS}}
    for number in range(rounds):
        for way in sorted(found, reverse=number % 2 == 1):
            seen = host.program("night", way)
            say(way, seen)
            found[way].append(Night(seen["seconds"], seen["stored"]))
    return found


def compared(begin: str, nights: t.Mapping[str, list[Night]]) -> t.Iterator[Row | Figure]:
    ours = nights["ours"]
    for way, peer in WAYS.items():
        yield Row(begin, peer, [night.seconds for night in ours], [night.seconds for night in nights[way]])
    for way, peer in {"ours": "ours", **WAYS}.items():
        yield Figure(f"{begin}: stored, {peer}", [night.stored / 1e6 for night in nights[way]], "MB", "", ".0f")
    for way, peer in WAYS.items():
        ratio = statistics.median(night.stored for night in ours) / statistics.median(
            night.stored for night in nights[way]
        )
        yield Figure(f"{begin}: stored, ours by {peer}", [ratio], "", "", ".2f")


def people_work(work: Path, host: Host, rounds: int, pause: float) -> list[Pair]:
    """People work all the time. Every time without a copy has its neighbour with one; who is first, changes."""
    authority = work / "root.pem"
    authority.write_text(host.run("cat", "/root/lab-pki/root.pem"), encoding="utf-8")
    portal = steady.Portal(host.address(), NAME, str(authority), "admin", PASSWORD)
    ended = threading.Event()
    times: list[tuple[tuple[float, float], tuple[float, float]]] = []

    def without() -> tuple[float, float]:
        begin = time.monotonic()
        time.sleep(pause)
        return begin, time.monotonic()

    def during() -> tuple[float, float]:
        begin = time.monotonic()
        host.run("systemctl", "start", "boxlift-backup.service")
        return begin, time.monotonic()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        working = pool.submit(steady.work, lambda: steady.Person(portal).request, RATE, PEOPLE, ended)
        try:
            time.sleep(WARM)
            for number in range(rounds):
                found = {}
                for which in sorted(("during", "without"), reverse=number % 2 == 0):
                    host.program("back", "ours")
                    time.sleep(CALM)
                    found[which] = without() if which == "without" else during()
                times.append((found["without"], found["during"]))
        finally:
            ended.set()
        samples = working.result()
    return [
        Pair(steady.within(samples, *calm), steady.within(samples, *copy), copy[1] - copy[0]) for calm, copy in times
    ]


def noticed(pairs: t.Sequence[Pair]) -> t.Iterator[Figure]:
    begin = f"portal while its night's copy is taken, {RATE:.0f} requests a second, a fifth of them orders"
    for share, what in ((0.5, "median"), (0.95, "95 of 100")):
        for name, values in (
            ("without a copy", [pair.without for pair in pairs]),
            ("with the copy", [pair.during for pair in pairs]),
        ):
            milliseconds = [steady.quantile(each, share) * 1000 for each in values]
            yield Figure(f"{begin}: {what}, {name}", milliseconds, "ms", "")
        most = f"{MOST}" if share > 0.5 else ""
        yield Figure(f"{begin}: {what}, with by without", [pair.ratio(share) for pair in pairs], "", most, ".2f")
    for name, values in (
        ("without a copy", [pair.without for pair in pairs]),
        ("with the copy", [pair.during for pair in pairs]),
    ):
        yield Figure(f"{begin}: slowest, {name}", [max(each) * 1000 for each in values], "ms", "", ".0f")
    yield Figure(f"{begin}: the copy takes", [pair.copy for pair in pairs], "s", "")


def say(what: str, seen: t.Any) -> None:
    print(f"backup: {what}: {json.dumps(seen)} (load average {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)


def main() -> None:
    from bench.bench import told

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of database; the files are half as much")
    parser.add_argument("--name", default="boxlift-bench-backup", help="the container")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--shares", type=int, default=0, help="the container's share of the processors")
    parser.add_argument("--keep", action="store_true", help="leave the container, for the next call")
    given = parser.parse_args()
    work = CHECKOUT / ".cache" / "bench-backup"
    for line in lines(work, given.gigabytes, given.name, given.rounds, given.shares, keep=given.keep):
        print(told(line), flush=True)


if __name__ == "__main__":
    main()
