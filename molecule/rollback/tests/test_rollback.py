# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the rollback every order is there, by its number; after rolling forward they are kept in generation 1."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml

NUMBERS = yaml.safe_load(Path(__file__).parent.parent.joinpath("vars", "site.yml").read_text(encoding="utf-8"))
WORK = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
BEFORE = set(range(NUMBERS["orders_before"], NUMBERS["orders_before"] + 100))
AFTER = set(range(NUMBERS["orders_after"], NUMBERS["orders_after"] + 100))


class State(t.NamedTuple):
    """What is where: `live` is the live generation's number, `orders` are those that were taken of the first one."""

    live: int
    orders: set[int]

    @property
    def database(self) -> str:
        """Where the first generation lies."""
        return "portal" if self.live == 1 else "portal_previous_1"

    @property
    def tree(self) -> str:
        return "/srv/portal/www" if self.live == 1 else "/srv/portal/.www.previous-1"


def ask(host: t.Any, database: str, query: str) -> list[str]:
    return list(host.check_output("mariadb -N -e %s %s", query, database).splitlines())


@pytest.fixture
def state(host: t.Any) -> State:
    (path,) = host.check_output("ls /var/lib/boxlift/restore/*.generations.json").splitlines()
    register = host.file(path)
    assert (register.user, register.mode) == ("root", 0o600)
    content = json.loads(register.content)
    assert content["switch"] is None
    live = content["live"]["number"]
    return State(live, BEFORE if live == 1 else BEFORE | AFTER)


def deals_of(backup: int) -> set[int]:
    manifest = json.loads((WORK / f"backup-{backup}" / "manifest.json").read_text(encoding="utf-8"))
    return {manifest["db"]["tables"]["b_crm_deal"]["rows"]}


@pytest.mark.parametrize("table", ("b_crm_deal", "b_im_message"))
def test_every_order_is_there(host: t.Any, state: State, table: str) -> None:
    found = {int(number) for number in ask(host, state.database, f"SELECT ID FROM {table} WHERE ID > 90000")}
    assert found == state.orders


def test_files_go_with_the_orders(host: t.Any, state: State) -> None:
    assert host.file(f"{state.tree}/upload/contract-{NUMBERS['orders_before']}.txt").content_string == "signed"
    assert host.file(f"{state.tree}/upload/contract-{NUMBERS['orders_after']}.txt").exists == (state.live == 2)


def test_the_other_backup_has_none_of_them(host: t.Any, state: State) -> None:
    other = "portal_previous_2" if state.live == 1 else "portal"
    assert ask(host, other, "SELECT ID FROM b_crm_deal WHERE ID > 90000") == []
    count = ask(host, other, "SELECT COUNT(*) FROM b_crm_deal")
    assert {int(number) for number in count} == deals_of(2)


def status_of(host: t.Any, path: str) -> int:
    """What the portal answers to a visitor on its own host."""
    program = f"""
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("https://portal.boxlift.test{path}", timeout=20).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    return int(host.check_output("python3 -c %s", program))


def test_the_portal_answers_from_its_own_tree(host: t.Any, state: State) -> None:
    assert status_of(host, "/") == 200
    expected = 200 if state.live == 1 else 404
    assert status_of(host, f"/upload/contract-{NUMBERS['orders_before']}.txt") == expected


def test_the_index_is_of_what_is_live(host: t.Any, state: State) -> None:
    """Sphinx holds as many texts as the live database has."""
    rows = ask(host, "portal", "SELECT COUNT(*) FROM b_search_content")
    found = host.check_output("mariadb --skip-ssl -h 127.0.0.1 -P 9306 -N -e 'SELECT COUNT(*) FROM bitrix'")
    assert int(found) == int(rows[0]) > 0


def test_nothing_is_left_over(host: t.Any, state: State) -> None:
    kept = 3 - state.live
    trees = {name for name in host.check_output("ls -A /srv/portal").split() if "www" in name}
    assert trees == {"www", f".www.previous-{kept}"}
    # The image brings a database portal_previous without tables, from an earlier version.
    databases = ask(host, "mysql", "SHOW DATABASES LIKE 'portal\\_%'")
    assert set(databases) - {"portal_previous"} == {f"portal_previous_{kept}"}
