# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Production's database for its copy: serve-database SOCKET USER DATABASE

Reads what the copy knows, {"table": "token", ...} in JSON. Writes, packed by zstd, a dump of the tables that have
another token by now and of all views, made in one transaction, so that nobody waits for it; then a line that tells the
token of every table. A token is the server's checksum of the rows and a digest of the definition.

A table that was not dumped, but changed while the others were, is named in that line as well: the copy asks again, so
that everything it has is of one moment.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pymysql

DUMP = [
    "mariadb-dump",
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-disable-keys",
    "--no-tablespaces",
    "--skip-triggers",
    "--skip-no-autocommit",  # MariaDB 11 ends each table with COMMIT else
    "--hex-blob",
    "--default-character-set=utf8mb4",
]
OURS = "boxlift_"  # notes of a restore
TABLES_AT_ONCE = 200


def main(socket: str, user: str, database: str) -> int:
    known = json.load(sys.stdin)
    with pymysql.connect(unix_socket=socket, user=user, database=database, autocommit=True) as conn:
        before = tokens(conn)
        wanted = [name for name, token in before.items() if known.get(name) != token]
        with subprocess.Popen(["zstd", "-q", "-3", "-T0"], stdin=subprocess.PIPE) as pack:
            names = wanted + listed(conn, "VIEW")
            if names:
                command = [*DUMP, f"--socket={socket}", f"--user={user}", database, *names]
                subprocess.run(command, stdout=pack.stdin, check=True)
            after = tokens(conn)
            dumped = set(wanted)
            last = {
                "tables": {name: token if after.get(name) == token else None for name, token in before.items()},
                "moved": [n for n in {**before, **after} if n not in dumped and before.get(n) != after.get(n)],
            }
            pack.stdin.write(f"-- boxlift {json.dumps(last)}\n".encode())
            pack.stdin.close()
        return pack.returncode


def tokens(conn: pymysql.connections.Connection) -> dict[str, str]:
    """Of every table, what tells its present state from any other. Reads every row."""
    names = [name for name in listed(conn, "BASE TABLE") if not name.lower().startswith(OURS)]
    found = {}
    with conn.cursor() as cursor:
        for begin in range(0, len(names), TABLES_AT_ONCE):
            some = names[begin : begin + TABLES_AT_ONCE]
            cursor.execute(f"CHECKSUM TABLE {', '.join(map(quoted, some))}")
            for name, (_name, checksum) in zip(some, cursor.fetchall()):
                cursor.execute(f"SHOW CREATE TABLE {quoted(name)}")
                definition = cursor.fetchone()[1].encode()
                found[name] = f"{checksum}-{hashlib.sha256(definition).hexdigest()[:16]}"
    return found


def listed(conn: pymysql.connections.Connection, kind: str) -> list[str]:
    query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = %s"
    with conn.cursor() as cursor:
        cursor.execute(f"{query} ORDER BY TABLE_NAME", [kind])
        return [name for (name,) in cursor.fetchall()]


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
