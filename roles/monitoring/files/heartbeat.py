# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices when the alerting falls silent, and says so by a path that the alerting does not use.

boxlift-heartbeat listen   takes Alertmanager's Watchdog, and notes when it came
boxlift-heartbeat check    says whether it still comes: one letter when it stops, one when it comes again
boxlift-heartbeat status   prints when it came; exit status 1 where that is too long ago
"""

from __future__ import annotations

import argparse
import contextlib
import email.message
import email.utils
import http.server
import json
import os
import smtplib
import ssl
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

SETTINGS = "/etc/boxlift-monitoring/heartbeat.json"
LONGEST = 1 << 20  # bytes of a message of Alertmanager
PATIENCE = 20.0  # seconds for a relay or a webhook

Send = t.Callable[[str, str], "list[str]"]  # subject, text -> what went wrong, a line for each path


class Settings(t.NamedTuple):
    folder: str
    port: int
    limit: float  # seconds of silence that are one too many
    repeat: float  # seconds until the letter is sent again
    metrics: str  # textfile for Prometheus
    host: str
    site: str
    runbook: str
    mail: dict[str, t.Any]  # relay, port, tls, ca_path, user, password, sender, to
    webhook: str

    @classmethod
    def read(cls, path: str) -> Settings:
        with open(path, encoding="utf-8") as stream:
            return cls(**json.load(stream))


class State(t.NamedTuple):
    """What `check` knows from the time before."""

    watched_since: float
    alarmed: float = 0.0  # when the last letter of a silence that lasts was sent; 0 while all is well
    silent_since: float = 0.0


def is_heartbeat(body: bytes) -> bool:
    """Whether it is Alertmanager's message that the Watchdog fires."""
    try:
        message = json.loads(body)
        alerts = message["alerts"]
        return any(each["labels"]["alertname"] == "Watchdog" and each["status"] == "firing" for each in alerts)
    except (ValueError, KeyError, TypeError):
        return False


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """In one step: whoever reads it sees the old one or the new one."""
    new = path.with_name(f".{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    os.replace(new, path)


def last_beat(folder: Path) -> float:
    """When the last heartbeat came; 0 where none ever did, or the note is spoilt."""
    try:
        return float((folder / "beat").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def judge(beat: float, state: State, now: float, limit: float, repeat: float) -> tuple[State, str]:
    """The new state, and what is to be said: silent, still, again or nothing.

    Without any heartbeat yet, the time counts from the first look. A clock that went back makes a heartbeat of the
    future, which says nothing of how long ago it came: it counts as one of now.
    """
    newest = min(max(beat, state.watched_since), now)
    if now - newest <= limit:
        if state.alarmed and beat > state.silent_since:
            return State(state.watched_since), "again"
        return state, ""
    if not state.alarmed:
        return State(state.watched_since, now, newest), "silent"
    if now - state.alarmed >= repeat:
        return state._replace(alarmed=now), "still"
    return state, ""


def letter(word: str, settings: Settings, beat: float, silent_since: float, now: float) -> tuple[str, str]:
    """Subject and text."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(beat)) if beat else "never"
    if word == "again":
        return (
            f"OVER The alerting of {settings.site} lives again",
            f"{settings.host} hears the heartbeat again, after {now - silent_since:.0f} s.\n"
            "Alerts of that time may be lost: look at the portal's state once by hand.\n",
        )
    return (
        f"CRITICAL The alerting of {settings.site} is silent",
        f"{settings.host} has heard no heartbeat for {now - silent_since:.0f} s; the last one came: {moment}.\n"
        "Prometheus or Alertmanager have stopped, or do not get through. Until this is cured nobody hears of faults.\n"
        f"What to do: {settings.runbook}\n",
    )


def deliver(settings: Settings, subject: str, text: str) -> list[str]:
    """By mail and by webhook, each on its own; what went wrong. Without any path that is what goes wrong."""
    problems = []
    if settings.mail.get("to"):
        try:
            mail(settings.mail, subject, text)
        except (OSError, smtplib.SMTPException) as error:
            problems.append(f"mail by {settings.mail['relay']}: {error}")
    if settings.webhook:
        body = json.dumps({"subject": subject, "text": text}).encode()
        request = urllib.request.Request(settings.webhook, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                pass
        except OSError as error:
            problems.append(f"webhook: {error}")
    if not settings.mail.get("to") and not settings.webhook:
        problems.append("nobody is named in monitoring_heartbeat_to, and there is no monitoring_heartbeat_webhook")
    return problems


def mail(path: dict[str, t.Any], subject: str, text: str) -> None:
    message = email.message.EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, path["sender"], ", ".join(path["to"])
    message["Date"], message["Message-ID"] = email.utils.formatdate(), email.utils.make_msgid(domain="boxlift.invalid")
    message.set_content(text)
    trusted = ssl.create_default_context(cafile=path.get("ca_path") or None)
    if path["tls"] == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(path["relay"], path["port"], timeout=PATIENCE, context=trusted)
    else:
        connection = smtplib.SMTP(path["relay"], path["port"], timeout=PATIENCE)
    try:
        if path["tls"] == "starttls":
            connection.starttls(context=trusted)
        if path.get("user"):
            connection.login(path["user"], path["password"])
        connection.send_message(message)
        # The relay has taken it, however it says goodbye.
        with contextlib.suppress(smtplib.SMTPException):
            connection.quit()
    finally:
        connection.close()


def check(settings: Settings, now: float, send: Send) -> list[str]:
    """One look. What could not be sent counts as not sent: the next look tries again."""
    folder = Path(settings.folder)
    note = folder / "check.json"
    try:
        state = State(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        state = State(watched_since=now)
    beat = last_beat(folder)
    after, word = judge(beat, state, now, settings.limit, settings.repeat)
    problems: list[str] = []
    if word:
        since = after.silent_since or state.silent_since
        problems = send(*letter(word, settings, beat, since, now))
        if problems:
            after = state
    replace(note, json.dumps(after._asdict()))
    if settings.metrics:
        lines = {
            "boxlift_heartbeat_checked_timestamp_seconds": now,
            # Before the first one it has not been silent for longer than somebody has listened.
            "boxlift_heartbeat_timestamp_seconds": beat or after.watched_since,
            "boxlift_heartbeat_limit_seconds": settings.limit,
        }
        text = "".join(f"# TYPE {name} gauge\n{name} {value:.0f}\n" for name, value in lines.items())
        replace(Path(settings.metrics), text)
    return problems


def listen(settings: Settings, clock: t.Callable[[], float] = time.time) -> http.server.HTTPServer:
    """The server; whoever called this lets it serve."""
    folder = Path(settings.folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            known = length.isdecimal() and int(length) <= LONGEST
            if known and is_heartbeat(self.rfile.read(int(length))):
                replace(folder / "beat", f"{clock():.3f}")
                self.send_response(200)
            else:
                self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Not a line a minute."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", settings.port), Handler)


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="boxlift-heartbeat", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--settings", default=SETTINGS, help="settings file (default: %(default)s)")
    parser.add_argument("action", choices=["listen", "check", "status", "test"])
    options = parser.parse_args(arguments)
    settings = Settings.read(options.settings)

    def send(subject: str, text: str) -> list[str]:
        return deliver(settings, subject, text)

    if options.action == "listen":
        with contextlib.suppress(KeyboardInterrupt):
            listen(settings).serve_forever()
        return 0
    if options.action == "check":
        problems = check(settings, time.time(), send)
    elif options.action == "test":
        problems = send(f"TEST The heartbeat of {settings.site}", "By this path you hear of a dead alerting.\n")
    else:
        beat = last_beat(Path(settings.folder))
        print(
            json.dumps({"last": beat, "age": round(time.time() - beat, 1) if beat else None, "limit": settings.limit})
        )
        return 0 if beat and time.time() - beat <= settings.limit else 1
    for problem in problems:
        print(f"Not delivered: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
