# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security of what serves the portal: PHP, nginx, Redis, the database, and the traces of a break-in."""

from __future__ import annotations

import os
import pathlib
import re
import stat

from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.listening import listening, own_host_only, says
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.nginx import (
    HANDED_ON,
    RUN,
    Directive,
    locations,
    nginx,
    server_for,
    treatment,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.php import web_php
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check

#: Functions that start programs.
STARTERS = ("exec", "passthru", "shell_exec", "system", "proc_open", "popen", "pcntl_exec")
#: Where the portal and its people write files that are no programs.
WRITTEN = (
    *("/upload/probe.php", "/upload/main/abc/probe.php", "/upload/tmp/probe.php", "/bitrix/cache/probe.php"),
    *("/bitrix/managed_cache/MYSQL/probe.php", "/bitrix/stack_cache/probe.php", "/bitrix/html_pages/probe.php"),
    *("/bitrix/tmp/probe.php", "/upload/probe.php/x"),
)
REDIS_PORT = 6379
LOOKED_AT = 200000
_PROGRAM = re.compile(r"\.(php\d?|phtml|pht|phar)$", re.IGNORECASE)
_HANDLER = re.compile(r"^\s*(AddHandler|SetHandler|AddType)\b.*php", re.IGNORECASE | re.MULTILINE)
_CRONTABS = ("etc/crontab", "etc/cron.d/*", "etc/cron.*ly/*", "var/spool/cron/crontabs/*", "var/spool/cron/*")
#: What jobs of break-ins have in common, as published: fetched programs, hidden ones, names of miners.
_MINERS = re.compile(
    r"(curl|wget)\b[^\n|;]*\|\s*(ba|da|z|k)?sh\b|base64\s+(-d|-D|--decode)|/dev/shm/|/(var/)?tmp/\.|stratum\+|"
    r"\b(xmrig|minerd|kinsing|kdevtmpfsi|cpuminer)\b"
)
#: Agents of the portal call a method; those of break-ins carry code.
_CODE = (
    r"(eval|assert|base64_decode|create_function|gzinflate|str_rot13|file_put_contents|urldecode|curl_exec)"
    r"[[:space:]]*[(]"
)
_WHOLE_ADDRESS = re.compile(
    r"\$(request|request_uri|args|query_string)\b|\$\{(request|request_uri|args|query_string)\}"
)
_NOWHERE = ("127.0.0.1", "::1", "localhost")
_EVERYWHERE = ("*", "0.0.0.0", "::", "")


@check(
    "security.php_functions",
    why="Whoever gets one line of PHP to run starts programs with these functions: a miner, a shell, a second way in.",
    expected="the PHP that serves the portal cannot start programs",
    remedy="Run role web (web_php_disabled_functions), or set disable_functions for PHP-FPM.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_php_functions(context: Context) -> Verdict:
    settings = web_php(context).settings
    if "disable_functions" not in settings:
        raise CannotLook("PHP-FPM does not say which functions are disabled")
    disabled = {name.strip() for name in settings["disable_functions"].split(",")}
    left = [name for name in STARTERS if name not in disabled]
    return warned(f"may be called: {', '.join(left)}") if left else passed(f"{len(disabled)} functions are disabled")


@check(
    "security.php_open_basedir",
    why="PHP that was broken into reads every file that its account may read: keys, other sites, the host's users.",
    expected="open_basedir keeps PHP within the portal's folders",
    remedy="Run role web (web_php_folders adds a folder), or set open_basedir for the portal's pool.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_php_open_basedir(context: Context) -> Verdict:
    settings = web_php(context).settings
    if "open_basedir" not in settings:
        raise CannotLook("PHP-FPM does not say where it may open files")
    folders = [folder for folder in settings["open_basedir"].split(":") if folder]
    if not folders:
        return warned("open_basedir is not set: PHP opens whatever its account may read")
    wide = [folder for folder in folders if os.path.normpath(folder) in ("/", "/etc", "/home", "/root", "/var")]
    return warned(f"open_basedir holds {some(wide)}") if wide else passed(f"{len(folders)} folders")


@check(
    "security.php_sessions",
    why="With a session's number that a stranger chose, he is in as soon as the user has logged in.",
    expected="session.use_strict_mode and session.use_only_cookies are on, session.use_trans_sid is off",
    remedy="Set them with web_php_settings (role web).",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_php_sessions(context: Context) -> Verdict:
    php = web_php(context)
    if "session.use_strict_mode" not in php.settings:
        raise CannotLook("PHP-FPM does not say how it treats sessions")
    wrong = [f"{name} is off" for name in ("session.use_strict_mode", "session.use_only_cookies") if not php.on(name)]
    wrong += ["session.use_trans_sid is on"] if php.on("session.use_trans_sid") else []
    return warned("; ".join(wrong)) if wrong else passed("strict")


@check(
    "security.php_in_uploads",
    why="Most break-ins put a program of PHP where the portal stores files, and then call its address.",
    expected="nginx runs no PHP in upload, in the caches and in the temporary folders",
    remedy="Run role web, or refuse PHP in nginx there: return 404 for ^/(upload|bitrix/(cache|tmp))/.*[.]php",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_php_in_uploads(context: Context) -> Verdict:
    server = server_for(nginx(context), context.host)
    treated = {uri: treatment(locations(server, uri)) for uri in WRITTEN}
    run = [uri.partition("/probe.php")[0] for uri, what in treated.items() if what == RUN]
    if run:
        return failed(f"PHP runs in {some(sorted(set(run)), 10)}")
    elsewhere = [uri for uri, what in treated.items() if what == HANDED_ON]
    if elsewhere:
        raise CannotLook(f"nginx hands {elsewhere[0]} on to another web server, which decides")
    return passed(f"{len(treated)} addresses, none run")


@check(
    "security.login_limits",
    why="Without a limit a stranger tries thousands of passwords a minute at the portal's log-in.",
    expected="nginx limits the requests of one address to the log-in (limit_req)",
    remedy="Run role web (web_logins_per_minute), or set limit_req for /auth/ and /bitrix/admin/ in nginx.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_login_limits(context: Context) -> Verdict:
    configuration = nginx(context)
    server = server_for(configuration, context.host)
    above = [each for http in configuration.own("http") for each in http.own("limit_req")]
    limits = [*above, *server.all("limit_req")]
    return passed(f"{len(limits)} limits") if limits else warned("nginx has no limit_req for the portal")


@check(
    "security.access_log",
    why="Addresses hold webhooks and checkwords; whoever reads the log, or a copy of it, acts as their owner.",
    expected="nginx writes no whole address into the access log",
    remedy="Run role web; or log $uri instead of $request, and delete the logs there are.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_access_log(context: Context) -> Verdict:
    configuration = nginx(context)
    server = server_for(configuration, context.host)
    formats = {each.arguments[0]: "".join(each.arguments[1:]) for each in configuration.all("log_format")}
    logs = _logs(server) or [log for http in configuration.own("http") for log in _logs(http)]
    if not logs:
        return warned("nginx writes the access log of its default: every whole address")
    written = [log for log in logs if log.arguments[0] != "off"]
    names = [next((word for word in log.arguments[1:] if "=" not in word), "combined") for log in written]
    whole = [name for name in names if name == "combined" or _WHOLE_ADDRESS.search(formats.get(name, ""))]
    return warned(f"format {some(whole)} writes whole addresses") if whole else passed(f"{len(written)} logs")


def _logs(block: Directive) -> list[Directive]:
    return [each for each in block.own("access_log") if each.arguments]


@check(
    "security.tree_closed",
    why="Other accounts of the host, such as those of other sites, could read the portal's files and its people's.",
    expected="the document root, or the folder that it is in, is closed to other accounts",
    remedy="Run role portal, or: chmod 0750 on the document root, with the web server's account in its group.",
    blocks="nobody",
    needs=("settings.readable",),
)
def security_tree_closed(context: Context) -> Verdict:
    root = pathlib.Path(os.path.realpath(context.files.root))
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in (root, root.parent)}
    if all(mode & (stat.S_IXOTH | stat.S_IROTH) for mode in modes.values()):
        return warned(f"{root} has {modes[root]:04o}")
    return passed("closed to other accounts")


@check(
    "security.redis",
    why="Redis holds every session: whoever may ask it is in as anybody, and can make it write files.",
    expected="Redis has no port, or asks for a password; its socket is for the portal's group alone",
    remedy="Run role cache (socket, ACL), and let portal_settings name the socket. Role link leads other hosts there.",
    blocks="nobody",
)
def security_redis(context: Context) -> Verdict:
    ports = {REDIS_PORT, *_configured_ports(context)}
    places = [place for place in listening(context) if place[1] in ports]
    bare = [place for place in places if says(context, place, b"PING\r\n").startswith(b"+PONG")]
    world = [f"{address}:{port}" for address, port in bare if not own_host_only(address)]
    if world:
        return failed(f"{some(world)} answers everybody who reaches it, without a password")
    if bare:
        return warned(f"{bare[0][0]}:{bare[0][1]} answers every account of this host, without a password")
    wide = [path for path in context.host_file("/run/redis").glob("*.sock") if path.stat().st_mode & stat.S_IWOTH]
    if wide:
        return warned(f"{wide[0]} is open to every account of this host")
    if not places and not list(context.host_file("/run/redis").glob("*.sock")):
        raise DoesNotApply("no Redis runs on this host")
    return passed(f"{len(places)} ports, each with a password" if places else "no port")


def _configured_ports(context: Context) -> set[int]:
    folder = context.host_file("/etc/redis")
    texts = [context.host_text(f"/etc/redis/{path.name}") for path in folder.glob("*.conf")]
    return {int(port) for text in texts for port in re.findall(r"^\s*port\s+([1-9]\d*)\s*$", text, re.MULTILINE)}


@check(
    "security.database_network",
    why="The database's port is tried by every scanner, and without TLS a neighbour in the network reads along.",
    expected="the database listens on its own host only, or demands TLS",
    remedy="Run role database, which lets it listen on its own host alone; role link leads other hosts there over TLS.",
    blocks="nobody",
    needs=("database.reachable",),
)
def security_database_network(context: Context) -> Verdict:
    names = ("bind_address", "skip_networking", "have_ssl", "require_secure_transport", "ssl_cert")
    asked = context.query(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({', '.join(['%s'] * len(names))})", *names)
    found = {str(row["Variable_name"]).lower(): str(row["Value"] or "") for row in asked}
    if "bind_address" not in found:
        raise CannotLook("the server does not say where it listens")
    address = found["bind_address"]
    if found.get("skip_networking") == "ON" or all(each.strip() in _NOWHERE for each in address.split(",")):
        return passed("its own host only")
    shown = f"it listens on {address or 'every address'}"
    tls = found.get("have_ssl") == "YES" or bool(found.get("ssl_cert"))
    if tls and found.get("require_secure_transport") == "ON":
        return passed(f"{shown}, over TLS only")
    if not tls:
        return (failed if address in _EVERYWHERE else warned)(f"{shown}, without TLS")
    (cipher,) = context.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    if cipher["Value"] and address not in _EVERYWHERE:
        return passed(f"{shown}; the portal's account uses TLS")
    return warned(f"{shown}, and TLS is not demanded")


@check(
    "security.planted_files",
    why="What a break-in has left in upload goes on working after the hole was closed.",
    expected="upload holds no program of PHP, and no .htaccess that makes one of other files",
    remedy="Look at each file, move it away from the portal, and see in the access log who called it.",
    blocks="nobody",
    reference="published analyses of the break-ins of 2022 and 2023",
    needs=("settings.readable",),
)
def security_planted_files(context: Context) -> Verdict:
    top = context.files.root / "upload"
    if not top.is_dir():
        raise DoesNotApply("there is no folder upload")
    found, folders, looked = [], [str(top)], 0
    while folders and looked < LOOKED_AT:  # the upper folders first: a walk in depth would end in the first of them
        with os.scandir(folders.pop(0)) as entries:
            for entry in entries:
                looked += 1
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif _PROGRAM.search(entry.name) or (entry.name == ".htaccess" and _makes_php(entry.path)):
                    found.append(os.path.relpath(entry.path, context.files.root))
    if found:
        return warned(f"{len(found)}: {some(sorted(found))}")
    return passed(f"{looked} entries" + (", the others were not looked at" if folders else ""))


def _makes_php(path: str) -> bool:
    return bool(_HANDLER.search(pathlib.Path(path).read_text("utf-8", "replace")))


@check(
    "security.planted_jobs",
    why="Miners and ways back in are started again by crontabs and by agents of the portal.",
    expected="no crontab fetches and runs programs, and no agent holds code",
    remedy="Look at the crontabs and agents, remove what nobody knows, change every password, and find the way in "
    "(security.planted_files, the access log).",
    blocks="nobody",
    reference="published analyses of the break-ins of 2022 and 2023",
    needs=("database.reachable",),
)
def security_planted_jobs(context: Context) -> Verdict:
    root = context.host_file("/")
    tables = [path for pattern in _CRONTABS for path in sorted(root.glob(pattern)) if path.is_file()]
    jobs = [f"/{path.relative_to(root)}" for path in tables if _MINERS.search(path.read_text("utf-8", "replace"))]
    agents = [row["ID"] for row in context.query("SELECT ID FROM b_agent WHERE NAME REGEXP %s ORDER BY ID", _CODE)]
    found = [f"{some(jobs)} starts what it fetches or hides"] if jobs else []
    found += [f"agents with code: {some(agents)}"] if agents else []
    return failed("; ".join(found)) if found else passed(f"{len(tables)} crontabs, and every agent")
