# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a copy harmless: what has to change in its files, options and tables so that it reaches nobody."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import options, settings
from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.portal.php.values import to_python
from ansible_collections.boxlift.portal.plugins.module_utils.portal.redact import redact_pair
from ansible_collections.boxlift.portal.plugins.module_utils.portal.silence import DETACH_BUCKETS, RULES, Rule
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import (
    execute,
    quote_name,
    rows,
    transaction,
)

if t.TYPE_CHECKING:
    from pymysql.connections import Connection

Columns = t.Mapping[str, t.AbstractSet[str]]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How the copy is to be set up."""

    domain: str
    mail_to: str
    #: Key of the copy's own push server; without one the copy has none.
    push_key: str = ""
    #: False lets the copy read production's cloud files; they are read-only either way.
    detach_buckets: bool = True

    def __post_init__(self) -> None:
        name, at, host = self.mail_to.partition("@")
        if not (name and at and host) or any(char.isspace() for char in self.mail_to):
            raise BoxliftError(f"mail_to is {self.mail_to!r}, no address.", "Name the mailbox that takes all mail.")


@dataclasses.dataclass(frozen=True)
class Action:
    """One way in which the copy could reach somebody: its state before and after, and the changes that silence it."""

    id: str
    area: str
    what: str
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    changed: bool
    #: The table or column that this portal does not have.
    missing: str = ""
    statements: tuple[tuple[str, tuple[t.Any, ...]], ...] = ()
    option_changes: tuple[options.OptionChange, ...] = ()

    def shown(self) -> dict[str, t.Any]:
        """As the module returns it: without statements, and with secrets masked."""
        before, after = redact_pair(self.before, self.after)
        named = {"id": self.id, "area": self.area, "what": self.what, "missing": self.missing}
        return {**named, "before": before, "after": after, "changed": self.changed}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The files to write, and all actions, including those done by writing the files."""

    files: list[settings.Change]
    actions: list[Action]

    @property
    def changed(self) -> bool:
        return any(action.changed for action in self.actions)


def plan(conn: Connection[t.Any], files: PortalFiles, wanted: Wanted) -> Plan:
    """What has to change, without changing anything."""
    changes, in_files = _in_files(files, wanted)
    columns = _columns(conn)
    rules = [*RULES, *(DETACH_BUCKETS if wanted.detach_buckets else ())]
    in_tables = [_in_table(conn, rule, columns) for rule in rules]
    in_options = [_in_options(conn, each, columns) for each in _option_wishes(conn, files, wanted)]
    return Plan(changes, [*in_files, *in_options, *in_tables])


def apply(conn: Connection[t.Any], planned: Plan) -> None:
    """Writes the files first, which silences mail and agents at once; then each area in its own transaction."""
    for change in planned.files:
        change.write()
    for area in dict.fromkeys(action.area for action in planned.actions):
        with transaction(conn):
            for action in planned.actions:
                if action.area == area:
                    options.apply(conn, action.option_changes)
                    for sql, args in action.statements:
                        execute(conn, sql, args)


def _in_files(files: PortalFiles, wanted: Wanted) -> tuple[list[settings.Change], list[Action]]:
    constants = {
        "ONLY_EMAIL": ("mail_only_email", "mail", "every letter goes to one mailbox", wanted.mail_to),
        "DisableEventsCheck": ("mail_events_constant", "mail", "the queues of mail and SMS are not worked off", True),
        "NO_AGENT_CHECK": ("agents_constant", "agents", "no visit runs an agent", True),
    }
    before = {name: to_python(value) for name, value in files.dbconn().constants.items()}
    actions = [
        Action(key, area, what, _known(name, before.get(name)), {name: value}, before.get(name) != value)
        for name, (key, area, what, value) in constants.items()
    ]
    sections: dict[str, t.Any] = {}
    smtp = files.sections().get("smtp")
    if isinstance(smtp, dict) and smtp.get("enabled") is not False:
        sections = {"smtp": {"enabled": False}}
    enabled = smtp.get("enabled") if isinstance(smtp, dict) else None
    what = "letters are not sent through a mail server of their sender's choice"
    actions.append(
        Action(
            "mail_smtp", "mail", what, _known("enabled", enabled), {"enabled": False} if smtp else {}, bool(sections)
        )
    )
    values = {name: value for name, (_key, _area, _what, value) in constants.items()}
    return settings.plan(files, sections, values, {}), actions


def _known(name: str, value: t.Any) -> dict[str, t.Any]:
    return {} if value is None else {name: value}


class _Wish(t.NamedTuple):
    id: str
    area: str
    what: str
    module: str
    values: t.Mapping[str, str | None]


def _option_wishes(conn: Connection[t.Any], files: PortalFiles, wanted: Wanted) -> t.Iterator[_Wish]:
    """The wanted options; the value None removes a row."""
    own = Identity(files, wanted.domain)
    development = "the copy says itself that it is no second production"
    yield _Wish("development_flag", "development", development, "main", {"update_devsrv": "Y"})
    yield _Wish("mail_events", "mail", "the mail queue is not worked off", "main", {"check_events": "N"})
    yield _Wish("mail_sms", "mail", "the queue of SMS is stopped", "messageservice", {"queue_stopped": "Y"})
    yield _Wish("agents_off", "agents", "no agent runs", "main", {"check_agents": "N"})
    # An empty key would leave channels unsigned.
    key = wanted.push_key or own.derive("signature_key")
    yield _Wish("push_signature", "push", "channels are signed with another key", "pull", {"signature_key": key})
    if not wanted.push_key:
        yield _Wish("push_server", "push", "nothing is published to a push server", "pull", {"nginx": "N"})
    yield _Wish("push_mobile", "push", "no telephone gets a push message", "pull", {"push": "N"})
    yield _Wish("push_mode", "push", "the vendor's push server is not used", "pull", {"server_mode": "personal"})
    stored = options.read(conn, "pull")
    shared = [name for name in stored if name.startswith("shared_server_")] + ["registered_on_shared_server"]
    yield _Wish("push_shared", "push", "the vendor's push server is forgotten", "pull", dict.fromkeys(shared))
    yield _Wish("push_host", "push", "the copy is a host of its own", "pull", {"host_id": own.derive("host_id")})
    service = {"service_client_id": None, "service_client_secret": None}
    yield _Wish("rest_service", "rest", "the copy does not speak as production", "rest", service)
    number = {"server_uniq_id": own.derive("server_uniq_id")}
    yield _Wish("identity_number", "identity", "the copy has a number of its own", "main", number)


class Identity:
    """Derives the copy's own identifiers: stable on one copy, different from production's, not guessable."""

    def __init__(self, files: PortalFiles, domain: str) -> None:
        crypto = files.sections().get("crypto")
        key = crypto.get("crypto_key") if isinstance(crypto, dict) else None
        if not isinstance(key, str) or not key:
            raise BoxliftError(
                f"{files.settings().path} has no crypto.crypto_key written out, which the copy's own keys are made of.",
                "Give it one with boxlift.portal.portal_settings.",
            )
        self._key, self._domain = key.encode(), domain

    def derive(self, name: str) -> str:
        return hmac.new(self._key, f"{name}:{self._domain}".encode(), hashlib.sha256).hexdigest()[:32]


def _in_options(conn: Connection[t.Any], wish: _Wish, columns: Columns) -> Action:
    stored = options.read(conn, wish.module)
    changes = options.plan(conn, wish.module, wish.values)
    before: dict[str, t.Any] = {name: stored[name] for name in wish.values if name in stored}
    after: dict[str, t.Any] = {name: value for name, value in wish.values.items() if value is not None}
    # A row of one site overrides the row for all sites.
    statements = []
    sql = "SELECT SITE_ID, NAME, VALUE FROM b_option_site WHERE MODULE_ID = %s ORDER BY SITE_ID, NAME"
    for row in rows(conn, sql, [wish.module]) if "b_option_site" in columns else []:
        if row["NAME"].lower() in wish.values:
            before[f"{row['SITE_ID']}.{row['NAME'].lower()}"] = row["VALUE"]
            delete = "DELETE FROM b_option_site WHERE MODULE_ID = %s AND SITE_ID = %s AND NAME = %s"
            statements.append((delete, (wish.module, row["SITE_ID"], row["NAME"])))
    changed = bool(changes or statements)
    return Action(wish.id, wish.area, wish.what, before, after, changed, "", tuple(statements), tuple(changes))


def _in_table(conn: Connection[t.Any], rule: Rule, columns: Columns) -> Action:
    missing = rule.table if rule.table not in columns else ""
    lacking = [name for name in rule.columns if name not in columns.get(rule.table, ())]
    if missing or lacking:
        return Action(rule.id, rule.area, rule.what, {}, {}, False, missing or f"{rule.table}.{lacking[0]}")
    table, where = quote_name(rule.table), rule.where or "TRUE"
    values = tuple(rule.values.values())
    if rule.values:
        silent = " AND ".join(f"{quote_name(name)} <=> %s" for name in rule.values)
        condition, args = f"({where}) AND NOT ({silent})", values
        assignments = ", ".join(f"{quote_name(name)} = %s" for name in rule.values)
        statement = (f"UPDATE {table} SET {assignments} WHERE {condition}", (*values, *values))
    else:
        condition, args = where, ()
        statement = (f"DELETE FROM {table} WHERE {condition}", ())
    count = int(rows(conn, f"SELECT COUNT(*) AS n FROM {table} WHERE {condition}", args)[0]["n"])
    statements = (statement,) if count else ()
    return Action(rule.id, rule.area, rule.what, {"rows": count}, {"rows": 0}, bool(count), "", statements)


def _columns(conn: Connection[t.Any]) -> dict[str, set[str]]:
    sql = "SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    found: dict[str, set[str]] = {}
    for row in rows(conn, sql):
        found.setdefault(row["t"], set()).add(row["c"])
    return found
