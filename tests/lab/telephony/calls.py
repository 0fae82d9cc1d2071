# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make real calls through the Asterisk of this host, all at the same time, with sipp as carrier and phones.

calls.py '[{"from": "+79000000001", "to": "+74951000101", "phones": {"101": "answers"}}, …]'

from     a client's number, or a phone's, which then calls itself; empty where somebody else has the call made
to       what it dials
phones   what each phone that is rung does: answers, leaves (answers, and hangs up first), busy, rings (nobody picks up)
         or refers:105 (answers, and sends the caller on to 105 after a while)
carrier  what the carrier does who is called, as a phone; nothing else in the plan may call him otherwise
once     a client: the call waits until role telephony_check is done with a call of his
after, ring, talk   milliseconds until the caller dials, until whoever is called answers, until the caller hangs up

Ends when all calls have ended; prints what went wrong at any side as JSON, and fails if anything did.

calls.py PLAN harmed   the exchange is killed meanwhile: a caller who hears no more of it gives up, phones that nobody
                       rings any more are switched off, and what went wrong is printed alone
"""

from __future__ import annotations

import collections
import concurrent.futures
import json
import math
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.request

FOLDER = pathlib.Path(__file__).resolve().parent
PBX = "127.0.0.1:5060"
CARRIER, CARRIER_PORT = "127.0.0.9", 5080
PASSWORD = "lab-phone-{}"
PORTAL, PORTAL_AUTHORITY = "https://localhost:8443", "/etc/lab-telephony/ca.pem"
#: Seconds in which a side must be done, and within which a caller is where the exchange is killed.
PATIENCE, HARMED_PATIENCE = 180, 30
#: Each sipp has its own ports for audio, away from Asterisk's.
FIRST_AUDIO = 30000


def tone(seconds: int = 2) -> bytes:
    """A tone of 440 Hz as A-law samples, 8,000 a second."""
    return bytes(_alaw(int(8000 * math.sin(2 * math.pi * 440 * n / 8000))) for n in range(8000 * seconds))


def _alaw(sample: int) -> int:
    sign, value = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    exponent = max(value.bit_length() - 8, 0)
    mantissa = value >> (4 if exponent == 0 else exponent + 3) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


class Call(t.NamedTuple):
    """One call of the plan."""

    caller: str
    to: str
    phones: dict[str, str]
    carrier: str
    once: str
    after: int
    ring: int
    talk: int

    @classmethod
    def read(cls, given: dict[str, t.Any]) -> Call:
        known = {"after": 0, "ring": 500, "talk": 2000, "carrier": "", "once": "", "phones": {}, **given}
        return cls(caller=known.pop("from"), **known)


class Sipp:
    """One sipp: a side of a call, with its log in `folder`."""

    def __init__(
        self,
        folder: pathlib.Path,
        number: int,
        scenario: str,
        address: str,
        port: int,
        *options: str,
        patience: int,
        file: pathlib.Path | None,
    ) -> None:
        first = FIRST_AUDIO + 20 * number
        self.log = folder / f"{number}-{scenario}.log"
        command = [
            "sipp", "-sf", str(file or FOLDER / f"{scenario}.xml"), "-i", address, "-p", str(port), "-mi", address,
            "-nostdin", "-min_rtp_port", str(first), "-max_rtp_port", str(first + 18),
            "-timeout", str(patience), "-timeout_error",
            # The machine may be busy with other tests.
            "-watchdog_interval", "0",
            "-trace_err", "-error_file", str(self.log.with_suffix(".err")), *options,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=FOLDER, stdout=log, stderr=subprocess.STDOUT)

    def problem(self) -> str:
        """Wait for its end; what sipp says of what went wrong, empty if nothing did."""
        if self.process.wait() == 0:
            return ""
        errors = self.log.with_suffix(".err")
        said = (errors.read_text() if errors.is_file() else "") + self.log.read_text(errors="replace")[-1500:]
        return f"{self.log.stem} ended with {self.process.returncode}: {said}"


class Plan:
    """Calls, with a phone for each side that is rung."""

    def __init__(self, calls: t.Sequence[Call], folder: pathlib.Path, harmed: bool) -> None:
        self._calls, self._folder, self._harmed = calls, folder, harmed
        self._numbers = iter(range(2000))
        if not (FOLDER / "tone.al").is_file():
            (FOLDER / "tone.al").write_bytes(tone())

    def _sipp(
        self,
        scenario: str,
        address: str,
        port: int,
        *options: str,
        patience: int = PATIENCE,
        file: pathlib.Path | None = None,
    ) -> Sipp:
        number = next(self._numbers)
        return Sipp(self._folder, number, scenario, address, port, *options, patience=patience, file=file)

    def run(self) -> list[str]:
        """Log the phones in, make the calls; what went wrong."""
        phones = {number: does for call in self._calls for number, does in call.phones.items()}
        ring = {number: str(call.ring) for call in self._calls for number in call.phones}
        logins = [
            self._sipp("register", "127.0.0.1", _port(number), "-m", "1", "-s", number,
                       "-key", "password", PASSWORD.format(number), PBX)
            for number in phones
        ]  # fmt: skip
        if problems := _problems(logins):
            return problems
        sides = {}
        for number, does in phones.items():
            scenario, _colon, target = does.partition(":")
            sides[number] = self._sipp(f"phone-{scenario}", "127.0.0.1", _port(number), "-m", "1", "-aa",
                                       "-d", ring[number], "-key", "target", target)  # fmt: skip
        for does, times in collections.Counter(call.carrier for call in self._calls if call.carrier).items():
            sides["carrier"] = self._sipp(f"phone-{does}", CARRIER, CARRIER_PORT, "-m", str(times), "-aa", "-d", "500")
        with concurrent.futures.ThreadPoolExecutor(max(1, len(self._calls))) as pool:
            made = list(pool.map(self._make, range(len(self._calls)), self._calls))
        problems = [problem for problem in made if problem]
        for call, problem in zip(self._calls, made):
            # Nobody will end their calls any more.
            for number in [*call.phones, *(["carrier"] if call.carrier else [])] if problem else []:
                sides[number].process.terminate()
        if self._harmed:
            for side in sides.values():
                side.process.terminate()
        return problems + _problems(sides.values())

    def _make(self, index: int, call: Call) -> str:
        if call.once:
            await_check(call.once)
        time.sleep(call.after / 1000)
        if not call.caller:
            return ""
        file = self._folder / f"call-{index}.xml"
        file.write_text((FOLDER / "call.xml").read_text().replace('"TALK"', f'"{call.talk}"'))
        inside = len(call.caller) == 3
        address, port = ("127.0.0.1", _port(call.caller)) if inside else (CARRIER, CARRIER_PORT + 1 + index)
        patience = HARMED_PATIENCE if self._harmed else PATIENCE
        return self._sipp("call", address, port, "-m", "1", "-s", call.to, "-key", "caller", call.caller,
                          "-key", "password", PASSWORD.format(call.caller), PBX,
                          patience=patience, file=file).problem()  # fmt: skip


def await_check(client: str, patience: float = 150) -> None:
    """Wait until role telephony_check is done with a call of this client: it is told, and off the card again."""
    context = ssl.create_default_context(cafile=PORTAL_AUTHORITY)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{PORTAL}/_lab/state", context=context) as answer:
            state = json.load(answer)
        on_cards = {row["ORIGIN_ID"] for row in state["activities"]}
        told = [row for row in state["statistics"] if row["PHONE_NUMBER"] == client]
        if any(f"VI_{row['CALL_ID']}" not in on_cards for row in told):
            return
        time.sleep(0.5)


def _port(phone: str) -> int:
    return 5000 + int(phone)


def _problems(sides: t.Iterable[Sipp]) -> list[str]:
    return [problem for side in sides if (problem := side.problem())]


def main() -> int:
    calls, harmed = [Call.read(each) for each in json.loads(sys.argv[1])], sys.argv[2:] == ["harmed"]
    with tempfile.TemporaryDirectory() as folder:
        problems = Plan(calls, pathlib.Path(folder), harmed).run()
    print(json.dumps(problems))
    return 1 if problems and not harmed else 0


if __name__ == "__main__":
    sys.exit(main())
