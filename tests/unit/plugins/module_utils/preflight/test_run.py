# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the disks, and all checks of one host together."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.parts import Kind
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.preflight import backup, disk
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.host import FileSystem
from ansible_collections.boxlift.portal.plugins.module_utils.preflight.run import Wish, run
from ansible_collections.boxlift.portal.plugins.module_utils.units import size_needed

from .conftest import FakeHost

GIB = 1024**3
KIND = Kind("enc.gz", compressed=True, encrypted=True)
KNOWN = backup.Backup("b.enc.gz", KIND, 10, 10 * GIB, 12 * GIB, 4 * GIB, "its first part")
UNKNOWN = dataclasses.replace(KNOWN, parts=None, archive=None, stream=None, how="it does not say")
PATHS = {"archive": "/backup", "tree": "/srv/portal", "database": "/var/lib/mysql"}


def one_disk(free: int) -> t.Callable[[str], FileSystem]:
    return lambda path: FileSystem(1, "/", free)


def judge(found: backup.Backup | None, free: int, **sizes: int) -> Finding:
    (finding,) = disk.room(disk.needs(PATHS, sizes, found), one_disk(free))
    return finding


def test_what_shares_a_file_system_adds_up() -> None:
    # 10 - 4 of the archive, 12 of the tree, 6 of the database
    assert judge(KNOWN, 24 * GIB).status == "pass"
    short = judge(KNOWN, 24 * GIB - 1)
    assert short.status == "fail"
    assert short.expected.startswith("24.0 GiB: archive 6.0 GiB in /backup (")
    assert "tree 12.0 GiB in /srv/portal" in short.expected
    assert "database 6.0 GiB in /var/lib/mysql (assumed:" in short.expected
    assert "Enlarge / by" in short.remedy


def test_file_systems_of_their_own() -> None:
    devices = {"/backup": 1, "/srv/portal": 2, "/var/lib/mysql": 3}
    free = {1: 6 * GIB, 2: 12 * GIB - 1, 3: 6 * GIB}

    def file_system(path: str) -> FileSystem:
        return FileSystem(devices[path], path, free[devices[path]])

    findings = disk.room(disk.needs(PATHS, {}, KNOWN), file_system)
    assert {finding.id: finding.status for finding in findings} == {
        "disk./backup": "pass",
        "disk./srv/portal": "fail",
        "disk./var/lib/mysql": "pass",
    }


def test_a_backup_of_unknown_size_is_never_a_pass() -> None:
    doubt = judge(UNKNOWN, 4 * GIB)
    assert doubt.status == "unknown"
    assert "it does not say" in doubt.expected
    assert "preflight_sizes" in doubt.remedy
    assert judge(UNKNOWN, 4 * GIB - 1).status == "fail"
    assert judge(None, 4 * GIB).status == "unknown"


def test_given_sizes_are_believed() -> None:
    given = {"archive": 5 * GIB, "tree": GIB, "database": GIB}
    assert judge(KNOWN, 3 * GIB, **given).status == "pass"  # 4 of the 5 are here already
    assert judge(KNOWN, 3 * GIB - 1, **given).status == "fail"
    assert judge(None, 7 * GIB, **given).status == "pass"


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MiB"), (1, "0.1 MiB"), (GIB, "1.0 GiB"), (GIB + 1, "1.1 GiB")])
def test_sizes_are_never_rounded_down(size: int, text: str) -> None:
    assert size_needed(size) == text


WISH = Wish(
    domain="portal.example.com",
    source_url="https://cloud.example.com/b.enc.gz?signature=canary",
    source_path="/nowhere/backup",
    document_root="/srv/portal/www",
    database_directory="/var/lib/mysql",
    memory_mb=4096,
    ports={80: ["nginx"], 3306: ["mariadbd"]},
    controller_time=1000.0,
)


def look(answer: backup.Backup | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(url: str, path: str, client: object) -> backup.Backup:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(backup, "look", looked)


def client() -> t.NoReturn:
    raise AssertionError("nobody is asked")


def nobody(_webhook: str) -> t.NoReturn:
    raise AssertionError("no portal is asked")


def test_a_good_host_passes_everything(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    look(KNOWN, monkeypatch)
    found = run(dataclasses.replace(WISH, password_given=True), fake.host(), client, nobody)
    assert {finding.status for finding in found} == {"pass"}
    assert {finding.area for finding in found} == {"time", "host", "backup", "disk", "memory", "ports", "names"}


def test_every_reason_at_once(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    look(KNOWN, monkeypatch)
    fake.write("etc/os-release", "ID=debian\nVERSION_ID=10\n")
    fake.socket(80, 7)
    fake.process(9, "apache2", inode=7)
    bad = fake.host(clock=lambda: 5000.0, resolve=lambda name: ["203.0.113.1"], file_system=one_disk(GIB))
    found = run(dataclasses.replace(WISH, memory_mb=9999), bad, client, nobody)
    reasons = [finding for finding in found if finding.status == "fail"]
    assert {finding.id for finding in reasons} == {
        "time.clock", "host.release", "backup.password", "disk./", "memory.total", "ports.80", "names.domain",
    }  # fmt: skip
    assert all(finding.observed and finding.expected and finding.remedy for finding in reasons)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BoxliftError("It has expired.", "Get a new link."), "fail"),
        (backup.CannotTell("nobody is trusted", "Install."), "unknown"),
        (PermissionError(13, "Permission denied", "/backup/b.enc.gz"), "fail"),
    ],
)
def test_a_source_in_trouble_is_a_finding(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str
) -> None:
    look(error, monkeypatch)
    found = {finding.id: finding for finding in run(WISH, fake.host(), client, nobody)}
    assert found["backup.source"].status == status
    assert found["backup.source"].remedy
    assert found["disk./"].status == "unknown"
    assert "backup.password" not in found


def test_a_host_for_the_cache_alone(fake: FakeHost) -> None:
    found = run(Wish(ports={6379: ["redis-server"]}), fake.host(), client, nobody)
    assert {finding.area for finding in found} == {"host", "memory", "ports"}


def test_licences_are_looked_for_where_some_are_named(fake: FakeHost) -> None:
    found = run(Wish(licence_files=["/etc/voice.lic"]), fake.host(), client, nobody)
    assert [finding.status for finding in found if finding.id == "licence.files"] == ["warn"]


def test_each_portal_that_is_named_is_asked(fake: FakeHost) -> None:
    def silent(_webhook: str) -> t.NoReturn:
        raise BoxliftError("No answer.", "Look.")

    webhooks = {"cloud": "https://acme.example/rest/1/canary/", "box": "https://portal.example.com/rest/1/canary/"}
    wish = Wish(crm_webhooks=webhooks)
    found = {finding.id: finding.status for finding in run(wish, fake.host(), client, silent)}
    assert (found["crm.cloud_answers"], found["crm.box_answers"]) == ("fail", "warn")
    assert "canary" not in repr(wish)


def test_the_address_is_not_shown() -> None:
    assert "canary" not in repr(WISH)
