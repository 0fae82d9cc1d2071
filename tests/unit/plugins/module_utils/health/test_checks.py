# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check: passes on a healthy portal, sees each break of breaks.py, and says `unknown` when it cannot look."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import time
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.finding import Finding
from ansible_collections.boxlift.portal.plugins.module_utils.health import catalogue
from ansible_collections.boxlift.portal.plugins.module_utils.health.catalogue import all_checks
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import ANYWHERE, OUTSIDE
from ansible_collections.boxlift.portal.plugins.module_utils.health.runner import run
from unit.plugins.module_utils.health import (
    breaks,
    breaks_backup,
    breaks_cluster_balancer,
    breaks_cluster_cache,
    breaks_cluster_database,
    breaks_cluster_storage,
    breaks_cluster_web,
    breaks_crm,
    breaks_data,
    breaks_host,
    breaks_security,
    breaks_upkeep,
)
from unit.plugins.module_utils.health.toy_portal import CRYPTO_KEY, LICENCE, PASSWORD, PUSH_KEY

TABLES = (
    breaks,
    breaks_host,
    breaks_data,
    breaks_security,
    breaks_crm,
    breaks_backup,
    breaks_upkeep,
    breaks_cluster_balancer,
    breaks_cluster_database,
    breaks_cluster_storage,
    breaks_cluster_cache,
    breaks_cluster_web,
)
BREAKS = [case for table in TABLES for case in table.BREAKS]
BLINDS = [case for table in TABLES for case in table.BLINDS]
SKIPS = [case for table in TABLES for case in table.SKIPS]

CHECKS = all_checks().checks


def names(table: t.Sequence[t.Any]) -> list[str]:
    return [f"{index}-{case[0]}" for index, case in enumerate(table)]


SECRETS = (PASSWORD, CRYPTO_KEY[:16], PUSH_KEY, LICENCE[:8])


def shown(findings: t.Iterable[Finding]) -> list[str]:
    """The secrets that the findings show."""
    text = json.dumps([finding.as_dict() for finding in findings])
    return [secret for secret in SECRETS if secret in text]


def test_a_healthy_portal_passes_everything(world: t.Any) -> None:
    found = world.findings()
    assert set(found) == {name for name, check in CHECKS.items() if check.vantage != OUTSIDE}
    # One host has nothing to look after there.
    assert {finding.status for name, finding in found.items() if name.startswith("cluster.")} == {"skip"}
    others = {name: finding for name, finding in found.items() if not name.startswith("cluster.")}
    assert {name: finding.observed for name, finding in others.items() if finding.status != "pass"} == {
        "database.after_connect": "there are no after_connect files",
        "settings.cache_server": "the cache is kept in files",
        "settings.session_server": "sessions are kept in file",
        "security.redis": "no Redis runs on this host",
        "security.link_certificates": "this host uses no service of another one through a link",
    }
    outside = world.findings(vantage="outside")
    assert {name: finding.observed for name, finding in outside.items() if finding.status != "pass"} == {}
    assert "security.open_ports" in outside
    assert all(finding.remedy == "" for finding in found.values())


def test_a_file_holds_the_checks_of_its_area_and_no_file_is_forgotten() -> None:
    files = {name: check.run.__module__.rpartition(".")[2] for name, check in CHECKS.items()}
    # An area of many checks has several files: its name, and what they look at.
    assert {name: file for name, file in files.items() if file.partition("_")[0] != CHECKS[name].area} == {}
    folder = pathlib.Path(str(catalogue.__file__)).parent / "checks"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(files.values())


def test_there_is_a_break_for_every_check() -> None:
    assert {case[0] for case in BREAKS if case[2] in ("warn", "fail")} == set(CHECKS)


@pytest.mark.parametrize(("name", "damage", "status", "words"), BREAKS, ids=names(BREAKS))
def test_sees_the_break(world: t.Any, name: str, damage: t.Any, status: str, words: str) -> None:
    damage(world)
    finding = world.finding(name)
    assert (finding.status, words in finding.observed) == (status, True), finding.observed
    assert finding.expected and (finding.remedy or status == "pass")
    assert shown([finding]) == []


@pytest.mark.parametrize(("name", "damage", "words"), BLINDS, ids=names(BLINDS))
def test_says_unknown_when_it_cannot_look(world: t.Any, name: str, damage: t.Any, words: str) -> None:
    damage(world)
    finding = world.finding(name)
    assert (finding.status, words in finding.observed) == ("unknown", True), finding.observed


@pytest.mark.parametrize(("name", "damage", "words"), SKIPS, ids=names(SKIPS))
def test_says_when_it_does_not_apply(world: t.Any, name: str, damage: t.Any, words: str) -> None:
    damage(world)
    finding = world.finding(name)
    assert (finding.status, words in finding.observed) == ("skip", True), finding.observed


@pytest.mark.parametrize("name", CHECKS)
def test_is_unknown_without_any_access(name: str) -> None:
    def refuse(*_arguments: t.Any) -> t.Any:
        raise AssertionError("nothing was given to connect to")

    (finding,) = run(Context(now=time.time, connect=refuse), [CHECKS[name]])
    assert finding.status == "unknown"
    assert "was not given" in finding.observed or "cannot be run from here" in finding.observed
    assert finding.remedy


class Broken:
    """Access that fails in a way that nobody foresaw."""

    def __getattr__(self, name: str) -> t.Any:
        raise RuntimeError(f"{name} broke")


@pytest.mark.parametrize("name", CHECKS)
def test_an_unforeseen_error_is_unknown(name: str) -> None:
    broken: t.Any = Broken()
    context = Context(
        now=time.time,
        connect=lambda *_arguments: broken,
        portal_files=broken,
        base_url="https://portal.boxlift.test",
        http_client=broken,
        login=(broken, "x"),
        run_command=lambda arguments: broken.run(),
        connect_tcp=lambda *place: broken.connect(place),
        host_root=broken,
    )
    (finding,) = run(context, [CHECKS[name]])
    assert finding.status == "unknown"
    assert "RuntimeError" in finding.observed


def test_checks_look_and_do_not_touch(world: t.Any) -> None:
    with pytest.raises(Exception, match="READ ONLY"):
        world.context.query("DELETE FROM b_option")


# For each check that comes near a secret, the last of its breaks; test_sees_the_break looks at all of them.
NEAR_SECRETS = {
    case[0]: case[1] for case in BREAKS if case[0].startswith(("settings", "licence", "push", "database.l"))
}


def test_the_portal_has_each_secret_and_no_finding_shows_it(world: t.Any) -> None:
    kept = "".join(path.read_text("utf-8") for path in world.portal.root.glob("bitrix/**/*.php"))
    assert [secret for secret in SECRETS if secret not in kept] == []
    assert shown(world.findings().values()) == []


@pytest.mark.parametrize("name", NEAR_SECRETS)
def test_no_finding_of_a_broken_portal_shows_a_secret(world: t.Any, name: str) -> None:
    NEAR_SECRETS[name](world)
    assert shown(world.findings().values()) == []


def test_real_php_answers_the_question(world: t.Any) -> None:
    assert shutil.which("php"), "apt-get install php-cli"

    def real(arguments: t.Sequence[str]) -> tuple[int, str, str]:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    world.context.run_command = real
    finding = world.finding("environment.php")
    assert finding.status in ("pass", "warn", "fail")
    assert finding.observed.startswith("PHP 8.")


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_says_why_and_what_to_do(check: t.Any) -> None:
    assert len(check.why) > 20 and check.expected and len(check.remedy) > 20
    # What is seen from outside can only need what is seen from outside.
    assert check.vantage not in (ANYWHERE, OUTSIDE) or all(CHECKS[need].vantage == ANYWHERE for need in check.needs)
