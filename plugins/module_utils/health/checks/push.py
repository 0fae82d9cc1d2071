# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The push server: whether it is on, and whether messages arrive."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import json
import time
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.context import Context, some
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    ANYWHERE,
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.push_channel import (
    Broken,
    LongPoll,
    Refused,
    WebSocket,
    new_id,
    signed,
    with_channel,
)
from ansible_collections.boxlift.portal.plugins.module_utils.health.registry import check
from ansible_collections.boxlift.portal.plugins.module_utils.http.visitor import Unreachable

COST = (
    "without it the messenger has no paper clip (files cannot be sent), telephony card, video calls, live comments, "
    "counters and the login by QR code do not work, and the messenger looks for news only every 80 seconds"
)
# The module pull never reads these from .settings.php.
_ONLY_DATABASE = ("server_mode", "registered_on_shared_server")
_DEFAULTS = {
    "nginx": "N",
    "server_mode": "personal",
    "nginx_version": "2",
    "signature_key": "",
    "signature_algo": "sha1",
    "path_to_publish": "http://127.0.0.1:8895/bitrix/pub/",
    "path_to_modern_listener": "http://#DOMAIN#/bitrix/sub/",
    "path_to_modern_listener_secure": "https://#DOMAIN#/bitrix/sub/",
    "path_to_websocket": "ws://#DOMAIN#/bitrix/subws/",
    "path_to_websocket_secure": "wss://#DOMAIN#/bitrix/subws/",
    "push": "N",
}
_REFUSED = (401, 403, 404, 405, 410)
#: A message is sent once a second until it arrives: the server may not listen to a new channel at once.
_SECONDS = 5
_SETTLING_SECONDS = 0.1
_PROBLEMS = (OSError, http.client.HTTPException, Unreachable, Broken)
_Listen = t.Callable[[Context, str, str], "contextlib.AbstractContextManager[LongPoll | WebSocket]"]


def effective(context: Context, name: str) -> str:
    """The value that the module pull uses: from b_option, else .settings.php, else its default."""
    row = context.option("pull", name, "\0")
    if row != "\0":
        return row
    if name not in _ONLY_DATABASE:
        value = context.setting("pull", name)
        if value is not None:
            return str(value)
    return _DEFAULTS.get(name, "")


def _shared(context: Context) -> bool:
    return effective(context, "server_mode") == "shared"


@check(
    "push.enabled",
    why=f"The push server carries the messenger: {COST}.",
    expected="pull.nginx is Y (or the vendor's shared server is registered)",
    remedy="Install the push server (role boxlift.portal.push_server) and set pull.nginx to Y with portal_option.",
    blocks="some",
    reference="site checker: check_pull_stream",
    needs=("database.reachable", "settings.readable"),
)
def push_enabled(context: Context) -> Verdict:
    if _shared(context):
        if effective(context, "registered_on_shared_server") == "Y":
            return passed("the vendor's shared push server is registered")
        return failed(f"server_mode is shared, but the portal is not registered there; {COST}")
    if effective(context, "nginx") == "Y":
        return passed("pull.nginx is Y")
    return (failed if context.push_expected else warned)(f"pull.nginx is {effective(context, 'nginx')!r}; {COST}")


@check(
    "push.attachments",
    why="Files can be attached in the messenger only when push, disk and messenger are all in place.",
    expected="modules pull, disk and im are installed and disk.successfully_converted is Y",
    remedy="Install the missing modules; finish the conversion of the module disk in the portal's administration.",
    blocks="some",
    reference="messenger: disk.enable",
    needs=("push.enabled",),
)
def push_attachments(context: Context) -> Verdict:
    installed = {row["ID"] for row in context.query("SELECT ID FROM b_module WHERE ID IN ('pull', 'disk', 'im')")}
    missing = [module for module in ("pull", "disk", "im") if module not in installed]
    if missing:
        return failed(f"modules not installed: {', '.join(missing)}")
    converted = context.option("disk", "successfully_converted")
    if converted in ("", "N", "0"):
        return failed(f"disk.successfully_converted is {converted!r}: the paper clip is hidden")
    return passed("pull, disk and im are installed, disk is converted")


@check(
    "push.server",
    why="An old protocol is no longer developed, and without a key channels are not signed.",
    expected="nginx_version is 4 or later and signature_key is set",
    remedy="Set nginx_version to 4 and signature_key to the push server's key in .settings.php.",
    blocks="some",
    reference="site checker: check_pull_stream",
    needs=("push.enabled",),
)
def push_server(context: Context) -> Verdict:
    if _shared(context):
        raise DoesNotApply("the vendor's shared push server is used")
    if effective(context, "nginx") != "Y":
        raise DoesNotApply("this site runs without a push server")
    version = effective(context, "nginx_version")
    if not version.isdigit() or int(version) < 4:
        return warned(f"nginx_version is {version}, which is deprecated")
    if not effective(context, "signature_key"):
        return failed("signature_key is empty: channels are not signed")
    return passed(f"nginx_version {version}, channels are signed")


@check(
    "push.precedence",
    why="A row in b_option, and before it one in b_option_site, silently outranks .settings.php; a restored database"
    " brings the cloud's rows.",
    expected="no row of b_option or b_option_site contradicts the section pull of .settings.php",
    remedy="Delete the rows named here with portal_option (NAME: null), or give .settings.php the same values.",
    blocks="some",
    needs=("database.reachable", "settings.readable"),
)
def push_precedence(context: Context) -> Verdict:
    section = context.setting("pull")
    said = {str(name).lower(): str(value) for name, value in section.items()} if isinstance(section, dict) else {}
    for_all = {
        row["NAME"].lower(): str(row["VALUE"])
        for row in context.query("SELECT NAME, VALUE FROM b_option WHERE MODULE_ID = 'pull'")
    }
    wrong = [name for name, value in said.items() if for_all.get(name, value) != value]
    effective_for_all = {**said, **for_all}
    for row in context.query("SELECT SITE_ID, NAME, VALUE FROM b_option_site WHERE MODULE_ID = 'pull'"):
        name = row["NAME"].lower()
        if effective_for_all.get(name, _DEFAULTS.get(name)) != str(row["VALUE"]):
            wrong.append(f"{name} of site {row['SITE_ID']}")
    return warned(f"rows outrank the settings in: {', '.join(wrong)}") if wrong else passed("no contradiction")


@check(
    "push.errors",
    why="After ten failed deliveries within two minutes the portal stops sending to the push server.",
    expected="pull.nginx_error is N",
    remedy="See that the push server runs and that path_to_publish leads to it; then set pull.nginx_error to N.",
    blocks="some",
    reference="admin notice PULL_ERROR_SEND",
    needs=("push.enabled",),
)
def push_errors(context: Context) -> Verdict:
    error = context.option("pull", "nginx_error", "N")
    return passed("no errors counted") if error in ("N", "") else failed("deliveries to the push server fail")


@check(
    "push.publish_private",
    why="Who reaches the publishing address can write into everybody's messenger without a signature.",
    expected="/bitrix/pub/ and /server-stat/ are refused on the portal's public address",
    remedy="Take these locations out of the public server of nginx; they belong to port 8895 of the internal network.",
    blocks="nobody",
    needs=("web.answers",),
    vantage=ANYWHERE,
)
def push_publish_private(context: Context) -> Verdict:
    answers = {path: context.http.request(context.address(path)).status for path in ("/bitrix/pub/", "/server-stat/")}
    observed = ", ".join(f"{path} answered {status}" for path, status in answers.items())
    return passed(observed) if all(status in _REFUSED for status in answers.values()) else failed(observed)


@dataclasses.dataclass(frozen=True)
class _Server:
    """The site's own push server, as the portal's settings describe it."""

    key: str
    algorithm: str
    publish: str
    long_poll: str
    websocket: str

    def signed(self, channel: str) -> str:
        return signed(channel, self.key, self.algorithm)

    def signed_wrongly(self, channel: str) -> str:
        return signed(channel, new_id(), self.algorithm)


def _own_server(context: Context) -> _Server:
    if _shared(context):
        raise DoesNotApply("the vendor's shared push server is used")
    if effective(context, "nginx") != "Y":
        raise DoesNotApply("this site runs without a push server")
    secure = "_secure" if context.url.scheme == "https" else ""
    return _Server(
        effective(context, "signature_key"),
        effective(context, "signature_algo"),
        _address(context, "path_to_publish"),
        _address(context, f"path_to_modern_listener{secure}"),
        _address(context, f"path_to_websocket{secure}"),
    )


def _address(context: Context, name: str) -> str:
    url = effective(context, name).replace("#DOMAIN#", context.host)
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise BoxliftError(f"pull.{name} is {url!r}, which is no address.", "Correct it in .settings.php.")
    return url


@contextlib.contextmanager
def _by_long_poll(context: Context, url: str, channel: str) -> t.Iterator[LongPoll]:
    address = with_channel(url, channel)
    with contextlib.closing(context.http.open(address)) as sock:
        yield LongPoll(sock, address)


@contextlib.contextmanager
def _by_websocket(context: Context, url: str, channel: str) -> t.Iterator[WebSocket]:
    address = with_channel(url, channel)
    with contextlib.closing(context.http.open(address)) as sock:
        yield WebSocket(sock, address)


def _round_trip(context: Context, server: _Server, url: str, listen: _Listen) -> Verdict:
    """Sends a message as the portal does, and receives it as a browser does."""
    channel, nonce = new_id(), new_id()
    text = json.dumps({"module_id": "pull", "command": "health_check", "params": {"nonce": nonce}})
    started = time.monotonic()
    try:
        with listen(context, url, server.signed(channel)) as listener:
            arrived = listener.arrived(_SETTLING_SECONDS)
            for _second in range(_SECONDS):
                _publish(context, server, channel, text)
                arrived += listener.arrived(1)
                if any(nonce in each for each in arrived):
                    break
            else:
                return failed(f"a message did not arrive within {_SECONDS} seconds at {url}; {COST}")
    except _PROBLEMS as problem:
        return failed(f"{url}: {problem}; {COST}")
    seconds = time.monotonic() - started
    refusal = _refusal_of_a_wrong_signature(context, server, url, listen)
    if refusal != 400:
        return failed(
            f"a message arrived, but a channel with a wrong signature was answered with {refusal or 'messages'} and"
            " not with 400: whoever knows a channel could read it",
            "Give the push server the portal's key (push_server_key) and restart its processes.",
        )
    return passed(f"a message arrived at {url} in {seconds:.1f} s, and a wrong signature is refused")


def _publish(context: Context, server: _Server, channel: str, text: str) -> None:
    status = context.http.request(with_channel(server.publish, channel), "POST", text.encode()).status
    if status != 200:
        raise Broken(f"publishing at {server.publish} was answered with {status}")


def _refusal_of_a_wrong_signature(context: Context, server: _Server, url: str, listen: _Listen) -> int:
    """HTTP status of the refusal, 0 if there was none."""
    try:
        with listen(context, url, server.signed_wrongly(new_id())) as listener:
            listener.arrived(1)
    except Refused as refused:
        return refused.status
    return 0


_ROUND_TRIP_REMEDY = (
    "See that the processes run (systemctl status 'push-server@*'), that nginx leads to them (role push_server,"
    " tasks_from web), and that the portal's key is the server's; then ask again."
)


@check(
    "push.roundtrip_longpoll",
    why=f"Browsers that cannot use WebSocket, behind some proxies, get their messages by long polling; {COST}.",
    expected="a message published on path_to_publish arrives by long polling within 5 seconds through the portal's"
    " own name, and a wrong signature is refused with 400",
    remedy=_ROUND_TRIP_REMEDY,
    blocks="some",
    reference="site checker: check_pull_stream",
    needs=("push.server", "web.answers"),
)
def push_roundtrip_longpoll(context: Context) -> Verdict:
    server = _own_server(context)
    return _round_trip(context, server, server.long_poll, _by_long_poll)


@check(
    "push.roundtrip_websocket",
    why=f"Browsers and mobile applications hold a WebSocket for their messages; {COST}.",
    expected="a message published on path_to_publish arrives by WebSocket within 5 seconds through the portal's own"
    " name, and a wrong signature is refused with 400",
    remedy=_ROUND_TRIP_REMEDY,
    blocks="some",
    reference="site checker: check_pull_stream",
    needs=("push.server", "web.answers"),
)
def push_roundtrip_websocket(context: Context) -> Verdict:
    server = _own_server(context)
    return _round_trip(context, server, server.websocket, _by_websocket)


@check(
    "push.key",
    why="Portal and push server sign with the same key; with two keys every browser is refused.",
    expected="the push server accepts channels signed with the portal's key, and no others",
    remedy="Give both the same key: site_push_key in the inventory, then the playbooks provision and configure.",
    blocks="some",
    needs=("push.server", "web.answers"),
)
def push_key(context: Context) -> Verdict:
    server = _own_server(context)
    version = effective(context, "nginx_version")
    if version.isdigit() and int(version) >= 5:
        raise DoesNotApply(f"with nginx_version {version} clients show tokens, and channels have no signatures")
    # Server 1.0 takes no public ids; a portal that is set to it gives none.
    public = not version.isdigit() or int(version) >= 4
    asked = {"right": server.signed(new_id()), "wrong": server.signed_wrongly(new_id())}
    if public:
        asked["with a public id"] = server.signed(f"{new_id()}:{new_id()}")
    answers = {}
    for name, channel in asked.items():
        try:
            with _by_websocket(context, server.websocket, channel):
                answers[name] = 101
        except Refused as refused:
            answers[name] = refused.status
        except _PROBLEMS as problem:
            raise CannotLook(f"the push server does not answer at {server.websocket}: {problem}") from problem
    if not set(answers.values()) <= {101, 400}:
        raise CannotLook(f"the push server answered {max(answers.values())} at {server.websocket}")
    if answers["right"] != 101:
        return failed("the push server refuses channels that are signed with the portal's key: it has another key")
    if answers["wrong"] != 400:
        return failed("the push server accepts any signature: it has no key")
    if answers.get("with a public id", 101) != 101:
        return failed(
            "the push server has the portal's key and refuses public ids: it is a server 1.0, and nginx_version is "
            f"{version}",
            "Install a push server 2.0 or later (push_server_archive, then the playbook provision); until then set "
            "nginx_version to 3 in .settings.php with boxlift.portal.portal_settings.",
        )
    return passed("channels with the portal's signature are accepted, others refused")


@check(
    "push.processes",
    why="Messages go through a publishing process to those that browsers are connected to; none may be missing.",
    expected="at least two processes of the push server report their state at /server-stat/",
    remedy="Start what is missing: systemctl start 'push-server@sub-*' 'push-server@pub-*', or the role push_server.",
    blocks="some",
    needs=("push.server",),
)
def push_processes(context: Context) -> Verdict:
    server = _own_server(context)
    publish = urllib.parse.urlsplit(server.publish)
    # The role push_server has it where only those find it who know the key; other servers have it for everybody.
    secret = hashlib.sha256(f"server-stat{server.key}".encode()).hexdigest()
    for path in (f"/server-stat/{secret}/", "/server-stat/"):
        answer = context.http.request(urllib.parse.urlunsplit((publish.scheme, publish.netloc, path, "", "")))
        if answer.status == 200 or answer.status >= 500:
            break
    url = urllib.parse.urlunsplit((publish.scheme, publish.netloc, "/server-stat/", "", ""))
    if answer.status >= 500:
        return failed(f"{url} answered {answer.status}; {COST}")
    try:
        states = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        states = None
    if not isinstance(states, list):
        raise CannotLook(f"{url} answered {answer.status} and no list of processes")
    numbers = [str(state["pid"]) for state in states if isinstance(state, dict) and "pid" in state]
    if not numbers:
        return failed(f"no process of the push server reports; {COST}")
    observed = f"{len(numbers)} processes report: {some(numbers, 8)}"
    return passed(observed) if len(numbers) > 1 else warned(f"one process alone reports: {numbers[0]}")
