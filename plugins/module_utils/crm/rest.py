# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls, batches and files over a portal's REST, within its limits. What is repeated, and what must not be."""

from __future__ import annotations

import json
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.boxlift.portal.plugins.module_utils.crm import walk
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import (
    OPERATING,
    Answer,
    Busy,
    Denied,
    Expired,
    Outcome,
    RestError,
    Unanswered,
    page_instead,
    refusal,
)
from ansible_collections.boxlift.portal.plugins.module_utils.crm.batches import BatchAnswer
from ansible_collections.boxlift.portal.plugins.module_utils.crm.commands import MOST, Command, text_of
from ansible_collections.boxlift.portal.plugins.module_utils.crm.limits import Limits
from ansible_collections.boxlift.portal.plugins.module_utils.crm.stream import Cut, JsonStream, NotJson
from ansible_collections.boxlift.portal.plugins.module_utils.crm.tokens import Application
from ansible_collections.boxlift.portal.plugins.module_utils.crm.transport import (
    Lost,
    NotSent,
    Pending,
    Reply,
    Transport,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.http.tls import trusting_context

__all__ = ("Answer", "Application", "Command", "Denied", "Outcome", "Rest", "RestError", "Unanswered")

TIMEOUT = 75.0  # seconds; the cloud ends a request after 60
PAUSES = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)  # before each further try
LONGEST_BUSY = 3600.0  # seconds of waiting for the limits, without one answer in between
MOST_REDIRECTS = 5  # of a file
_LARGEST_ERROR = 1024 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)

Got = t.TypeVar("Got")


class Asked(t.NamedTuple):
    """A request under way."""

    pending: Pending
    token: str

    def drop(self) -> None:
        self.pending.drop()


class Rest:
    """A portal, for any number of threads."""

    def __init__(
        self,
        webhook: str | Application,
        *,
        ca_file: str | None = None,
        proxy: str | None = None,
        timeout: float = TIMEOUT,
        share: float = 1.0,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
        resolve_to: str | None = None,
    ) -> None:
        """`webhook` is https://PORTAL/rest/USER/CODE/, or an application.

        `proxy` None is the one of the environment, an empty one none. `share` is the part of the portal's limits to
        use. `resolve_to` is the address at which the portal is, where DNS names another one yet.
        """
        url = webhook if isinstance(webhook, str) else webhook.url
        try:
            split = urllib.parse.urlsplit(url.strip())
            self.name = split.hostname or ""
        except ValueError:
            self.name = ""
        if not self.name or split.scheme != "https" or "/rest/" not in split.path + "/" or split.username:
            raise BoxliftError(
                "The webhook is not of the form https://PORTAL/rest/USER/CODE/.",
                "Copy it from the portal: Developer resources, inbound webhook.",
            )
        self._application = None if isinstance(webhook, str) else webhook
        self.passing: tuple[type[Exception], ...] = PASSING
        self._place, self._path = split.netloc, split.path.rstrip("/") + "/"
        self._timeout, self._sleep, self.clock = timeout, sleep, clock
        self._context, self._proxy = trusting_context(ca_file or ""), proxy
        self._transport = Transport(url.strip(), self._context, proxy, resolve_to or "")
        self.limits = Limits(share, clock)
        self._lock = threading.Lock()
        self.requests = 0
        self.refused = 0
        self.waited = 0.0

    def __repr__(self) -> str:
        return f"Rest({self.name})"

    def close(self) -> None:
        self._transport.close()

    def call(self, method: str, params: t.Mapping[str, t.Any] | None = None, *, repeat: bool = True) -> Answer:
        """Raises RestError, Denied or Unanswered; without `repeat` the latter at once, since a write may be done."""

        def once() -> Answer:
            reply = self.reply(self.ask(method, params or {}, [method], repeat), method)
            try:
                given = json.loads(_all(reply))
            except ValueError:
                raise page_instead(method, 200) from None
            reply.finish()
            if not isinstance(given, dict):
                raise page_instead(method, 200)
            times = given["time"] if isinstance(given.get("time"), dict) else {}
            self.worked(method, times)
            if "error" in given:
                raise refusal(method, reply.status, given)
            if "result" not in given:
                raise page_instead(method, 200)
            return Answer(given["result"], _number(given.get("total")), _number(given.get("next")), times)

        return self.insist(once, repeat)

    def batch(self, commands: t.Sequence[Command], *, repeat: bool = True, halt: bool = False) -> list[Outcome]:
        """The outcome of each command, in order; 50 a request.

        Without `repeat`, commands whose answer is lost are Unanswered. With `halt`, those after the first refused one
        are not carried out; their code is HALTED. Raises Denied or RestError only where nothing was carried out at all.
        """
        outcomes: list[Outcome] = []
        for first in range(0, len(commands), MOST):
            try:
                some = self._some(commands[first : first + MOST], repeat, halt)
            except RestError as refused:
                if not outcomes:
                    raise
                # What was done before must not be lost.
                return [*outcomes, *[refused] * (len(commands) - first)]
            outcomes += some
            left = commands[len(outcomes) :]
            if halt and not all(isinstance(each, Answer) for each in some):
                return [*outcomes, *map(_halted, left)]
            last = some[-1]
            if isinstance(last, Unanswered) and (repeat or not last.sent):
                return [*outcomes, *[last] * len(left)]  # patience has ended
        return outcomes

    def rows(
        self, method: str, params: t.Mapping[str, t.Any], *, after: int = 0, upto: int | None = None
    ) -> t.Iterator[dict[str, t.Any]]:
        """All rows of a list with ids above `after`, up to `upto`, in the order of their ids (see `walk`)."""
        return walk.rows(self, method, params, after, upto)

    def fetch_file(self, url: str, out: t.BinaryIO) -> int:
        """Write the file at `url` (urlMachine) to `out` from its present position; how many bytes it has."""
        begin = out.tell()

        def once() -> int:
            out.seek(begin)
            out.truncate()
            return self._fetch(urllib.parse.urljoin(f"https://{self._place}/", url), out)

        return self.insist(once, True)

    # -- what the walk uses, too ---------------------------------------------------------------------------------

    def ask(self, method: str, params: t.Mapping[str, t.Any], methods: t.Collection[str], reading: bool) -> Asked:
        """Send a request as soon as the limits allow. Raises NotSent or Denied."""
        self.pause(self.limits.forbidden(methods))
        self.pause(self.limits.place())
        body, token = self._body(params)
        with self._lock:
            self.requests += 1
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        pending = self._transport.send(f"{self._path}{method}.json", body, headers, self._timeout, reading)
        return Asked(pending, token)

    def ready(self, methods: t.Collection[str]) -> bool:
        """Whether `ask` would send at once."""
        return self.limits.forbidden(methods) <= 0 and self.limits.free()

    def reply(self, asked: Asked, method: str) -> Reply:
        """An answer with status 200. Raises Lost, Busy, Expired, RestError or Unanswered."""
        reply = asked.pending.reply(self._timeout)
        if reply.status == 200:
            self.limits.passed()
            return reply
        if reply.status in _REDIRECTS:
            host = urllib.parse.urlsplit(reply.headers.get("Location") or "").hostname or "another place"
            reply.drop()
            raise Denied(
                f"{self.name} redirects REST to {host}.",
                "The portal has moved: give the webhook with its new address.",
                code="MOVED",
                status=reply.status,
            )
        try:
            self._judge(reply, method)
        except Expired as expired:
            expired.token = asked.token
            raise

    def patience(self, repeat: bool) -> _Patience:
        return _Patience(self, repeat)

    def insist(self, once: t.Callable[[], Got], repeat: bool) -> Got:
        """Do it until it is answered: always again where nothing was carried out, else if it may be repeated."""
        patience = _Patience(self, repeat)
        while True:
            try:
                return once()
            except PASSING as error:
                patience.heed(error)

    def worked(self, method: str, time: t.Any) -> None:
        """What an answer says of a method's working time."""
        if isinstance(time, dict):
            self.limits.operated(method, time)

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self.waited += seconds
            self._sleep(seconds)

    def renew(self, stale: str) -> None:
        """Get a new access token, if the application has no other than this one. Raises RestError or Denied."""
        if self._application is None:
            raise Denied(
                f"{self.name}: the portal says that the access token has expired.",
                "Give the address of a webhook as the portal shows it.",
                code="expired_token",
                status=401,
            )
        application = self._application
        try:
            self.insist(lambda: application.renew(stale, self._exchange), True)
        except Unanswered as failure:
            # What a token was wanted for was not sent.
            raise RestError(
                f"{self.name}: there is no new access token. {failure.message}", failure.remedy, code="NO_TOKEN"
            ) from failure

    def heed(self, busy: Busy) -> None:
        """The portal is busy: what comes next waits."""
        with self._lock:
            self.refused += 1
        if busy.code == OPERATING:
            self.limits.blocked(busy.method, busy.pause)
        else:
            self.limits.full()
            self.pause(busy.pause)

    # -- within --------------------------------------------------------------------------------------------------

    def _some(self, commands: t.Sequence[Command], repeat: bool, halt: bool) -> list[Outcome]:
        """At most 50 commands."""
        outcomes: dict[int, Outcome] = {}

        def once() -> None:
            left = [number for number in range(len(commands)) if number not in outcomes]
            self._one_request(commands, left, outcomes, repeat, halt)

        try:
            self.insist(once, repeat)
        except (RestError, Unanswered) as failure:
            if isinstance(failure, RestError) and not outcomes:
                raise
            for number in range(len(commands)):
                outcomes.setdefault(number, failure)
        return [outcomes[number] for number in range(len(commands))]

    def _one_request(
        self, commands: t.Sequence[Command], left: list[int], outcomes: dict[int, Outcome], repeat: bool, halt: bool
    ) -> None:
        texts = {f"c{number}": text_of(commands[number]) for number in left}
        methods = {commands[number].method for number in left}
        reply = self.reply(self.ask("batch", {"halt": int(halt), "cmd": texts}, methods, repeat), "batch")
        stream, about = JsonStream(reply.read), BatchAnswer()
        results: dict[str, t.Any] = {}
        failure: Exception | None = None
        try:
            for key in about.read(stream):
                results[key] = stream.value()
            reply.finish()
        except (Lost, Cut, NotJson) as error:
            reply.drop()
            if repeat:
                raise
            failure = error  # what has come is certain all the same
        except BaseException:
            reply.drop()
            raise
        again: Exception | None = None
        stopped = False
        for number in left:
            key, command = f"c{number}", commands[number]
            times = about.times.get(key)
            times = times if isinstance(times, dict) else {}
            self.worked(command.method, times)
            if key in results:
                total, following = _number(about.totals.get(key)), _number(about.nexts.get(key))
                outcomes[number] = Answer(results[key], total, following, times)
            elif key in about.errors:
                refused = refusal(command.method, 200, _error(about.errors[key]))
                stopped = halt
                if isinstance(refused, RestError) or (isinstance(refused, Unanswered) and not repeat):
                    outcomes[number] = refused
                else:
                    again = refused
                    if halt:
                        break
            elif stopped:
                outcomes[number] = _halted(command)
            else:
                why = f"{failure}" if failure else "the answer lacks it"
                lost = Unanswered(f"{command.method}: {why}.", _REACH)
                if repeat:
                    raise lost
                outcomes[number] = lost
        if again is not None:
            raise again

    @staticmethod
    def _judge(reply: Reply, method: str) -> t.NoReturn:
        """Raise what an answer means whose status is not 200."""
        pause = _seconds(reply.headers.get("Retry-After"))
        text = b""
        while len(text) < _LARGEST_ERROR and (piece := reply.read(_LARGEST_ERROR)):
            text += piece
        reply.finish()
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict) or "error" not in given:
            raise page_instead(method, reply.status, pause)
        raise refusal(method, reply.status, given, pause)

    def _body(self, params: t.Mapping[str, t.Any]) -> tuple[bytes, str]:
        """The parameters as JSON, with the access token of an application; the token."""
        if self._application is None:
            return json.dumps(params).encode(), ""
        if not self._application.access_token:
            self.renew("")
        token = self._application.access_token
        return json.dumps({**params, "auth": token}).encode(), token

    def _fetch(self, url: str, out: t.BinaryIO) -> int:
        """Follow the address to where the file is; it may be in a storage beside the portal."""
        for _redirect in range(MOST_REDIRECTS):
            split = urllib.parse.urlsplit(url)
            if split.scheme != "https" or not split.hostname:
                raise RestError(
                    f"{self.name} gives an address for a file that is not https://.",
                    "Set the portal's address (module main, server_name) and its https.",
                    code="NOT_HTTPS",
                )
            own = split.netloc == self._place
            self.pause(self.limits.place() if own else 0)
            transport = self._transport if own else Transport(url, self._context, self._proxy)
            with self._lock:
                self.requests += own
            try:
                target = urllib.parse.urlunsplit(("", "", split.path or "/", split.query, ""))
                reply = transport.send(target, None, {"Accept-Encoding": "identity"}, self._timeout, True).reply(
                    self._timeout
                )
                if reply.status == 200:
                    length = 0
                    while piece := reply.read(256 * 1024):
                        length += out.write(piece)
                    reply.finish()
                    return length
                location = reply.headers.get("Location")
                if reply.status not in _REDIRECTS or not location:
                    self._judge(reply, "file")
                reply.drop()
                url = urllib.parse.urljoin(url, location or "")
            finally:
                if not own:
                    transport.close()
        raise RestError(
            f"{self.name} redirects a file more than {MOST_REDIRECTS} times.",
            "See where its storage is (module clouds).",
            code="REDIRECTS",
        )

    def _exchange(self, url: str, given: t.Mapping[str, str]) -> t.Mapping[str, t.Any]:
        """Ask the vendor for new tokens. Raises Denied, Lost or NotSent."""
        split = urllib.parse.urlsplit(url)
        if split.scheme != "https":
            raise BoxliftError("The address for new tokens is not https://.", "Correct oauth_url in the tokens' file.")
        transport = Transport(url, self._context, self._proxy)
        try:
            target = f"{split.path or '/'}?{urllib.parse.urlencode(given)}"
            reply = transport.send(target, None, {}, self._timeout, True).reply(self._timeout)
            text = _all(reply)
            try:
                answer = json.loads(text)
            except ValueError:
                raise Lost(f"{split.hostname} answers the refresh token with status {reply.status}") from None
            if not isinstance(answer, dict) or "error" in answer:
                code = str(answer.get("error") if isinstance(answer, dict) else "")
                raise Denied(
                    f"{split.hostname} refuses the application's refresh token ({code}).",
                    "Install the application anew, and put its refresh token into the tokens' file.",
                    code=code,
                    status=reply.status,
                )
            reply.finish()
            return answer
        finally:
            transport.close()


PASSING = (Busy, Expired, NotSent, Lost, Cut, NotJson, Unanswered)


class _Patience:
    """How often something is tried again, and when."""

    def __init__(self, rest: Rest, repeat: bool) -> None:
        self._rest, self._repeat = rest, repeat
        self._tries = 0
        self._busy: float | None = None
        self._renewed = False
        self._stale = False

    def fresh(self) -> None:
        """It went on: what failed before counts no more."""
        self._tries, self._busy, self._renewed, self._stale = 0, None, False, False

    def heed(self, error: Exception) -> None:
        """Wait before the next try; raises what is final."""
        if isinstance(error, Busy):
            now = self._rest.clock()
            if self._busy is not None and now - self._busy > LONGEST_BUSY:
                raise RestError(
                    f"{self._rest.name} refuses {error.method} for an hour now ({error.code}).",
                    "See what else uses the portal's REST from this host, or with this webhook.",
                    code=error.code,
                )
            self._busy = now if self._busy is None else self._busy
            self._rest.heed(error)
        elif isinstance(error, Expired):
            if self._renewed:
                raise Denied(
                    f"{self._rest.name} takes no new access token either.",
                    "Install the application anew, and put its refresh token into the tokens' file.",
                    code="expired_token",
                    status=401,
                )
            self._renewed = True
            self._rest.renew(error.token)
        else:
            self._failed(self._unanswered(error), isinstance(error, Lost) and error.stale)

    def _failed(self, failure: Unanswered, stale: bool) -> None:
        if failure.sent and not self._repeat:
            raise failure
        if stale and not self._stale:
            self._stale = True  # a server may end a connection that lay idle, and that says nothing about it
            return
        if self._tries == len(PAUSES):
            raise failure
        self._rest.pause(PAUSES[self._tries])
        self._tries += 1

    def _unanswered(self, error: Exception) -> Unanswered:
        if isinstance(error, Unanswered):
            return error
        if isinstance(error, NotSent):
            return Unanswered(f"{self._rest.name}: no connection ({error}).", _REACH, sent=False)
        return Unanswered(f"{self._rest.name}: {error}.", _REACH)


_REACH = "See whether the portal answers (curl -I), and what its log says."


def _all(reply: Reply) -> bytes:
    pieces = []
    while piece := reply.read(1024 * 1024):
        pieces.append(piece)
    return b"".join(pieces)


def _error(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, dict) else {"error": str(value)}


def _halted(command: Command) -> RestError:
    return RestError(
        f"{command.method}: not carried out, since a command before it was refused.",
        "Correct what the portal says of that one.",
        code="HALTED",
        status=200,
    )


def _number(value: t.Any) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdigit() else None


def _seconds(text: str | None) -> float:
    return min(float(text), 3600.0) if text and text.isdigit() else 0.0
