# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several web hosts of one portal: what each says of itself in the portal's database, compared (role cluster_web)."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.hosts import QUESTION, TABLE
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import AGENTS, LEASE_SECONDS
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.lease import TABLE as LEASE
from ansible_collections.boxlift.portal.plugins.module_utils.cluster_web.settings import PATH
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.portal.site import has_table
from ansible_collections.boxlift.portal.plugins.module_utils.units import duration

#: Each host says it every minute.
SILENT_SECONDS = 300
#: Code is looked at every minute, and a whole portal may take longer once.
OLD_CODE_SECONDS = 900
CLOCK_SECONDS = 2.0
#: A host that dies is followed within two minutes.
NOBODY_SECONDS = 120
PROVISION = "Run the playbook provision."
Data = dict[str, t.Any]


def _settings(context: Context) -> Data:
    """Who is who. Raises DoesNotApply where the portal has one web host."""
    text = context.host_text(PATH)
    if not text:
        raise DoesNotApply("the portal has one web host")
    try:
        settings: Data = json.loads(text)
        settings["host"], settings["lead"], settings["hosts"][0]
    except (ValueError, LookupError, TypeError) as problem:
        raise CannotLook(f"{PATH} does not say which web hosts there are") from problem
    return settings


def _told(context: Context) -> dict[str, Data]:
    """What each web host has said of itself lately. Raises CannotLook where none has."""
    hosts = _settings(context)["hosts"]

    def ask() -> dict[str, Data]:
        if not has_table(context.connection, TABLE):
            raise CannotLook(f"no web host has said anything of itself yet: there is no table {TABLE}")
        try:
            rows = context.query(QUESTION)
            return {str(row["host"]): {**json.loads(row["facts"]), "ago": float(row["ago"])} for row in rows}
        except ValueError as problem:
            raise CannotLook(f"the table {TABLE} holds no JSON") from problem

    told = context.once("web hosts", ask)
    fresh = {host: told[host] for host in hosts if host in told and told[host]["ago"] < SILENT_SECONDS}
    if not fresh:
        raise CannotLook("no web host has said anything of itself lately")
    return fresh


@check(
    "cluster.web_lead",
    why="A web host that is gone is missed when the next one goes.",
    expected=f"every web host has spoken within {SILENT_SECONDS // 60} minutes and serves people",
    remedy="Start the host, or see journalctl -u boxlift-web there. A host that was set aside for a restore comes back"
    " with the playbook configure.",
    blocks="nobody",
    needs=("database.reachable",),
)
def cluster_web_lead(context: Context) -> Verdict:
    settings, told = _settings(context), _told(context)
    silent = [host for host in settings["hosts"] if host not in told]
    aside = [host for host, facts in told.items() if facts.get("aside")]
    leads = {str(facts.get("lead")) for facts in told.values()}
    if silent:
        return failed(f"silent: {some(silent)}")
    if len(leads) > 1:
        return failed(f"the hosts do not agree on the lead: {' and '.join(sorted(leads))}", PROVISION)
    if aside:
        return failed(f"set aside: {some(aside)}")
    return passed(f"{len(told)} web hosts serve, and {settings['lead']} leads them")


@check(
    "cluster.agents",
    why="Where no web host runs the agents, mail and reminders stop without a sound; where two do, they go out twice.",
    expected="exactly one web host has the lease, and agents have run lately",
    remedy="boxlift-web status says who has the lease; journalctl -t portal-agents on each web host why it runs none.",
    blocks="nobody",
    needs=("database.reachable",),
)
def cluster_agents(context: Context) -> Verdict:
    hosts = _settings(context)["hosts"]
    if not has_table(context.connection, LEASE):
        return failed("no web host has ever asked for the lease")
    rows = context.query(
        "SELECT HOLDER AS holder, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), EXPIRES) / 1000000 AS seconds"
        f" FROM {LEASE} WHERE NAME = %s",
        AGENTS,
    )
    holder, seconds = (str(rows[0]["holder"]), float(rows[0]["seconds"])) if rows else ("", -1e9)
    last = context.value("SELECT UNIX_TIMESTAMP() - UNIX_TIMESTAMP(MAX(LAST_EXEC)) FROM b_agent WHERE ACTIVE = 'Y'")
    ran = "no agent has ever run" if last is None else f"the last agent ran {duration(max(0.0, float(last)))} ago"
    if seconds > LEASE_SECONDS:
        raise CannotLook(f"the lease ends in {duration(seconds)}: the database's clock was put back")
    if seconds < LEASE_SECONDS - NOBODY_SECONDS:
        return failed(f"nobody has the lease since {duration(-seconds)}; {ran}")
    if holder and holder not in hosts:
        return failed(f"{holder} has the lease and is no web host of this portal; {ran}", PROVISION)
    if not holder or seconds <= 0:
        return warned(f"the lease is on its way to the next host; {ran}", "Look again in two minutes.")
    return passed(f"{holder} has the lease; {ran}")


@check(
    "cluster.code",
    why="Where two web hosts have different code, each page is a matter of luck, and the database of one is wrong for"
    " the other.",
    expected="every web host has the lead's code and settings",
    remedy="journalctl -u boxlift-web on that host says why; systemctl start boxlift-web brings the code.",
    blocks="some",
    needs=("database.reachable",),
)
def cluster_code(context: Context) -> Verdict:
    settings, told = _settings(context), _told(context)
    wrong = []
    for host, facts in told.items():
        if host == settings["lead"]:
            continue
        code = facts.get("code") or {}
        age = context.now() - float(code.get("at") or 0)
        if code.get("problem"):
            wrong.append(f"{host}: {code['problem']}")
        elif age > OLD_CODE_SECONDS:
            wrong.append(f"{host} has brought it {duration(age)} ago for the last time")
    if wrong:
        return failed("; ".join(wrong)[:600])
    digests = {str(facts.get("settings")) for facts in told.values()}
    if len(digests) > 1:
        return failed("the settings of the web hosts differ")
    if settings["host"] == settings["lead"]:
        return passed(f"{len(told)} web hosts, with the same settings")
    found = json.loads(context.command("/usr/local/bin/boxlift-web", "differences"))
    if found["files"]:
        return failed(f"{found['files']} files here differ from {settings['lead']}'s: {some(found['names'])}")
    return passed(f"the same as on {settings['lead']}, and {len(told)} web hosts have the same settings")


@check(
    "cluster.share",
    why="A file that one web host wrote and another does not see is lost for half of the people; a share that was lost"
    " fills the host's own disk.",
    expected="the same share is mounted on every web host, and each can write there",
    remedy="See why it is not mounted there (findmnt, systemctl status of the mount); the playbook provision mounts and"
    " proves it.",
    blocks="some",
    needs=("database.reachable",),
)
def cluster_share(context: Context) -> Verdict:
    told = _told(context)
    problems = [f"{host}: {facts['share']['problem']}" for host, facts in told.items() if "problem" in facts["share"]]
    if problems:
        return failed("; ".join(problems)[:600])
    if len({facts["share"]["identity"] for facts in told.values()}) > 1:
        return failed(f"{' and '.join(told)} have different shares mounted")
    for host, facts in told.items():
        # By their own clocks, which cluster.clock compares.
        newest = max(facts["share"]["seen"].values())
        unseen = [other for other in told if facts["share"]["seen"].get(other, 0) < newest - SILENT_SECONDS]
        if unseen:
            return failed(f"{host} does not see what {some(unseen)} wrote there")
    return passed(f"{len(told)} web hosts write to one share and see each other's files")


@check(
    "cluster.sessions",
    why="Where sessions are not shared, people are logged out with each host that dies, and at random before.",
    expected="all web hosts keep sessions in the same Redis and pack them alike",
    remedy="Set portal_cache_host to a Redis that all web hosts reach and run the playbook configure. Install or remove"
    " the package php-igbinary alike on all web hosts.",
    blocks="some",
    needs=("database.reachable",),
)
def cluster_sessions(context: Context) -> Verdict:
    told = _told(context)
    kinds = {str(facts["sessions"]["type"]) for facts in told.values()}
    if kinds - {"redis", "database"}:
        return failed(f"sessions are kept in {' and '.join(sorted(kinds))}")
    if len({facts["sessions"]["place"] for facts in told.values()}) > 1:
        return failed("the web hosts keep sessions in different places")
    if len({facts["igbinary"] for facts in told.values()}) > 1:
        have = [host for host, facts in told.items() if facts["igbinary"]]
        return failed(f"only {some(have)} has php-igbinary: the others cannot read its sessions")
    return passed(f"all keep them in {' and '.join(sorted(kinds))}")


@check(
    "cluster.clock",
    why="Sessions, agents and signatures of links go by the clock: hosts that differ refuse each other's.",
    expected=f"the clocks of all web hosts differ by at most {CLOCK_SECONDS:.0f} s",
    remedy="See whether time is synchronised (timedatectl), and that all hosts use the same time servers.",
    blocks="nobody",
    needs=("database.reachable",),
)
def cluster_clock(context: Context) -> Verdict:
    told = _told(context)
    clocks = {host: float(facts["clock"]) for host, facts in told.items()}
    error = max(float(facts["clock_error"]) for facts in told.values())
    apart = max(clocks.values()) - min(clocks.values())
    if error > CLOCK_SECONDS / 2:
        raise CannotLook(f"the database takes {2 * error:.1f} s to answer, which is too long to compare clocks by")
    first, last = min(clocks, key=lambda host: clocks[host]), max(clocks, key=lambda host: clocks[host])
    if apart > CLOCK_SECONDS:
        return failed(f"the clock of {last} is {apart:.1f} s ahead of that of {first}")
    return passed(f"{len(clocks)} clocks within {apart:.1f} s")
