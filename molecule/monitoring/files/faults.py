# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores of copies that are broken in several ways at once, and cured; what boxlift-backup says of them is real.

python3 faults.py make      a copy, its binary logs, and stores that hold the same
python3 faults.py figures   what Prometheus reads of them is written
python3 faults.py break     each store is broken in its own way, and the figures are written
python3 faults.py cure      as the runbooks say, and the figures are written again
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROLES = Path("/etc/boxlift-backup/settings.json")
LAB = Path("/srv/lab-copies")
SETTINGS, SENDING, AHEAD = LAB / "settings.json", LAB / "sending.json", LAB / "ahead.json"
# What comes before it in PATH than the real one: it stops MariaDB when some of the stream has passed.
STOPPER = Path("/usr/local/sbin/mariadb-backup")
STOPS = """#!/bin/bash
set -o pipefail
/usr/bin/mariadb-backup "$@" | { head -c 100000; systemctl stop mariadb; cat; }
"""
DAYS_AHEAD = 2
# The program of the copies with another clock, which no container can give it.
ANOTHER_CLOCK = """
import runpy, sys, time
real, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + ahead
runpy.run_path(sys.argv.pop(0) and sys.argv[0], run_name="__main__")
"""
FAR_PORT = 2022
PATIENCE = 180.0  # for what takes a second on a quiet machine

Data = dict[str, t.Any]


def run(*command: str, text: str | None = None, fails: bool = False) -> str:
    """What it says. It must go well, or it must fail."""
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    if (done.returncode != 0) != fails:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def copies(*words: str, settings: Path = SETTINGS, fails: bool = False, text: str | None = None) -> str:
    command = ("boxlift-backup", "--settings", str(settings), "--patience", "0", *words)
    return run(*command, fails=fails, text=text)


def sql(text: str) -> str:
    return run("mariadb", "-BN", "-e", text)


def until(what: t.Callable[[], bool], says: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE:.0f} s: {says}")
        time.sleep(0.01)


def write_settings(password: str) -> None:
    """All stores. Those that are not off site are judged by their drills, too. Copies are sent to some of them."""
    found = json.loads(ROLES.read_text())
    main = found["stores"][0]

    def store(name: str, **more: t.Any) -> Data:
        return {**main, "name": name, "repository": str(LAB / name), **more}

    far = f"sftp://root@127.0.0.1:{FAR_PORT}/{LAB / 'far'}"
    found["stores"] = [
        main,
        store("ahead"),
        store("full", offsite=True),
        store("far", offsite=True, repository=far),
        store("locked", offsite=True),
        store("sealed", offsite=True, password_file=password),
    ]
    SETTINGS.write_text(json.dumps(found))
    SENDING.write_text(json.dumps({**found, "stores": [found["stores"][number] for number in (0, 2, 4)]}))
    ahead = {**found, "stores": [store("ahead")], "folder": str(LAB / "ahead-work"), "textfile_dir": ""}
    AHEAD.write_text(json.dumps(ahead))


def main_store() -> Data:
    return t.cast("Data", json.loads(ROLES.read_text())["stores"][0])


def far(verb: str) -> None:
    """The SSH server of the host to which a store belongs."""
    if verb == "start":
        listens = ["-D", "-p", str(FAR_PORT), "-o", "ListenAddress=127.0.0.1"]
        run("systemd-run", "--collect", "--unit=lab-far", "/usr/sbin/sshd", *listens)
        until(lambda: f":{FAR_PORT}" in run("ss", "-ltnH"), "the far host answers")
    else:
        run("systemctl", "stop", "lab-far")


def make() -> None:
    LAB.mkdir(exist_ok=True)
    write_settings(main_store()["password_file"])
    run("boxlift-backup", "now", "--full")
    run("boxlift-backup", "binlogs")
    source = main_store()["repository"]
    # Once its ballast has gone, it must hold a further copy.
    size = int(run("du", "-sm", source).split()[0]) + 32
    (LAB / "full").mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}M", "none", str(LAB / "full"))
    for name in ("ahead", "full", "far", "locked", "sealed"):
        shutil.copytree(source, LAB / name, dirs_exist_ok=True)
    (LAB / "ahead-work").mkdir()
    (LAB / "another").write_text("another password\n")
    key = Path("/root/.ssh/id_ed25519")
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    with open("/root/.ssh/authorized_keys", "a", encoding="ascii") as stream:
        stream.write(key.with_suffix(".pub").read_text())
    with open("/root/.ssh/known_hosts", "a", encoding="ascii") as stream:
        stream.write(f"[127.0.0.1]:{FAR_PORT} {Path('/etc/ssh/ssh_host_ed25519_key.pub').read_text()}")
    far("start")
    note("local", True)
    note("ahead", True)


def figures() -> None:
    copies("metrics")


def note(store: str, passed: bool, code: str = "", text: str = "") -> None:
    """A drill's result, as the playbook gives it."""
    now = time.time()
    findings = [] if passed else [{"code": code, "severity": "fail", "text": text, "remedy": ""}]
    drill: Data = {
        "format": 1, "copy": None, "host": "drill", "began": now - 60, "ended": now, "passed": passed, "bytes": 1,
        "phases": {}, "rto_seconds": 60, "rpo_seconds": 60, "compared": {}, "findings": findings, "left": [],
    }  # fmt: skip
    copies("drill-note", "--store", store, text=json.dumps(drill))


def locked() -> bool:
    """Whether a lock is in place; while it is written, it has a longer name."""
    return any(len(each.name) == 64 for each in (LAB / "locked/locks").iterdir())


def lock() -> None:
    """Of a process of another host that died: nobody can see that it is dead. One that was done before dies again."""
    environment = {**os.environ, "RESTIC_PASSWORD_FILE": main_store()["password_file"]}
    text = f"hostname another && exec restic check --no-cache --read-data -r {LAB / 'locked'}"
    command = ["unshare", "--uts", "sh", "-c", text]
    for _again in range(20):
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as dead:
            until(lambda: locked() or dead.poll() is not None, "restic locks the store")
            dead.kill()
        if locked():
            return
    sys.exit("restic was done each time before it died, or never began")


def purged(newest: str) -> bool:
    """Whether the older logs are gone. One whose transactions are not on the disk yet stays, without a complaint."""
    sql(f"PURGE BINARY LOGS TO '{newest}'")
    return len(sql("SHOW BINARY LOGS").splitlines()) == 1


def break_all() -> None:
    # A night whose clock is ahead.
    ahead = [sys.executable, "-c", ANOTHER_CLOCK, str(DAYS_AHEAD * 86400), shutil.which("boxlift-backup") or ""]
    run(*ahead, "--settings", str(AHEAD), "now")
    # The database is stopped in the middle of a copy.
    STOPPER.write_text(STOPS)
    STOPPER.chmod(0o755)
    try:
        copies("now", "--full", fails=True)
    finally:
        STOPPER.unlink()
        run("systemctl", "start", "mariadb")
    # A binary log is gone before it was stored.
    sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    newest = sql("SHOW BINARY LOGS").splitlines()[-1].split()[0]
    until(lambda: purged(newest), "the server lets go of its older logs")
    copies("binlogs")
    # A copy that holds less than it noted, and a drill host without room.
    note("local", False, "fewer_rows", "Tables have fewer rows than the copy noted: b_user (2 of 3).")
    note("ahead", False, "room", "/var/lib/mysql has 1 GiB left, and the recovery needs 4 GiB.")
    lock()
    far("stop")
    write_settings(str(LAB / "another"))
    with contextlib.suppress(OSError), open(LAB / "full/ballast", "wb") as ballast:
        while True:
            ballast.write(bytes(1 << 16))
            ballast.flush()
    copies("copy", settings=SENDING, fails=True)
    figures()


def cure() -> None:
    write_settings(main_store()["password_file"])
    far("start")
    (LAB / "full/ballast").unlink()
    password = main_store()["password_file"]
    run("restic", "--no-cache", "-r", str(LAB / "locked"), "--password-file", password, "unlock", "--remove-all")
    future = copies("list", "--store", "ahead").splitlines()[-1].split()[0]
    copies("forget", "--store", "ahead", future)
    copies("now", settings=AHEAD)  # on a slow machine its logs are older by now than they may be
    copies("now")
    note("local", True)
    note("ahead", True)
    copies("copy", settings=SENDING)
    figures()


if __name__ == "__main__":
    {"make": make, "figures": figures, "break": break_all, "cure": cure}[sys.argv[1]]()
