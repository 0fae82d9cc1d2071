#!/usr/bin/env python3
# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make one real call through the Asterisk of this host, with sipp as carrier and phones.

calls.py --phone 101:answers --to +74951000001 --from +79000000001    a client calls, 101 answers
calls.py --phone 101:busy --phone 102:rings …                         what each phone does: answers, busy, rings

Ends when the call has ended; prints sipp's exit codes as JSON, and fails where a side did not go through its scenario.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import typing as t

FOLDER = pathlib.Path(__file__).resolve().parent
PBX = "127.0.0.1:5060"
CARRIER = "127.0.0.9"
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


class Sipp:
    """One sipp: a side of a call, with its log in `folder`."""

    def __init__(self, folder: pathlib.Path, number: int, scenario: str, address: str, *options: str) -> None:
        first = FIRST_AUDIO + 20 * number
        self.log = folder / f"{number}-{scenario}.log"
        command = [
            "sipp", "-sf", str(FOLDER / f"{scenario}.xml"), "-i", address, "-mi", address, "-m", "1", "-nostdin",
            "-min_rtp_port", str(first), "-max_rtp_port", str(first + 18), "-timeout", "60", "-timeout_error",
            # The machine may be busy with other tests.
            "-watchdog_interval", "0",
            "-trace_err", "-error_file", str(self.log.with_suffix(".err")), *options,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=FOLDER, stdout=log, stderr=subprocess.STDOUT)

    def end(self) -> int:
        return self.process.wait()

    def why(self) -> str:
        errors = self.log.with_suffix(".err")
        return (errors.read_text() if errors.is_file() else "") + self.log.read_text(errors="replace")[-1500:]


def call(given: t.Any, folder: pathlib.Path) -> dict[str, int]:
    """Register the phones, make the call, and return the exit code of each side."""
    if not (FOLDER / "tone.al").is_file():
        (FOLDER / "tone.al").write_bytes(tone())
    sides: dict[str, Sipp] = {}
    for index, text in enumerate(given.phone):
        number, does = text.split(":", 1)
        where = ["-p", str(5100 + index)]
        login = Sipp(folder, index, "register", "127.0.0.1", *where, "-s", number, "-key", "password",
                     given.password.format(number), PBX)  # fmt: skip
        if login.end() != 0:
            raise SystemExit(f"Phone {number} was not let in:\n{login.why()}")
        sides[number] = Sipp(folder, index, f"phone-{does}", "127.0.0.1", *where, "-d", str(given.ring), "-aa")
    caller = Sipp(folder, 50, "call", CARRIER, "-p", "5080", "-s", given.to, "-key", "caller", given.caller,
                  "-d", str(given.talk), PBX)  # fmt: skip
    codes = {"caller": caller.end()}
    if codes["caller"] != 0:
        # Nobody will end their calls any more.
        for side in sides.values():
            side.process.terminate()
    codes.update({name: side.end() for name, side in sides.items()})
    for name, side in [("caller", caller), *sides.items()]:
        if codes[name] != 0:
            print(f"{name} ended with {codes[name]}:\n{side.why()}", file=sys.stderr)
    return codes


def main() -> int:
    parser = argparse.ArgumentParser(description="Make one call through this host's Asterisk.")
    parser.add_argument("--phone", action="append", default=[], help="NUMBER:answers, NUMBER:busy or NUMBER:rings")
    parser.add_argument("--to", required=True, help="the number that is called")
    parser.add_argument("--from", dest="caller", required=True, help="the client's number")
    parser.add_argument("--ring", type=int, default=500, help="milliseconds until a phone answers")
    parser.add_argument("--talk", type=int, default=2000, help="milliseconds of talk")
    parser.add_argument("--password", default="lab-phone-{}", help="of the phones, {} is the number")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        codes = call(given, pathlib.Path(folder))
    print(json.dumps(codes))
    return 1 if any(codes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
