# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of dev-sec's nginx and MySQL baselines, by their ids."""

from __future__ import annotations

import re

from ansible_collections.boxlift.portal.plugins.module_utils.health.nginx import Directive, parse
from scorecard.control import Host, NotApplicable, control

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def nginx(host: Host) -> Directive:
    return parse(host.output("nginx", "-T"))


def value(host: Host, name: str) -> tuple[str, ...]:
    """The arguments of the first directive of this name in `http` or below it; empty where nginx has its default."""
    (http,) = nginx(host).own("http")
    return next((each.arguments for each in http.all(name)), ())


def size(host: Host, name: str, default: str) -> int:
    text = (value(host, name) or (default,))[-1].lower()
    return int(text.rstrip("kmg")) * BYTES[text.lstrip("0123456789")]


def headers(host: Host) -> dict[str, str]:
    """The headers that every page gets, in lower case."""
    (http,) = nginx(host).own("http")
    added = [each for server in http.own("server") for each in server.own("add_header")] + http.own("add_header")
    return {each.arguments[0].lower(): each.arguments[1] for each in added}


@control("nginx", "nginx-01", "The workers run as an account without rights")
def workers(host: Host) -> str:
    users = set(host.output("ps", "-C", "nginx", "-o", "user=,args=").splitlines())
    bad = [line for line in users if "worker process" in line and line.startswith("root")]
    return "workers of root" if bad or not any("worker process" in line for line in users) else ""


@control("nginx", "nginx-02", "Its configuration is root's, and closed to others")
def nginx_file(host: Host) -> str:
    owner, group, mode = host.mode("/etc/nginx/nginx.conf")
    return "" if (owner, group) == ("root", "root") and not mode & 0o7 else f"{owner}:{group} {mode:04o}"


@control("nginx", "nginx-03", "No site of the package is left")
def default_site(host: Host) -> str:
    left = [
        path for path in ("/etc/nginx/conf.d/default.conf", "/etc/nginx/sites-enabled/default") if host.exists(path)
    ]
    loaded = [path for path in left if f"configuration file {path}:" in host.output("nginx", "-T")]
    return f"{', '.join(loaded)} is loaded" if loaded else ""


@control("nginx", "nginx-04", "There is one nginx only")
def one_nginx(host: Host) -> str:
    masters = [
        line for line in host.output("ps", "-C", "nginx", "-o", "args=").splitlines() if "master process" in line
    ]
    return "" if len(masters) == 1 else f"{len(masters)} master processes"


@control("nginx", "nginx-05", "Answers do not name nginx's version")
def tokens(host: Host) -> str:
    return "" if value(host, "server_tokens") == ("off",) else "server_tokens is not off"


@control(
    "nginx",
    "nginx-06",
    "Small buffers for what clients send (dev-sec: 1k, bodies too)",
)
def buffers(host: Host) -> str:
    if value(host, "client_header_buffer_size") or value(host, "large_client_header_buffers"):
        return "the buffers for headers are not nginx's own"
    body = size(host, "client_max_body_size", "1m") // 1024**2
    raise NotApplicable(f"a portal takes files of {body} MiB; the buffers for headers are nginx's own")


@control(
    "nginx",
    "nginx-07 (time-outs)",
    "Clients that say nothing are let go: headers in 10 s; a minute where the line of a telephone may pause "
    "(dev-sec: bodies and answers 10 s, keepalive 5 s)",
)
def timeouts(host: Host) -> str:
    limits = {"keepalive_timeout": 65, "client_body_timeout": 60, "client_header_timeout": 10, "send_timeout": 60}
    found = {name: (value(host, name) or ("75",))[0] for name in limits}
    slow = [f"{name} {text}" for name, text in found.items() if seconds(text) > limits[name]]
    return ", ".join(slow)


def seconds(text: str) -> int:
    return int(text.rstrip("smh")) * SECONDS[text.lstrip("0123456789")]


@control("nginx", "nginx-07 (connections)", "Connections of one address are limited")
def connections(host: Host) -> str:
    return "" if value(host, "limit_conn") and value(host, "limit_conn_zone") else "no limit_conn"


@control("nginx", "nginx-08", "Other sites cannot frame pages (X-Frame-Options)")
def frames(host: Host) -> str:
    said = headers(host).get("x-frame-options", "")
    maps = [each for each in nginx(host).all("map") if each.arguments[1:] == (said,)]
    defaults = [child.arguments[0] for each in maps for child in each.own("default")]
    return "" if "SAMEORIGIN" in (said, *defaults) else "X-Frame-Options is missing"


@control("nginx", "nginx-09", "Old browsers filter scripts that come back in a page (X-XSS-Protection)")
def scripts(host: Host) -> str:
    if "x-xss-protection" in headers(host):
        return ""
    raise NotApplicable("no browser of today has such a filter, and the old ones could be turned against a page")


@control("nginx", "nginx-10", "Browsers do not guess types (X-Content-Type-Options)")
def types(host: Host) -> str:
    return "" if headers(host).get("x-content-type-options") == "nosniff" else "nosniff is missing"


# MySQL


def variable(host: Host, name: str) -> str:
    return host.sql(f"SHOW GLOBAL VARIABLES LIKE '{name}'").partition("\t")[2]


def count(host: Host, where: str) -> int:
    return int(host.sql(f"SELECT COUNT(*) FROM mysql.user WHERE {where}"))


@control("mysql", "mysql-conf-01", "The service runs, and starts with the host")
def running(host: Host) -> str:
    states = [host.output("systemctl", kind, "mariadb").strip() for kind in ("is-enabled", "is-active")]
    return "" if states == ["enabled", "active"] else ", ".join(states)


@control("mysql", "mysql-conf-02", "There is one server only")
def one_server(host: Host) -> str:
    servers = host.output("pgrep", "-c", "-x", "mariadbd|mysqld").strip()
    return "" if servers == "1" else f"{servers} servers"


@control("mysql", "mysql-conf-03", "No ways around rights: files, links, other schemas, functions, accounts")
def options(host: Host) -> str:
    given = host.output("my_print_defaults", "--mysqld").replace("_", "-")
    wrong = [
        f"{name} is {found or 'empty'}"
        for name, good in {
            **{"old_passwords": "OFF", "local_infile": "OFF", "have_symlink": "DISABLED", "skip_show_database": "ON"}
        }.items()
        if (found := variable(host, name)) != good
    ]
    wrong += [] if variable(host, "secure_file_priv") else ["secure_file_priv is empty"]
    wrong += ["skip-grant-tables"] if "skip-grant-tables" in given else []
    wrong += ["allow-suspicious-udfs"] if re.search(r"--allow-suspicious-udfs(=(1|ON))?$", given, re.M | re.I) else []
    wrong += [] if re.search(r"--safe-user-create(=(1|ON))?$", given, re.M | re.I) else ["safe-user-create is not set"]
    wrong += (
        [] if host.output("ps", "-C", "mariadbd", "-o", "user=").strip() == "mysql" else ["runs as another account"]
    )
    return ", ".join(wrong)


def closed(host: Host, path: str, owner: str, group: str) -> str:
    """What is wrong with a file that nobody else may read."""
    found = host.mode(path)
    return (
        "" if found[:2] == (owner, group) and not found[2] & 0o7 else f"{path} is {found[0]}:{found[1]} {found[2]:04o}"
    )


@control("mysql", "mysql-conf-04", "The folder of the data is the server's")
def data(host: Host) -> str:
    owner, group, _mode = host.mode(variable(host, "datadir"))
    return "" if (owner, group) == ("mysql", "mysql") else f"{owner}:{group}"


@control("mysql", "mysql-conf-05", "The data are closed to others")
def data_file(host: Host) -> str:
    return closed(host, variable(host, "datadir") + "ibdata1", "mysql", "mysql")


@control("mysql", "mysql-conf-06", "The log of errors is closed to others")
def log(host: Host) -> str:
    path = variable(host, "log_error")
    if not path or path == "stderr":
        raise NotApplicable("errors go to the journal, which root and the group adm read")
    return closed(host, path, "mysql", "adm")


@control("mysql", "mysql-conf-07", "Its configuration is root's, readable for the server alone")
def server_file(host: Host) -> str:
    return closed(host, "/etc/mysql/my.cnf", "root", "mysql")


@control("mysql", "mysql-conf-08", "So is the file of its protection")
def own_file(host: Host) -> str:
    return closed(host, "/etc/mysql/mariadb.conf.d/90-portal.cnf", "root", "mysql")


@control("mysql", "mysql-conf-09", "No environment holds a password")
def environment(host: Host) -> str:
    found = host.output("sh", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    return "MYSQL_PWD is set" if re.search(r"^MYSQL_PWD=", found, re.M) else ""


@control("mysql", "mysql-db-01", "A supported release")
def supported(host: Host) -> str:
    version = variable(host, "version")
    return "" if re.match(r"(10\.11|11\.[48]|1[2-9])\.", version) else version


@control("mysql", "mysql-db-02", "Version 5 or later")
def version(host: Host) -> str:
    found = variable(host, "version")
    return "" if int(found.split(".")[0]) >= 5 else found


@control("mysql", "mysql-db-03", "No database `test`")
def test_database(host: Host) -> str:
    return host.sql("SHOW DATABASES LIKE 'test'")


@control("mysql", "mysql-db-04", "No account without a name")
def anonymous(host: Host) -> str:
    return "there are some" if count(host, "User = ''") else ""


@control("mysql", "mysql-db-05", "No account without a password")
def passwords(host: Host) -> str:
    free = (
        "SELECT COUNT(*) FROM mysql.global_priv WHERE JSON_VALUE(Priv, '$.plugin') IN ('', 'mysql_native_password') AND"
        " COALESCE(JSON_VALUE(Priv, '$.authentication_string'), '') = '' AND"
        " COALESCE(JSON_VALUE(Priv, '$.account_locked'), '0') NOT IN ('1', 'true')"
    )
    found = host.sql(free)
    return "" if found == "0" else f"{found} accounts"


@control("mysql", "mysql-db-06", "Nobody but root gives rights to others")
def grants(host: Host) -> str:
    found = host.sql("SELECT User FROM mysql.user WHERE Grant_priv = 'Y' AND User NOT IN ('root', 'debian-sys-maint')")
    return ", ".join(found.split())


@control("mysql", "mysql-db-07", "No account for every host")
def everywhere(host: Host) -> str:
    return "there are some" if count(host, "Host = '%'") else ""


@control("mysql", "mysql-db-08", "root logs in from its own host only")
def root(host: Host) -> str:
    return (
        "from elsewhere too" if count(host, "User = 'root' AND Host NOT IN ('localhost', '127.0.0.1', '::1')") else ""
    )
