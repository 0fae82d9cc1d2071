# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database server refused, as an error that names the account, the database and the command that helps.

The one place that turns error numbers of MariaDB and MySQL into remedies; `connection` uses it for every statement.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

PYMYSQL_IMPORT_ERROR: ImportError | None
# What PyMySQL raises; error_code() and error_text() read it.
DatabaseError: type[Exception]
try:
    import pymysql
except ImportError as error:
    PYMYSQL_IMPORT_ERROR = error
    DatabaseError = ImportError
else:
    PYMYSQL_IMPORT_ERROR = None
    DatabaseError = pymysql.err.MySQLError

# Runs a query on the connection whose statement failed, and returns its rows; raises DatabaseError where it cannot.
Ask = t.Callable[[str, t.Sequence[t.Any]], "list[dict[str, t.Any]]"]

LOCKS = frozenset({1205, 1213, 1223, 3572})
FOREIGN_KEYS = frozenset({1216, 1217, 1451, 1452, 1701, 1834, 3730})
# The server knows nothing of this connection any more, so no statement of ours is half done behind our back.
LOST = frozenset({0, 1053, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2027, 2055, 4031})
RIGHTS = frozenset({1044, 1142, 1143, 1227, 1370, 1410, 1419, 1045, 1698})
_DISK = frozenset({3, 28, 1006, 1021, 1026, 1030, 1114, 1878})
_CROWD = frozenset({1040, 1080, 1203, 1226})
_MEMORY_CODES = frozenset({1037, 1038, 1041, 1135, 1153, 1197, 1206})
_READ_ONLY_CODES = frozenset({1290, 1792, 1836, 4086})
_ENDED = frozenset({1317, 1969, 3024})
_DAMAGED_CODES = frozenset(
    {126, 127, 130, 134, 144, 145, 192, 1016, 1017, 1033, 1034, 1035, 1194, 1195, 1459, 1712, 1812, 1814, 1877, 1932}
)
# Another statement of the same kind would fail as well.
SERVER_FAULTS = frozenset(range(2000, 3000)).union(
    LOCKS, LOST, RIGHTS, _DISK, _CROWD, _MEMORY_CODES, _READ_ONLY_CODES, _ENDED
)
_MOST_NAMED = 3

_LOGIN = "Check login_user and login_password; for root on the server itself use unix_socket."
_SERVER_LOG = (
    "look at the server's error log (journalctl -u mariadb), start it where it is down, and run again. Where it has a "
    "host of its own, look at the link on both hosts, too (journalctl -u boxlift-link)."
)
_MANY = "End idle sessions (SHOW PROCESSLIST), or raise the limit (SET GLOBAL max_connections = 300), and run again."
_FULL = (
    "Make room on the disks of the database server's datadir, tmpdir and innodb_tmpdir (df -h; SHOW VARIABLES LIKE "
    "'%dir'), and run again."
)
_READ_ONLY = (
    "Name the primary server in the option database. Where this is it: SELECT @@read_only; then "
    "SET GLOBAL read_only = OFF."
)
_DAMAGED = (
    "Look at the server's error log. CHECK TABLE says what is damaged, REPAIR TABLE mends MyISAM and Aria "
    "(mariadb-check --auto-repair {database}); a damaged InnoDB table comes back from a backup or by importing again."
)
_MEMORY = "Give the database server memory (free -m; innodb_buffer_pool_size), and run again."
_NAMED = "Is {database} the portal's database? Restore its dump first, or correct the name in the option database."
_INDEX = "Set innodb_default_row_format=dynamic on the server (SET GLOBAL innodb_default_row_format = 'dynamic')."
_KILLED = "Somebody or a limit ended the statement (SHOW VARIABLES LIKE 'max_statement_time'); run again."
_CLIENT = "Give the account a password that it may log in with: ALTER USER {account} IDENTIFIED BY '…'."
_VALUE = "Change the value, or widen the column (SHOW CREATE TABLE names its type)."

# What helps, by the server's error number.
_REMEDIES: dict[int, str] = {
    **dict.fromkeys(_DISK, _FULL),
    **dict.fromkeys(_CROWD, _MANY),
    **dict.fromkeys(_MEMORY_CODES, _MEMORY),
    **dict.fromkeys(_READ_ONLY_CODES, _READ_ONLY),
    **dict.fromkeys(_ENDED, _KILLED),
    **dict.fromkeys(LOST, "The connection was lost: " + _SERVER_LOG),
    **dict.fromkeys(_DAMAGED_CODES, _DAMAGED),
    1030: "The storage engine failed: " + _FULL,
    # -- who may log in, and how many
    1226: "The account has used up its limit: ALTER USER {account} WITH MAX_USER_CONNECTIONS 0.",
    1129: "The server blocks this host after too many broken connections: run FLUSH HOSTS on the server.",
    1130: "Let the server accept this account from this host: CREATE USER 'name'@'this host'.",
    1045: _LOGIN,
    1698: "The server trusts this account only through its socket: set unix_socket and run as the same system user.",
    1251: _CLIENT,
    2059: _CLIENT,
    1820: _CLIENT,
    1862: _CLIENT,
    3118: "Unlock the account: ALTER USER {account} ACCOUNT UNLOCK.",
    4151: "Unlock the account: ALTER USER {account} ACCOUNT UNLOCK.",
    2002: "Start the server, or correct unix_socket.",
    2003: "Start the server, or correct host, port and the firewall between.",
    2005: "Correct host, or its name in DNS.",
    2026: "The encrypted connection cannot be made: look at ssl_cert and require_secure_transport of the server.",
    # -- read-only
    1036: "The table is read-only: look at the owner of its files in the datadir and at innodb_force_recovery.",
    1223: "This session holds a read lock; run again.",
    # -- what is missing, or is there already
    **dict.fromkeys(
        (1005, 1025),
        "SHOW ENGINE INNODB STATUS names a foreign key that is at fault (LATEST FOREIGN KEY ERROR); errno 28 is a disk "
        "that is full.",
    ),
    1049: "Create the database first, or correct its name.",
    1008: "Somebody dropped the database meanwhile: run again.",
    1007: "Somebody created the database meanwhile: run again.",
    1010: "Files that are not the server's lie in the database's directory below the datadir: remove them, run again.",
    1050: "Another session made the table meanwhile: see who is at work (SHOW PROCESSLIST), and run again.",
    1051: _NAMED,
    1054: _NAMED,
    1109: _NAMED,
    1146: _NAMED,
    1305: "The server lacks this function: use MariaDB 10.11 or newer (MySQL has none of CRC32C, by which a copy "
    "compares rows).",
    1193: "The server lacks this setting: use MariaDB 10.6 or newer.",
    1064: "The server does not understand the statement: use MariaDB 10.6 or newer.",
    # -- the rows
    1062: "A unique key of the table sees two rows as equal: the collation of this server differs from the source's, "
    "or rows changed while the backup was made. Set a binary collation or order a new backup.",
    1020: "Another session changed the row meanwhile: run again.",
    1048: _VALUE,
    1264: _VALUE,
    1265: _VALUE,
    1292: _VALUE,
    1366: _VALUE,
    1406: _VALUE,
    4025: "A CHECK constraint of the table refuses the row; the source did not enforce it. Order a new backup.",
    # -- limits of the server
    1071: "An index is too long for this server. " + _INDEX,
    1118: "A row is too long for this server: set innodb_strict_mode=0. " + _INDEX,
    1709: "An index is too long for this server. " + _INDEX,
    1153: "Raise max_allowed_packet of the server (64M fits every portal) and run again.",
    1197: "Raise max_binlog_cache_size on the server (SET GLOBAL max_binlog_cache_size = 4294967296), and run again.",
    1206: "Raise innodb_buffer_pool_size on the server, and run again.",
    # -- what the server lacks
    1115: "This server lacks the character set, and no near one is known: use a server that has it.",
    1273: "This server lacks the collation, and no near one is known: use a server that has it.",
    1286: "Enable the storage engine on this server (SHOW ENGINES; INSTALL SONAME).",
    1253: "Take a collation of the database's own character set.",
    1267: "Two collations meet in one comparison: ALTER DATABASE {database} COLLATE that of its tables.",
    # -- ended from outside
    1094: "The session had ended already: run again.",
}
_SESSIONS = (
    "SELECT ID, USER, HOST, DB, COMMAND, STATE, TIME FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()"
)
_OTHER = "Look at the server's error log, and look the error number up in the server's manual."

_ACCOUNT = re.compile(r"user '([^']*)'@'([^']*)'")
_DENIED_DATABASE = re.compile(r"to database '([^']*)'")
_DENIED_TABLE = re.compile(r"for (?:table|column .* in table) [`'](?:([^`']*)`\.`)?")
_PRIVILEGES = re.compile(r"at least one of\) the ([A-Z_, or]+?) privilege")


class DatabaseFailed(BoxliftError):
    """A statement or a login that the server refused, or a connection that was lost. `code` is the server's number."""

    def __init__(self, message: str, remedy: str, code: int, text: str, **details: t.Any) -> None:
        super().__init__(message, remedy, code=code, **details)
        self.code = code
        self.text = text  # the server's own words


class Session(t.NamedTuple):
    """A session that may hold a lock: its number, account, host, database, state, and seconds in this state."""

    id: int
    account: str
    host: str
    database: str
    state: str
    seconds: int
    transaction: str  # when the open one began, empty without one

    def __str__(self) -> str:
        doing = f"in a transaction since {self.transaction}, {self.state}" if self.transaction else self.state
        return f"connection {self.id} of {self.account} from {self.host} ({doing} for {self.seconds} s)"


def error_code(error: BaseException) -> int:
    """The server's (or the client library's) error number, 0 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def error_text(error: BaseException) -> str:
    """The server's own words, without the number."""
    text = str(error.args[-1]) if error.args else ""
    return text.strip().rstrip(".") or "the connection is closed"


def failed(
    error: BaseException, account: str, database: str, ask: Ask | None = None, doing: str = ""
) -> DatabaseFailed:
    """The error for a statement (`doing` is empty) or for what was tried; `ask` works while the connection does."""
    code, text = error_code(error), error_text(error)
    said = f"{doing}: {text}" if doing else f"{place(account, database)}: {text} (error {code})"
    remedy, details = remedy_of(code, text, account, database, ask)
    return DatabaseFailed(f"{said[:1].upper()}{said[1:]}.", remedy, code, text, **details)


def place(account: str, database: str) -> str:
    return f"Database {database} as {account}" if database else f"The database server as {account}"


def remedy_of(
    code: int, text: str, account: str, database: str, ask: Ask | None = None
) -> tuple[str, dict[str, t.Any]]:
    """What helps against this error, and what was found out about it, to be returned beside the message."""
    if code in RIGHTS - {1045, 1698}:
        return _grant(code, text, account, database, ask), {}
    if code in LOCKS:
        return _held(code, database, ask)
    if code in FOREIGN_KEYS:
        return _referenced(database, ask)
    remedy = _REMEDIES.get(code, _OTHER)
    if "{account}" in remedy:
        remedy = remedy.replace("{account}", _grantee(text, account, ask))
    return remedy.replace("{database}", database or "the database"), {}


def _grant(code: int, text: str, account: str, database: str, ask: Ask | None) -> str:
    wanted = _PRIVILEGES.search(text)
    name = next((found.group(1) for found in (_DENIED_DATABASE.search(text), _DENIED_TABLE.search(text)) if found), "")
    grantee = _grantee(text, account, ask)
    if code == 1227 and wanted:
        # With several named, the last one is the narrowest that servers of today know.
        privilege = re.split(", | or ", wanted.group(1))[-1].strip()
        statement = f"GRANT {privilege} ON *.* TO {grantee}"
    else:
        # In GRANT an underscore would stand for any character.
        pattern = (name or database or "portal").replace("_", r"\_").replace("%", r"\%")
        statement = f"GRANT ALL PRIVILEGES ON `{pattern}`.* TO {grantee}"
    return f"Run as root on the database server: {statement};"


def _grantee(text: str, account: str, ask: Ask | None) -> str:
    """The account as GRANT takes it. What the server matched the login with is not always what it says in errors."""
    found = _seen(ask, "SELECT CURRENT_USER() AS u")
    named = _ACCOUNT.search(text)
    if found:
        user, _at, host = str(found[0]["u"]).rpartition("@")
    elif named:
        user, host = named.groups()
    else:
        user, host = account.partition(" at ")[0], "%"
    return f"'{user}'@'{host}'"


def _held(code: int, database: str, ask: Ask | None) -> tuple[str, dict[str, t.Any]]:
    holders = sessions(ask, [database])
    if not holders:
        remedy = (
            "Another session holds a lock, and this account may not see it: GRANT PROCESS ON *.* shows it. Find it "
            "with SHOW FULL PROCESSLIST as root, let it end, or end it with KILL, and run again."
        )
        return remedy, {"holders": []}
    return f"{who_holds(holders)} Let it end, or end it with KILL {holders[0].id}, and run again.", {
        "holders": [holder._asdict() for holder in holders]
    }


def who_holds(holders: t.Sequence[Session]) -> str:
    """A sentence with the first of them."""
    shown = "; ".join(map(str, holders[:_MOST_NAMED]))
    more = f" and {len(holders) - _MOST_NAMED} more" if len(holders) > _MOST_NAMED else ""
    certain = bool(holders[0].transaction) or holders[0].state != "idle"
    return f"{'A' if certain else 'Perhaps a'} lock is held by {shown}{more}."


def _seen(ask: Ask | None, sql: str, args: t.Sequence[t.Any] = ()) -> list[dict[str, t.Any]]:
    """What can still be found out after an error: nothing where the connection went with it, or a right is missing."""
    if ask is None:
        return []
    try:
        return ask(sql, args)
    except DatabaseError:  # the first error is the one to tell
        return []


def sessions(ask: Ask | None, databases: t.Sequence[str]) -> list[Session]:
    """Other sessions that may hold a lock in these databases, the likeliest first: those in a transaction, those at
    work, those that are connected to one of the databases. Only one's own account's without the right PROCESS.
    """
    open_ones = _seen(ask, "SELECT trx_mysql_thread_id AS id, trx_started AS began FROM information_schema.INNODB_TRX")
    transactions = {int(row["id"]): str(row["began"]) for row in open_ones}
    names = {name.lower() for name in databases if name}
    result = []
    for row in _seen(ask, _SESSIONS):
        began, idle = transactions.get(int(row["ID"]), ""), row["COMMAND"] == "Sleep"
        if row["COMMAND"] in ("Daemon", "Binlog Dump") or row["USER"] in ("system user", "event_scheduler"):
            continue
        if began or (str(row["DB"] or "").lower() in names):
            state = "idle" if idle else str(row["STATE"] or row["COMMAND"]).lower()
            host, seconds = str(row["HOST"]), max(0, int(row["TIME"] or 0))
            result.append(Session(int(row["ID"]), row["USER"], host, str(row["DB"] or ""), state, seconds, began))
    return sorted(result, key=lambda each: (not each.transaction, each.state == "idle", -each.seconds))


class ForeignKey(t.NamedTuple):
    """A foreign key of another database's table into one of ours."""

    database: str
    table: str
    name: str
    referenced_database: str
    referenced_table: str

    @property
    def drop(self) -> str:
        return f"ALTER TABLE `{self.database}`.`{self.table}` DROP FOREIGN KEY `{self.name}`"

    def __str__(self) -> str:
        return f"{self.name} of {self.database}.{self.table} into {self.referenced_database}.{self.referenced_table}"


def foreign_keys(ask: Ask, databases: t.Sequence[str]) -> list[ForeignKey]:
    """Foreign keys into tables of these databases from tables of any other one that the account can see.

    Raises what `ask` raises: who did not see whether there are some must not believe that there are none.
    """
    marks = ", ".join(["%s"] * len(databases))
    found = ask(
        "SELECT CONSTRAINT_SCHEMA AS d, TABLE_NAME AS t, CONSTRAINT_NAME AS n, UNIQUE_CONSTRAINT_SCHEMA AS rd,"
        " REFERENCED_TABLE_NAME AS rt FROM information_schema.REFERENTIAL_CONSTRAINTS"
        f" WHERE UNIQUE_CONSTRAINT_SCHEMA IN ({marks}) AND CONSTRAINT_SCHEMA NOT IN ({marks}) ORDER BY 1, 2, 3",
        (*databases, *databases),
    )
    return [ForeignKey(row["d"], row["t"], row["n"], row["rd"], row["rt"]) for row in found]


def _referenced(database: str, ask: Ask | None) -> tuple[str, dict[str, t.Any]]:
    found = []
    if database and ask is not None:
        with contextlib.suppress(DatabaseError):  # the first error is the one to tell
            found = foreign_keys(ask, [database])
    if not found:
        return (
            "A foreign key points at the row or table. SELECT * FROM information_schema.REFERENTIAL_CONSTRAINTS as "
            "root names it; drop it (ALTER TABLE … DROP FOREIGN KEY …), run again, and add it again if it is needed.",
            {},
        )
    shown = "; ".join(str(each) for each in found[:_MOST_NAMED])
    return (
        f"These foreign keys hold it: {shown}. Run {found[0].drop}; then run again, and add it again if it is needed.",
        {"foreign_keys": [each._asdict() for each in found]},
    )
