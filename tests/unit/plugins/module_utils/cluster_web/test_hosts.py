# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a web host says of itself, and what it sees of the share."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web import hosts, share
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import read_settings
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import execute

SETTINGS: dict[str, t.Any] = {
    "host": "web2",
    "hosts": ["web1", "web2"],
    "lead": "web1",
    "lead_address": "192.0.2.1",
    "lead_port": 22,
    "document_root": "/srv/portal/www",
    "database_host": "localhost",
    "share": "/srv/portal/share",
}


@pytest.fixture
def conn(mariadb: t.Any) -> t.Iterator[t.Any]:
    made = mariadb.connect(mariadb.fresh_database("hosts"))
    yield made
    made.close()


def test_each_host_speaks_for_itself_and_those_that_went_are_forgotten(conn: t.Any) -> None:
    hosts.tell(conn, "web1", {"lead": "web1"})
    hosts.tell(conn, "web2", {"lead": "web1"})
    hosts.tell(conn, "web2", {"lead": "web2"})
    told = hosts.all_told(conn)
    assert {host: facts["lead"] for host, facts in told.items()} == {"web1": "web1", "web2": "web2"}
    assert all(facts["ago"] >= 0 for facts in told.values())
    hosts.forget(conn, ["web2", "web3"])
    assert list(hosts.all_told(conn)) == ["web2"]


def test_how_far_the_clock_is_ahead(conn: t.Any) -> None:
    execute(conn, "SET timestamp = 1800000000")
    times = iter((1800000007.0, 1800000007.5))
    assert hosts.clock(conn, lambda: next(times)) == (7.25, 0.25)


PORTAL = """<?php return array('session' => array('value' => array('handlers' => array('general' => array(
  'type' => '%s', 'host' => '%s', 'port' => '0', 'password' => 'canary'))))); """


def portal(folder: Path, kind: str = "redis", host: str = "/run/redis/redis.sock") -> PortalFiles:
    (folder / "bitrix/php_interface").mkdir(parents=True)
    (folder / "bitrix/.settings.php").write_text(PORTAL % (kind, host))
    (folder / "bitrix/php_interface/dbconn.php").write_text("<?php")
    return PortalFiles(folder)


def test_where_sessions_are_kept_is_compared_without_the_secret(tmp_path: Path) -> None:
    one = hosts.sessions(portal(tmp_path / "1"))
    assert one["type"] == "redis" and one == hosts.sessions(portal(tmp_path / "2"))
    other = hosts.sessions(portal(tmp_path / "3", host="192.0.2.7"))
    assert other["place"] != one["place"] and "192.0.2.7" not in str(other)
    (tmp_path / "4").mkdir()
    (tmp_path / "4/bitrix").mkdir()
    (tmp_path / "4/bitrix/.settings.php").write_text("<?php return array();")
    assert hosts.sessions(PortalFiles(tmp_path / "4"))["type"] == ""


def test_settings_are_compared_by_a_hash(tmp_path: Path) -> None:
    one, two = portal(tmp_path / "1"), portal(tmp_path / "2")
    assert hosts.settings_digest(one) == hosts.settings_digest(two)
    (tmp_path / "2/bitrix/php_interface/dbconn.php").write_text("<?php // more")
    assert hosts.settings_digest(one) != hosts.settings_digest(two)


def test_whether_sessions_are_packed_with_igbinary(tmp_path: Path) -> None:
    assert not hosts.packs_with_igbinary(tmp_path)
    (tmp_path / "8.2/fpm/conf.d").mkdir(parents=True)
    (tmp_path / "8.2/fpm/conf.d/20-igbinary.ini").touch()
    assert hosts.packs_with_igbinary(tmp_path)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A share with the beacon of web1."""
    (tmp_path / share.BEACONS).mkdir(parents=True)
    (tmp_path / share.IDENTITY).write_text("one\n")
    (tmp_path / share.BEACONS / "web1").write_text("1000.000\n")
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(tmp_path))
    return tmp_path


def test_a_share_is_written_and_what_others_wrote_is_seen(mounted: Path) -> None:
    seen = share.look(str(mounted), "web2", lambda: 1030.5)
    assert seen == {"identity": "one", "seen": {"web1": 1000.0, "web2": 1030.5}}


def test_a_folder_is_no_share(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: False)
    with pytest.raises(BoxliftError, match="is no mount point: the share is not there"):
        share.look(str(mounted), "web2")
    assert not (mounted / share.BEACONS / "web2").exists()


def test_another_file_system_is_not_this_share(mounted: Path) -> None:
    (mounted / share.IDENTITY).unlink()
    with pytest.raises(BoxliftError, match=r"is not the share of this portal: it has no \.boxlift/identity"):
        share.look(str(mounted), "web2")


def test_what_a_look_from_apart_says() -> None:
    assert share.looked((0, '{"identity": "one", "seen": {}}', "")) == {"identity": "one", "seen": {}}
    assert share.looked((1, "", "it is gone\n")) == {"problem": "it is gone"}
    assert share.looked((1, "", "")) == {"problem": "status 1"}
    assert share.looked(None) == {"problem": "the share has not answered within 10 s"}


def test_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(SETTINGS))
    assert not read_settings(str(path)).leads
    path.write_text(json.dumps({**SETTINGS, "host": "web1"}))
    assert read_settings(str(path)).leads


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("{", "it is no JSON"),
        ("[]", "it holds no object"),
        (json.dumps({**SETTINGS, "further": 1}), "further"),
        (json.dumps({"host": "web1"}), "missing"),
        (json.dumps({**SETTINGS, "host": "web3"}), "hosts lacks this host or the lead"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, given: str, what: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(given)
    with pytest.raises(BoxliftError, match=what):
        read_settings(str(path))
