# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange for the checks: what its console prints, an AMI that answers, TLS ports, call records, a connector."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import pathlib
import socket
import sqlite3
import ssl
import threading
import time
import typing as t
import wave

from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.sources import FIELDS

PASSWORD = "ami-secret-0123"

# As Asterisk 22.10 prints them.
UPTIME = "System uptime: 90000\nLast reload: 90000\n"
REGISTRATIONS = """
 <Registration/ServerURI..............................>  <Auth....................>  <Status.......>
==========================================================================================

 carrier/sip:carrier.example                             n/a                         Registered        (exp. 50s)

Objects found: 1

"""
CONTACTS = """
  Contact:  <Aor/ContactUri..............................> <Hash....> <Status> <RTT(ms)..>
==========================================================================================

  Contact:  carrier/sip:198.51.100.9:5060                  392e9c088c Avail        12.345

Objects found: 1

"""
ENDPOINT = """
 Endpoint:  {name}                                                  Not in use    0 of inf

 ParameterName                      : ParameterValue
 ===================================================================================================
 100rel                             : yes
 allow                              : ({codecs})
 direct_media                       : false
 webrtc                             : no

"""
RTP = """

General Settings:
----------------
  Port start:      10000
  Port end:        10100
  Checksums:       Yes
"""
USER = (
    "\n          username: {name}\n            secret: <Set>\n         read perm: {read}\n        write perm: {write}\n"
)
TRANSPORTS = """
Transport:  <TransportId........>  <Type>  <cos>  <tos>  <BindAddress....................>
==========================================================================================

Transport:  udp                       udp      0      0  0.0.0.0:5060
Transport:  wss                       wss      0      0  0.0.0.0:5060

"""
TRANSPORT = "\n ParameterName               : ParameterValue\n ======\n external_media_address      : {address}\n"
SOCKETS = 'UNCONN 0      0            0.0.0.0:10010      0.0.0.0:*    users:(("asterisk",pid=7,fd=3))\n'
ACCEPTED = ({"range": [10000, 10050]}, 5060)


def ruleset(ports: t.Any = ACCEPTED, policy: str = "drop", verdict: str = "accept") -> str:
    """What nft prints of a firewall that drops what it does not know, and accepts these ports and 10051-10100."""
    same = {"family": "inet", "table": "filter", "chain": "input"}
    left = {"payload": {"protocol": "udp", "field": "dport"}}
    rules = [
        [{"match": {"op": "==", "left": left, "right": {"set": list(ports)}}}, {verdict: None}],
        [{"match": {"op": "==", "left": left, "right": {"range": [10051, 10100]}}}, {"accept": None}],
    ]
    chain = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": policy}
    return json.dumps({"nftables": [{"chain": chain}, *({"rule": {**same, "expr": rule}} for rule in rules)]})


class Console:
    """Runs the checks' commands: each has an answer that a test may replace."""

    def __init__(self) -> None:
        self.asterisk = {
            "core show uptime seconds": UPTIME,
            "pjsip show registrations": REGISTRATIONS,
            "pjsip show contacts": CONTACTS,
            "pjsip show endpoint carrier": ENDPOINT.format(name="carrier", codecs="alaw|ulaw"),
            "pjsip show endpoint 101": ENDPOINT.format(name="101", codecs="opus|alaw"),
            "pjsip show transports": TRANSPORTS,
            "pjsip show transport udp": TRANSPORT.format(address="198.51.100.7"),
            "rtp show settings": RTP,
            "manager show user events": USER.format(name="events", read="call,cdr", write="<none>"),
        }
        self.programs: dict[str, str | None] = {
            "systemctl": "NRestarts=0\nActiveState=active\n",
            "nft": ruleset(),
            "ss": SOCKETS,
        }
        self.dead = False

    def run(self, command: t.Sequence[str]) -> tuple[int, str, str]:
        if command[0] == "asterisk":
            if self.dead:
                return 1, "", "Unable to connect to remote asterisk (does /var/run/asterisk/asterisk.ctl exist?)"
            return 0, self.asterisk.get(command[2], "Unable to find object.\n"), ""
        answer = self.programs[command[0]]
        if answer is None:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        return 0, answer, ""


class Ami:
    """An AMI that knows one user."""

    def __init__(self) -> None:
        self.banner = b"Asterisk Call Manager/11.0.0\r\n"
        self.delay = 0.0
        self.pong = "Ping: Pong"
        self.said: list[dict[str, str]] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream, contextlib.suppress(OSError):
            if not self.banner:
                return
            stream.write(self.banner)
            stream.flush()
            fields: dict[str, str] = {}
            for line in stream:
                name, _colon, value = line.decode().strip().partition(": ")
                if name:
                    fields[name] = value
                    continue
                self.said.append(fields)
                stream.write(self._answer(fields).encode())
                stream.flush()
                fields = {}

    def _answer(self, fields: dict[str, str]) -> str:
        number = f"ActionID: {fields['ActionID']}\r\n"
        event = "Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n"  # comes between answers
        if fields["Action"] == "Login":
            good = fields["Secret"] == PASSWORD
            said = "Success\r\nMessage: Authentication accepted" if good else "Error\r\nMessage: Authentication failed"
            return f"Response: {said}\r\n{number}\r\n"
        time.sleep(self.delay)
        return f"{event}Response: Success\r\n{number}{self.pong}\r\n\r\n"


class TlsPort:
    """A port that shows a certificate, and hangs up."""

    def __init__(self, certificate: pathlib.Path, key: pathlib.Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _address = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self._context.wrap_socket(plain, server_side=True).close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def cdr_line(**fields: t.Any) -> str:
    """One line of the file of call records: an answered call of 10 seconds, but for these fields."""
    row = {
        "linkedid": "1.1",
        "start": 1000.0,
        "answer": 1005.0,
        "end": 1015.0,
        "disposition": "ANSWERED",
        "src": "79001112233",
        "dst": "74950000001",
        "dstchannel": "PJSIP/101-1",
        "direction": "in",
        "line": "74950000001",
        **fields,
    }
    row.setdefault("uniqueid", row["linkedid"])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([row.get(name, "") for name in FIELDS])
    return text.getvalue()


def write_wav(path: pathlib.Path, seconds: float, sample: bytes = b"\x00\x10") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(sample * int(8000 * seconds))


def write_queue(path: pathlib.Path, *rows: tuple[str, int, float], hold: str = "") -> None:
    """A connector's database: state, whether the call has ended, when it changed."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE calls (state TEXT, ended INTEGER, changed REAL)")
        database.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        database.executemany("INSERT INTO calls VALUES (?, ?, ?)", rows)
        database.execute("INSERT INTO meta VALUES ('hold', ?)", [hold])
        database.commit()
