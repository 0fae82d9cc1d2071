# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad luck does to copies, at the real engines: each fault is named with its remedy, costs no copy, and clears.

Prometheus reads the same findings from the text file, by their codes.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / "shared" / "inventory.py"
FIGURES = "/var/lib/lab-textfile/boxlift_backup.prom"
REPOSITORY = "/srv/backup/portal"


@pytest.fixture(scope="module")
def keeper() -> t.Any:
    return testinfra.get_host("ansible://keeper", ansible_inventory=str(INVENTORY))


@pytest.fixture(scope="module", autouse=True)
def quiet(keeper: t.Any) -> None:
    """Nothing begins by the clock while faults are made. The hosts go afterwards."""
    box = testinfra.get_host("ansible://box12", ansible_inventory=str(INVENTORY))
    for each in (box, keeper):
        each.check_output("systemctl stop 'boxlift-backup*.timer'")
    # What has begun by the clock just now is waited for.
    box.check_output("systemctl start boxlift-backup-binlogs.service boxlift-backup-metrics.service")
    box.check_output("mariadb portal -e 'CREATE OR REPLACE TABLE lab_rows AS SELECT seq AS id FROM seq_1_to_200'")


class Copies:
    """The copies as status and Prometheus see them; `good` is the last good one, as it must stay."""

    def __init__(self, host: t.Any, settings: str = "/etc/boxlift-backup/settings.json") -> None:
        self.host, self.settings = host, settings
        self.good: dict[str, t.Any] = {}

    def run(self, words: str) -> t.Any:
        # Whatever holds a lock here does so for ever.
        return self.host.run(f"boxlift-backup --settings {self.settings} --patience 60 {words}")

    def must(self, words: str) -> dict[str, t.Any]:
        """The object that a command has said."""
        done = self.run(words)
        assert done.rc == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def night(self) -> str:
        """Take a copy, which is the last good one from now on; its id."""
        self.good = self.must("now")
        return str(self.good["id"])

    def status(self) -> dict[str, t.Any]:
        done = self.run("status")
        assert done.rc == 0, done.stderr
        (store,) = json.loads(done.stdout)["stores"]
        return dict(store)

    def figures(self) -> tuple[set[str], float | None]:
        """What Prometheus reads: the codes of the findings, and when the last good copy ended."""
        assert self.run("metrics").rc == 0
        lines = self.host.check_output(f"cat {FIGURES}").splitlines()
        problems = [line.partition('code="')[2] for line in lines if line.startswith("boxlift_backup_problem{")]
        ended = [line.split()[1] for line in lines if line.startswith("boxlift_backup_last_good_timestamp_seconds{")]
        return {text.partition('"')[0] for text in problems}, float(ended[0]) if ended else None

    def broken(self, code: str, severity: str = "fail", also: t.Sequence[str] = ()) -> dict[str, t.Any]:
        """The finding with this code, which says what helps; besides it stand only `also`. No copy was lost by it."""
        status = self.status()
        found = {each["code"]: each for each in status["findings"] if each["code"] != "same_host"}
        assert set(found) == {code, *also}
        assert (found[code]["severity"], bool(found[code]["remedy"])) == (severity, True)
        codes, ended = self.figures()
        assert codes == set(found)
        if status["reachable"]:
            assert status["last_good"]["id"] == self.good["id"] and ended == self.good["ended"]
        return {**found[code], "status": status}

    def clean(self) -> None:
        assert self.figures() == (set(), self.good["ended"])


@pytest.fixture(scope="module")
def all_copies(quiet: None, keeper: t.Any) -> Copies:
    box = testinfra.get_host("ansible://box12", ansible_inventory=str(INVENTORY))
    found = Copies(box)
    found.must("binlogs")
    found.good = found.status()["last_good"]
    found.clean()
    return found


@pytest.fixture
def copies(all_copies: Copies) -> t.Iterator[Copies]:
    """After each fault all is well again, and the last good copy is there."""
    yield all_copies
    all_copies.clean()


def test_one_changed_byte_is_found_and_what_it_hurts_is_named(copies: Copies, keeper: t.Any) -> None:
    def packs() -> dict[str, int]:
        lines = keeper.check_output(f"find {REPOSITORY}/data -type f -printf '%f %s\n'").splitlines()
        return {name: int(size) for name, size in map(str.split, lines)}

    before, known = copies.good, packs()
    newest = copies.night()
    copies.clean()
    # The largest of those that only the newest copy needs.
    pack = max((size, name) for name, size in packs().items() if name not in known)[1]
    path = f"{REPOSITORY}/data/{pack[:2]}/{pack}"
    change = (
        f"import os; f = os.open('{path}', os.O_RDWR); at = os.fstat(f).st_size // 2; "
        "os.pwrite(f, bytes([os.pread(f, 1, at)[0] ^ 1]), at)"
    )
    number = int(pack[:2], 16) % 7 + 1  # as restic divides them

    keeper.check_output("chmod u+w %s", path)
    keeper.check_output("python3 -c %s", change)
    checked = copies.run(f"verify --slice {number}")
    note = json.loads(checked.stdout)
    assert checked.rc == 1 and [fault["pack"] for fault in note["faults"]] == [pack]
    assert note["copies"] == [newest]
    hurt, copies.good = copies.good, before
    finding = copies.broken("damaged")
    assert pack in finding["text"] and newest in finding["text"] and "boxlift-backup repair" in finding["remedy"]
    assert [copy["id"] for copy in finding["status"]["copies"] if copy["damaged"]] == [newest]

    keeper.check_output("python3 -c %s", change)
    assert copies.must(f"verify --slice {number}")["faults"] == []
    copies.good = hurt


def test_a_wrong_password(copies: Copies, host: t.Any) -> None:
    path = "/etc/boxlift-backup/password"
    host.check_output(f"cp -p {path} {path}.right && echo wrong > {path}")
    try:
        assert copies.run("binlogs").rc == 1
        finding = copies.broken("wrong_password")
        assert "escrow" in finding["remedy"] and not finding["status"]["reachable"]
    finally:
        host.check_output(f"mv {path}.right {path}")
    copies.must("binlogs")


def test_a_repository_that_cannot_be_reached(copies: Copies, host: t.Any) -> None:
    address = host.check_output("getent hosts keeper").split()[0]
    host.check_output(f"ip route add unreachable {address}/32")
    try:
        assert copies.run("binlogs").rc == 1
        assert "host of the repository" in copies.broken("unreachable")["remedy"]
    finally:
        host.check_output(f"ip route del unreachable {address}/32")
    copies.must("binlogs")


def test_a_lock_that_a_dead_process_has_left(copies: Copies, keeper: t.Any) -> None:
    # A check has the repository for itself; it is killed as soon as it has. A lock in the making has a longer name.
    locked = f"ls {REPOSITORY}/locks | grep -qxE '[0-9a-f]{{64}}'"
    kill = (
        f"for _again in {{1..20}}; do restic -r {REPOSITORY} --no-cache check --read-data > /dev/null 2>&1 & "
        f"until {locked} || ! kill -0 $!; do :; done; kill -9 $!; wait $!; if {locked}; then exit 0; fi; done; exit 1"
    )
    account = "runuser -u boxlift-backup -- env RESTIC_PASSWORD_FILE=/etc/boxlift-backup/password"
    keeper.check_output(f"{account} bash -c %s", kill)
    assert copies.run("--patience 0 binlogs").rc == 1
    finding = copies.broken("locked")
    assert "Locks of dead processes" in finding["remedy"] and finding["status"]["reachable"]
    # Whoever works on that host next finds that its process is dead.
    keeper.check_output("timeout 300 systemctl start boxlift-backup-prune.service")
    copies.must("--patience 0 binlogs")


def test_logs_with_a_gap_and_a_database_that_stops_in_the_middle_of_a_copy(copies: Copies, host: t.Any) -> None:
    for _log in range(2):
        host.check_output("mariadb portal -e 'CREATE OR REPLACE TABLE lab_gap (id INT); FLUSH BINARY LOGS'")
    newest = host.check_output("mariadb -BN -e 'SHOW BINARY LOGS' | tail -n 1 | cut -f 1")
    # One whose transactions are not on the disk yet stays, without a complaint.
    purge = (
        f"for _again in {{1..300}}; do mariadb -e \"PURGE BINARY LOGS TO '{newest}'\"; "
        "if [ $(mariadb -BN -e 'SHOW BINARY LOGS' | wc -l) = 1 ]; then exit 0; fi; done; exit 1"
    )
    host.check_output("bash -c %s", purge)
    host.check_output("mariadb -e 'FLUSH BINARY LOGS'")
    assert copies.must("binlogs")["gap"]
    finding = copies.broken("binlog_gap")
    assert "no moment after" in finding["text"] and "boxlift-backup now" in finding["remedy"]

    # It stops after a part of the stream has gone into the repository.
    stopping = (
        "#!/bin/bash\nset -o pipefail\n"
        '/usr/bin/mariadb-backup "$@" | { head -c 1000000; systemctl stop mariadb; cat; }\n'
    )
    wrapper = "/usr/local/sbin/mariadb-backup"
    host.check_output(f"printf %s %s > {wrapper} && chmod 755 {wrapper}", "%s", stopping)
    try:
        assert copies.run("now --full").rc == 1
    finally:
        host.check_output(f"rm {wrapper}")
    finding = copies.broken("database_stopped", also=["binlog_gap"])
    assert "systemctl start mariadb" in finding["remedy"]

    host.check_output("systemctl start mariadb; mariadb portal -e 'DROP TABLE lab_gap'")
    copies.night()


def test_a_copy_with_fewer_rows_than_the_one_before_has_noted(copies: Copies, host: t.Any) -> None:
    host.check_output("mariadb portal -e 'DELETE FROM lab_rows'")
    newest = copies.night()
    finding = copies.broken("warned", "warn")
    assert f"Copy {newest}: table lab_rows: no rows, where 200 were before." in finding["text"]
    assert "keep the copies before" in finding["remedy"]
    host.check_output("mariadb portal -e 'INSERT INTO lab_rows SELECT seq FROM seq_1_to_200'")
    copies.night()


def test_a_clock_that_jumps(copies: Copies, host: t.Any, keeper: t.Any) -> None:
    ahead = (
        "import runpy, sys, time; real = time.time; time.time = lambda: real() + 3 * 86400; "
        "sys.argv = ['boxlift-backup', 'now']; runpy.run_path('/usr/local/bin/boxlift-backup', run_name='__main__')"
    )
    done = host.run("python3 -c %s", ahead)
    assert done.rc == 0, done.stderr
    wrong = json.loads(done.stdout.splitlines()[-1])["id"]
    finding = copies.broken("clock")
    assert wrong in finding["text"] and wrong in finding["remedy"]
    # With the clock set right again.
    keeper.check_output(f"runuser -u boxlift-backup -- boxlift-backup --patience 60 forget {wrong}")


def test_a_repository_that_is_full(quiet: None, host: t.Any, keeper: t.Any) -> None:
    """On a disk of its own, which has room for a copy of each kind."""
    megabytes = int(keeper.check_output(f"du -sm {REPOSITORY}").split()[0]) + 64
    host.check_output(f"mkdir -p /srv/small && mount -t tmpfs -o size={megabytes}m,mode=0700 tmpfs /srv/small")
    settings = json.loads(host.check_output("cat /etc/boxlift-backup/settings.json"))
    store = {"name": "small", "repository": "/srv/small/portal", "mount": "/srv/small"}
    settings["stores"] = [{**store, "password_file": "/etc/boxlift-backup/password"}]
    settings["folder"] = "/var/lib/boxlift-small"
    host.check_output("printf %s %s > /root/small.json", "%s", json.dumps(settings))
    copies, big = Copies(host, "/root/small.json"), "/srv/portal/www/upload/big"
    assert copies.run("init").rc == 0
    copies.night()
    copies.must("binlogs")
    copies.clean()

    free = "$(df --output=avail -B1 /srv/small | tail -n 1)"
    host.check_output(f"head -c $(({free} - 1000000)) /dev/zero > /srv/small/filler; head -c 3M /dev/urandom > {big}")
    assert copies.run("now").rc == 1
    assert "Make room" in copies.broken("full")["remedy"]

    host.check_output(f"rm /srv/small/filler {big}")
    copies.night()
    copies.clean()
    host.check_output("umount /srv/small")
    assert copies.run("now").rc == 1
    assert "mount /srv/small" in copies.broken("not_mounted")["remedy"]
    host.check_output("rm -r /root/small.json /var/lib/boxlift-small /srv/small")
