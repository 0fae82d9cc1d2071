# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that role backup writes are those that boxlift-backup reads; what cannot go well is refused."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.backup.settings import Lender, Settings, read_settings
from unit.roles import rendering

ROLE = Path(__file__).resolve().parents[3] / "roles/backup"
PASSWORD = "canary-0123456789-abcdef"
SITE: dict[str, t.Any] = {
    "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"},
    "inventory_hostname": "portal",
    "groups": {"production": ["portal"], "web": ["portal"], "database": ["portal"]},
    "hostvars": {"portal": {"ansible_host": "192.0.2.10"}, "keeper": {"ansible_host": "192.0.2.20"}},
    "site_backup_password": PASSWORD,
}
LENT: dict[str, t.Any] = {
    "groups": {"production": ["portal", "db"], "web": ["portal"], "database": ["db"]},
    "site_database_host": "192.0.2.30",
}
KEPT_ELSEWHERE = {"groups": {**SITE["groups"], "backup_repository": ["keeper"]}}


def rendered(template: str, **given: t.Any) -> t.Any:
    return rendering.rendered(ROLE, template, {**SITE, **given})


def settings(folder: Path, template: str = "settings", **given: t.Any) -> Settings:
    content = rendered((ROLE / f"templates/{template}.json.j2").read_text(), **given)
    path = folder / "settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert PASSWORD not in path.read_text()
    return read_settings(str(path))


def problems(**given: t.Any) -> list[str]:
    found = rendered("{{ __backup_problems | selectattr('found') | map(attribute='text') | list }}", **given)
    assert "canary" not in str(found)
    return [str(text).split()[0] for text in found]


def works(**given: t.Any) -> set[str]:
    return {name.removeprefix("boxlift-backup") for name in rendered("{{ __backup_works.keys() | list }}", **given)}


def test_a_password_is_enough(tmp_path: Path) -> None:
    found = settings(tmp_path)
    (store,) = found.stores
    assert (store.name, store.repository, store.append_only) == ("local", "/srv/backup/portal", False)
    assert not store.program
    assert store.same_host and found.database is not None and found.database.binlog_dir == "/var/lib/mysql-binlog"
    assert "/srv/portal/www/bitrix/cache" in found.exclude
    assert found.database.read_mb == 30
    assert problems() == []
    assert works() == {"", "-binlogs", "-verify", "-metrics", "-prune"}


def test_what_the_night_writes_to_is_there_on_a_portal_that_was_never_restored() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/install.yml").read_text())
    files = next(task["boxlift.portal.host_files"]["files"] for task in tasks if "boxlift.portal.host_files" in task)
    made = {each["path"] for each in rendered(files)}
    written = {path.lstrip("-") for path in rendered("{{ __backup_writes }}")}
    assert written - made == {"/srv/backup/portal"}  # which reach.yml makes


@pytest.mark.parametrize(
    ("reachable", "before", "new"), [(True, ["a"], ["b"]), (True, ["a", "b"], []), (False, [], [])]
)
def test_what_the_playbook_calls_a_new_copy(reachable: bool, before: list[str], new: list[str]) -> None:
    plays = yaml.safe_load((ROLE.parents[1] / "playbooks/backup.yml").read_text())
    names = next(task["vars"] for task in plays[1]["tasks"] if "copies_new" in task.get("vars", {}))
    given: dict[str, t.Any] = {}
    for name, ids, read in (("copies_before", before, reachable), ("copies_after", ["a", "b"], True)):
        given[name] = {"stores": [{"name": "local", "reachable": read, "copies": [{"id": each} for each in ids]}]}
    for name in ("copies_known", "copies_read"):
        given[name] = rendered(names.get(name, ""), **given)
    assert rendered(names["copies_new"], **given) == new


def test_another_host_is_reached_by_a_key_that_only_adds(tmp_path: Path) -> None:
    store = settings(tmp_path, **KEPT_ELSEWHERE).main
    assert (store.name, store.repository, store.append_only) == ("keeper", "rclone:", True)
    assert store.program[0] == "ssh" and store.program[-1] == "boxlift-backup@192.0.2.20"
    assert not store.same_host
    options = rendered("{{ __backup_key_options }}", **KEPT_ELSEWHERE)
    assert options == 'restrict,command="rclone serve restic --stdio --append-only /srv/backup/portal"'
    # What is too old is removed there.
    assert works(**KEPT_ELSEWHERE) == {"", "-binlogs", "-verify", "-metrics"}
    assert settings(tmp_path, "keeper", **KEPT_ELSEWHERE).main.path == "/srv/backup/portal"


def test_an_address_of_its_own(tmp_path: Path) -> None:
    hosts = {"keeper": {"ansible_host": "keeper.example.com", "site_backup_address": "10.0.0.20"}}
    assert settings(tmp_path, **KEPT_ELSEWHERE, hostvars=hosts).main.program[-1] == "boxlift-backup@10.0.0.20"


def test_a_host_that_keeps_its_own_copies_is_no_other_host(tmp_path: Path) -> None:
    groups = {**SITE["groups"], "backup_repository": ["portal"]}
    assert settings(tmp_path, groups=groups).main.repository == "/srv/backup/portal"


def test_a_second_place(tmp_path: Path) -> None:
    given: dict[str, t.Any] = {
        "backup_offsite_repository": "s3:https://s3.example.com/portal",
        "backup_offsite_environment": {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"},
        "backup_offsite_ca_file": "/nowhere/ca.pem",
        **KEPT_ELSEWHERE,
    }
    found = settings(tmp_path, **given)
    store = found.store("offsite")
    assert store.offsite and store.append_only and found.main.name == "keeper"
    assert (store.ca_file, store.environment_file) == (
        "/etc/boxlift-backup/offsite-ca.pem",
        "/etc/boxlift-backup/offsite.env",
    )
    text = rendered((ROLE / "templates/offsite.env.j2").read_text(), **given)
    assert text == "AWS_ACCESS_KEY_ID=canary-id\nAWS_SECRET_ACCESS_KEY=canary-key\n"
    assert works(**given, backup_offsite_prune="true") == {"", "-binlogs", "-verify", "-metrics", "-prune"}
    commands = rendered("{{ __backup_works['boxlift-backup']['commands'] }}", **given)
    assert [command.split()[-1] for command in commands] == ["now", "copy"]


@pytest.mark.parametrize("secret", ["canary-address", "x@canary-address", ""])
def test_the_password_in_an_address_is_on_no_page(tmp_path: Path, secret: str) -> None:
    account = f"portal:{secret}@" if secret else ""
    address = f"rest:https://{account}far.example.com:8000/portal/"
    given: dict[str, t.Any] = {**KEPT_ELSEWHERE, "backup_offsite_repository": address, "backup_card": "/card.html"}
    found = settings(tmp_path, **given).store("offsite")
    assert found.repository == address
    shown = rendered("{{ __backup_offsite_shown }}", **given)
    assert shown == found.place  # of the role and of the program
    pages = [
        rendered((ROLE / "templates/card.html.j2").read_text(), **given),
        *rendered("{{ __backup_escrow_text }}", **given),
    ]
    assert "canary" not in str(pages)
    assert str(pages).count(shown) == 3
    assert ("in the place of the ***" in pages[0]) is bool(secret)
    files = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__backup_files"]
    written = next(each for each in files if isinstance(each, dict) and each["path"] == "{{ __backup_settings }}")
    assert rendered(written["confidential"], **given) is bool(secret)


def test_what_is_given_as_text_stands(tmp_path: Path) -> None:
    found = settings(tmp_path, backup_keep_daily="9", backup_full_every_days="3", backup_mount="/srv/backup")
    assert (found.keep.daily, found.full_every_days, found.main.mount) == (9, 3, "/srv/backup")


def test_a_reader_has_no_portal(tmp_path: Path) -> None:
    given = {**KEPT_ELSEWHERE, "inventory_hostname": "copy", "__backup_client": "portal"}
    found = settings(tmp_path, "reader", **given)
    assert found.database is None and found.document_root == ""
    assert found.main.program[-1] == "boxlift-backup@192.0.2.20"
    at_home = settings(tmp_path, "reader", inventory_hostname="copy", __backup_client="portal")
    assert at_home.main.program[-1] == "boxlift-backup@192.0.2.10" and at_home.main.name == "local"


def test_figures_are_written_for_whoever_watches_or_will() -> None:
    assert "-/var/lib/prometheus/node-exporter" in rendered("{{ __backup_writes }}")
    assert "-metrics" not in works(backup_textfile_dir="")
    assert len(rendered("{{ __backup_writes }}", backup_textfile_dir="")) == len(rendered("{{ __backup_writes }}")) - 1


def test_the_password_of_the_databases_account_is_known_to_nobody_else() -> None:
    mine = rendered("{{ __backup_account_password }}")
    assert len(mine) == 64 and PASSWORD not in mine
    assert mine != rendered("{{ __backup_account_password }}", inventory_hostname="other", **LENT)


def test_a_database_host_of_its_own_lends_its_server(tmp_path: Path) -> None:
    found = settings(tmp_path, **LENT)
    assert found.database is not None and found.database.lenders == (Lender("db", "192.0.2.30", 3309),)
    assert problems(**LENT) == []
    assert "mariadb-server-core" in rendered("{{ __backup_packages }}", **LENT)
    mine = rendered("{{ __backup_account_password }}", **LENT)
    assert mine == rendered("{{ __backup_account_password_lent }}", **{**LENT, "inventory_hostname": "db"})
    assert mine != rendered("{{ __backup_account_password }}")
    both = {**LENT["groups"], "database": ["db", "db2"], "production": ["portal", "db", "db2"]}
    hostvars = {"db": {"ansible_host": "192.0.2.31"}, "db2": {"site_address": "192.0.2.32"}}
    found = settings(tmp_path, **{**LENT, "groups": both, "hostvars": hostvars})
    assert found.database is not None
    assert [each.address for each in found.database.lenders] == ["192.0.2.31", "192.0.2.32"]


@pytest.mark.parametrize(
    "given",
    [
        {"ansible_facts": {"distribution": "Debian", "distribution_major_version": "11"}},
        {"site_backup_password": "canary-short"},
        {"site_backup_password": " canary-with-a-space-before"},
        {"site_backup_password": "canary-with-an-umläut-in-it"},
        {**LENT, "site_database_host": ""},
        {"groups": {**SITE["groups"], "backup_repository": ["a", "b"]}},
        {"backup_repository_path": "srv/backup"},
        {"backup_repository_path": "/srv"},
        {"backup_repository_path": "/srv/portal/www/upload/backup"},
        {"backup_mount": "/mnt"},
        {"backup_time": "1:30"},
        {"backup_keep_daily": 0},
        {"backup_keep_binlog_days": 3},
        {"backup_verify_slices": 0},
        {"backup_read_mb": -1},
        {"backup_offsite_environment": {"aws-key": "canary"}},
    ],
)
def test_what_cannot_go_well_is_refused(given: dict[str, t.Any]) -> None:
    assert len(problems(**given)) == 1
