# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange with its records and recordings, and what the simulated portal was told."""

from __future__ import annotations

import csv
import io
import json
import time
import typing as t

from testinfra.host import Host

RECORDS = "/var/log/asterisk/cdr-custom/boxlift.csv"
HAPPENED = "/var/log/asterisk/cel-custom/boxlift.csv"
RECORDINGS = "/var/spool/asterisk/monitor"
FIELDS = [
    "linkedid", "uniqueid", "sequence", "start", "answer", "end", "duration", "billsec", "disposition", "src", "dst",
    "dcontext", "channel", "dstchannel", "lastapp", "clid", "boxlift_direction", "boxlift_line", "boxlift_recording",
    "boxlift_call_id",
]  # fmt: skip
# Of a wav file with nothing in it.
HEADER = 44

# Arguments: what is asked for, and what is told.
ASK = """
import ssl, sys, urllib.request
request = urllib.request.Request("https://localhost:8443/_lab/" + sys.argv[1], sys.argv[2].encode() or None)
context = ssl.create_default_context(cafile="/etc/lab-telephony/ca.pem")
print(urllib.request.urlopen(request, context=context).read().decode())
"""

Row = dict[str, t.Any]


class Happened(t.NamedTuple):
    """An event of a channel: CHAN_START, BRIDGE_ENTER …"""

    uniqueid: str
    at: float
    what: str
    channel: str


class Office:
    """The host that plays the whole office."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def call(self, *calls: Row) -> None:
        """Make these calls at the same time (tests/lab/telephony/calls.py); returns when all have ended."""
        self.host.check_output("python3 /opt/lab-telephony/calls.py %s", json.dumps(calls))

    def harmed_call(self, *calls: Row) -> None:
        """Make them while the exchange, or the whole host, is killed; returns when all have ended, however."""
        self.host.run("python3 /opt/lab-telephony/calls.py %s harmed", json.dumps(calls))

    def lab(self, path: str, settings: Row | None = None) -> t.Any:
        """Ask the simulated portal, or tell it."""
        body = "" if settings is None else json.dumps(settings)
        return json.loads(self.host.check_output("python3 -c %s %s %s", ASK, path, body))

    def records(self) -> dict[str, list[dict[str, str]]]:
        """The exchange's records: Linkedid → records in order of their ends."""
        calls: dict[str, list[dict[str, str]]] = {}
        text = self.host.check_output(f"cat $(ls -tr {RECORDS} {RECORDS}-* 2>/dev/null)")
        for row in csv.reader(io.StringIO(text)):
            record = dict(zip(FIELDS, row, strict=True))
            calls.setdefault(record["linkedid"], []).append(record)
        return calls

    def happened(self) -> dict[str, list[Happened]]:
        """What happened to the channels of each call with a client, written at once: Linkedid → in order of time."""
        calls: dict[str, list[Happened]] = {}
        text = self.host.check_output(f"cat $(ls -tr {HAPPENED} {HAPPENED}-* 2>/dev/null)")
        for linkedid, uniqueid, at, what, _number, _exten, _context, channel, *_rest in csv.reader(io.StringIO(text)):
            calls.setdefault(linkedid, []).append(Happened(uniqueid, float(at), what, channel))
        return {
            f"pbx-{linkedid}": rows
            for linkedid, rows in calls.items()
            if any(row.channel.startswith("PJSIP/carrier-") for row in rows)
        }

    def of(self, client: str) -> list[list[dict[str, str]]]:
        """The calls from this number."""
        return [rows for rows in self.records().values() if rows[0]["src"] == client]

    def outside(self) -> dict[str, list[dict[str, str]]]:
        """The calls with clients, by the name that the portal knows them by."""
        return {
            f"pbx-{linkedid}": rows
            for linkedid, rows in self.records().items()
            if any(row["boxlift_direction"] in ("in", "out") for row in rows)
        }

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every recording that holds sound, by name."""
        found = self.host.check_output(f"find {RECORDINGS} -name '*.wav' -size +1023c -exec sha256sum {{}} +")
        return {path.removeprefix(RECORDINGS + "/"): digest for digest, path in map(str.split, found.splitlines())}

    def quiet(self) -> bool:
        """Whether no call is up."""
        return "0 active calls" in self.host.check_output("asterisk -rx 'core show channels count'")

    def told(self, names: t.Collection[str], seconds: float = 60, silent: t.Collection[str] = ()) -> dict[str, Row]:
        """The portal's statistics by call, as soon as they hold these calls and the recordings of those answered.

        `silent` are the calls whose recording holds no sound.
        """
        end = time.monotonic() + seconds
        while True:
            rows = self.lab("statistics")
            found = {row["EXTERNAL_CALL_ID"]: row for row in rows}
            lacking = [
                name
                for name in names
                if name not in found
                or (
                    found[name]["CALL_FAILED_CODE"] == "200"
                    and not found[name]["RECORD_FILE_ID"]
                    and name not in silent
                )
            ]
            if not lacking:
                return found
            assert time.monotonic() < end, f"{lacking} did not come; {self.host.check_output('call-connector status')}"
            time.sleep(1)


def until(condition: t.Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.3)
