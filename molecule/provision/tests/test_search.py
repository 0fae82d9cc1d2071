# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx holds what the portal has indexed, finds it, and keeps it when it is stopped and started."""

from __future__ import annotations

import typing as t

import pytest
from testinfra.host import Host

Sql = t.Callable[..., t.Any]


@pytest.fixture
def sphinx(host: Host) -> t.Callable[[str], str]:
    def ask(query: str) -> str:
        return host.check_output("mariadb --host 127.0.0.1 --port 9306 --batch --skip-column-names -e %s", query)

    return ask


def entries(sphinx: t.Callable[[str], str]) -> int:
    return int(sphinx("SELECT COUNT(*) FROM bitrix"))


def test_every_entry_is_in_the_engine(as_portal: Sql, sphinx: t.Callable[[str], str]) -> None:
    in_portal = int(as_portal("SELECT COUNT(*) FROM b_search_content").stdout)
    assert in_portal > 0
    assert entries(sphinx) == in_portal
    option = as_portal("SELECT VALUE FROM b_option WHERE MODULE_ID = 'search' AND NAME = 'full_text_engine'").stdout
    assert option.strip() == "sphinx"


def test_a_word_is_found(as_portal: Sql, sphinx: t.Callable[[str], str]) -> None:
    title = as_portal("SELECT TITLE FROM b_search_content WHERE MODULE_ID = 'tasks' ORDER BY ID LIMIT 1").stdout
    word = max(title.split(), key=len).strip(".,:;\"'()")
    assert sphinx(f"SELECT id FROM bitrix WHERE MATCH('{word}') LIMIT 1")


def test_nothing_is_lost_when_it_starts_anew(host: Host, sphinx: t.Callable[[str], str]) -> None:
    before = entries(sphinx)
    host.check_output("systemctl restart portal-search.service")
    host.check_output("timeout 20 sh -c 'until mariadb -h 127.0.0.1 -P 9306 -e \"SHOW TABLES\"; do sleep 0.2; done'")
    assert entries(sphinx) == before


def test_its_log_is_rotated(host: Host) -> None:
    """By the process's own name: the package's rule asks for a process file that this one has not."""
    host.check_output("logrotate --force /etc/logrotate.d/sphinxsearch")
    host.check_output("timeout 20 sh -c 'until grep -q . /var/log/sphinxsearch/searchd.log; do sleep 0.2; done'")


def test_nobody_else_reaches_it(host: Host) -> None:
    listeners = host.check_output("ss --listening --tcp --numeric --no-header sport = :9306").splitlines()
    assert len(listeners) == 1
    assert "127.0.0.1:9306" in listeners[0]


def test_documents_can_be_read(host: Host) -> None:
    for program in ("catdoc", "pdftotext"):
        host.check_output("command -v %s", program)


def test_the_packages_nightly_job_is_gone(host: Host) -> None:
    assert not host.file("/etc/cron.d/sphinxsearch").exists
