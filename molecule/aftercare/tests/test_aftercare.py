# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nights have stored, what the recovery has brought back, and what the drill has left."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import testinfra

INVENTORY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "molecule" / "shared" / "inventory.py"
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PASSWORD = "canary-backup-5f0c2a719d"


def of(name: str) -> t.Any:
    return testinfra.get_host(f"ansible://{name}", ansible_inventory=str(INVENTORY))


@pytest.fixture(scope="module")
def seen() -> dict[str, t.Any]:
    return dict(json.loads((EPHEMERAL / "aftercare.json").read_text()))


def noted(host: t.Any) -> dict[int, float]:
    """Every order that the database has acknowledged, and when."""
    lines = host.check_output("cat /opt/orders.noted").splitlines()
    return {int(number): float(moment) for number, moment in map(str.split, lines)}


def held(host: t.Any) -> dict[int, float]:
    lines = host.check_output("mariadb portal -BN -e 'SELECT id, sent FROM lab_orders ORDER BY id'").splitlines()
    return {int(number): float(moment) for number, moment in map(str.split, lines)}


def test_the_second_night_stores_what_has_changed(seen: dict[str, t.Any]) -> None:
    first, second = seen["first"]["last_good"], seen["second"]["last_good"]
    assert (first["kind"], second["kind"], second["base"]) == ("full", "incremental", first["id"])
    assert second["stored"] < first["stored"] / 3
    assert [copy["id"] for copy in seen["second"]["copies"]] == [first["id"], second["id"]]


def test_no_order_is_lost_that_was_there_a_second_before(host: t.Any, seen: dict[str, t.Any]) -> None:
    moment = int(seen["accident"]) - 1
    acknowledged, there = noted(host), held(host)
    before = {number for number, when in acknowledged.items() if when < moment}
    assert len(before) > 60, "nothing was ordered before the accident"
    assert before <= set(there)
    # Nothing of what came between that second and the accident is invented, and the numbers have no gap before it.
    assert sorted(before) == list(range(1, len(before) + 1))
    # People have gone on ordering in the recovered table.
    after = {number for number, when in acknowledged.items() if when > seen["accident"]}
    assert after and after <= set(there)


def test_what_came_after_that_second_stayed_away(host: t.Any, seen: dict[str, t.Any]) -> None:
    late = {number for number, when in noted(host).items() if int(seen["accident"]) + 0.1 < when < seen["accident"]}
    assert not late & set(held(host))


def test_the_folder_is_back(host: t.Any) -> None:
    assert int(host.check_output("find /srv/portal/www/upload/disk -type f | wc -l")) > 0
    assert host.file("/srv/portal/www/upload/day.txt").size == 1400
    owners = host.check_output("find /srv/portal/www/upload/disk -printf '%U\n' | sort -u").split()
    assert len(owners) == 1 and owners != ["0"]


def test_the_whole_portal_is_back_to_its_last_order(host: t.Any, seen: dict[str, t.Any]) -> None:
    assert host.check_output("mariadb portal -BN -e 'CHECKSUM TABLE lab_orders'") == seen["orders"].strip()
    databases = host.check_output("mariadb -BN -e 'SHOW DATABASES'").split()
    assert "portal" in databases and [name for name in databases if name.startswith("portal_previous")]


def test_the_drill_tells_how_long_a_recovery_takes(seen: dict[str, t.Any]) -> None:
    (drill,) = seen["status"]["stores"][0]["drills"]
    assert drill["passed"] and drill["findings"] == [] and drill["left"] == []
    assert 0 < drill["rto_seconds"] < 600 and drill["rpo_seconds"] >= 0
    assert seen["status"]["promise"]["of_drills"] == 1


def test_the_drill_leaves_nothing(host: t.Any) -> None:
    copy = of("boxcopy")
    for path in (
        "/etc/boxlift-backup",
        "/var/lib/boxlift-backup",
        "/usr/local/bin/boxlift-backup",
        "/root/.cache/restic",
    ):
        assert not copy.file(path).exists, path
    assert copy.check_output("mariadb -BN -e 'SHOW DATABASES'").split().count("portal") == 1
    assert "portal_previous" not in copy.check_output("mariadb -BN -e 'SHOW DATABASES'")
    assert copy.service("nginx").is_running
    (key,) = of("keeper").check_output("cat /var/lib/boxlift-backup/.ssh/authorized_keys").splitlines()
    assert host.check_output("cut -d ' ' -f 2 /etc/boxlift-backup/id_ed25519.pub").strip() in key


def test_production_cannot_remove_its_copies(host: t.Any, seen: dict[str, t.Any]) -> None:
    store = json.loads(host.check_output("cat /etc/boxlift-backup/settings.json"))["stores"][0]
    command = "RESTIC_PASSWORD_FILE=%s restic -o %s -r rclone: forget --keep-last 1 --group-by '' --tag boxlift,good"
    program = "rclone.program=" + " ".join(store["program"])
    done = host.run(command, store["password_file"], program)
    there = host.check_output("boxlift-backup list").splitlines()
    assert len(there) == 2 and done.stderr
    assert [line.split()[0] for line in there] == [copy["id"] for copy in seen["second"]["copies"]]


def test_the_host_of_the_copies_removes_what_is_too_old() -> None:
    keeper = of("keeper")
    assert keeper.service("boxlift-backup-prune.timer").is_enabled
    keeper.check_output("systemctl start boxlift-backup-prune.service")


def test_the_kept_password_is_proven(host: t.Any) -> None:
    assert host.run("printf '%%s\n' %s | boxlift-backup escrow", PASSWORD).rc == 0
    assert host.run("echo another-one | boxlift-backup escrow").rc == 1
    card = (EPHEMERAL / "card.html").read_text()
    assert "/srv/backup/portal on keeper" in card and PASSWORD not in card


def test_the_password_is_in_no_log(host: t.Any) -> None:
    assert PASSWORD not in (EPHEMERAL / "ansible.log").read_text()
    for each in (host, of("keeper")):
        assert each.run("journalctl --no-pager | grep -F %s", PASSWORD).rc == 1
        assert each.check_output("stat -c %a /etc/boxlift-backup/password") in ("600", "640")
