# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people hear: codecs, the ports of the sound, and the recordings."""

from __future__ import annotations

import array
import json
import os
import re
import shutil
import typing as t
import wave

from ansible_collections.boxlift.portal.plugins.module_utils.health.hardening import open_families
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import (
    CannotLook,
    DoesNotApply,
    Verdict,
    failed,
    passed,
    warned,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check import console
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.context import (
    Record,
    TelephonyContext,
    check,
)
from ansible_collections.boxlift.portal.plugins.module_utils.telephony_check.exchange import (
    need_endpoint,
    pairs_without_a_codec,
)
from ansible_collections.boxlift.portal.plugins.module_utils.units import size as human_bytes

HEADER_BYTES = 44
DAY = 86400.0
#: A recording begins a little after the talk, and may end a little before it.
TOLERANCE_SECONDS = 3.0
FEW_INODES = 10_000
#: A-law knows no silence: its quietest sample is 8. So much is read at once.
NOISE, SAMPLES = 16, 1 << 20


@check(
    "telephony.codecs",
    why="Two sides without a common codec cannot talk: the exchange answers 488, and the client hears a tone.",
    expected="each trunk and each phone allow a codec in common",
    remedy="Allow alaw and ulaw on trunks and phones (telephony_trunks, telephony_phones), then run the role again.",
    blocks="some",
    needs=("telephony.exchange",),
)
def codecs(context: TelephonyContext) -> Verdict:
    names = context.trunks + context.phones
    if not names:
        raise DoesNotApply("neither trunks nor phones were given")
    allowed = {name: console.codecs(need_endpoint(context, name).get("allow", "")) for name in names}
    none = [name for name, codecs in allowed.items() if not codecs]
    if none:
        return failed(f"no codec at all: {', '.join(none)}")
    apart = pairs_without_a_codec(allowed, context.trunks)
    if apart:
        return failed(f"no common codec: {'; '.join(apart)}")
    return passed(
        f"{len(names)} endpoints have {', '.join(sorted(set.intersection(*map(set, allowed.values()))))} in common"
    )


@check(
    "telephony.rtp",
    why="Where a port of the sound is closed, people are heard from one side only, or not at all.",
    expected="the firewall lets in all ports of rtp.conf, no other program holds one, carriers are told our address",
    remedy="Open the range (role boxlift.portal.hardening with telephony_rtp_*), and set external_media_address.",
    blocks="some",
    needs=("telephony.exchange",),
)
def rtp(context: TelephonyContext) -> Verdict:
    ports = console.rtp_ports(context.console("rtp show settings"))
    if ports is None:
        raise CannotLook("rtp show settings does not name the ports: is res_rtp_asterisk loaded?")
    first, last = ports
    wrong = []
    closed = closed_ports(context.installed("nft", "--json", "list", "ruleset"), first, last)
    if closed:
        wrong.append(f"the firewall lets in nothing at {closed} of {first}-{last}/udp")
    taken = taken_ports(context.command("ss", "-lunpH"), first, last)
    if taken:
        wrong.append(f"held by other programs: {', '.join(taken)}")
    direct = [name for name in context.trunks + context.phones
              if need_endpoint(context, name).get("direct_media") == "true"]  # fmt: skip
    if direct:
        wrong.append(f"direct_media=yes, so nothing is recorded: {', '.join(direct)}")
    if context.external_address:
        wrong += _told_address(context)
    return failed("; ".join(wrong)) if wrong else passed(f"{first}-{last}/udp")


def _told_address(context: TelephonyContext) -> list[str]:
    found = []
    for name in transports(context.console("pjsip show transports")):
        told = console.parameters(context.console(f"pjsip show transport {name}")).get("external_media_address", "")
        if told != context.external_address:
            found.append(f"transport {name} tells {told or 'its own address'}, not {context.external_address}")
    return found


def transports(text: str) -> list[str]:
    """Names from `pjsip show transports`; wss is left out, whose address is the browser's affair."""
    return [
        name
        for name, kind in re.findall(r"^Transport:\s+([^\s<]+)\s+(\w+)\s+\d", text, re.M)
        if kind not in ("ws", "wss")
    ]


def taken_ports(text: str, first: int, last: int) -> list[str]:
    """Ports of the range that programs other than Asterisk hold, from `ss -lunpH`."""
    found = []
    for line in text.splitlines():
        words = line.split()
        port = words[3].rpartition(":")[2] if len(words) > 3 else ""
        if port.isdigit() and first <= int(port) <= last and '"asterisk"' not in line:
            program = re.search(r'\(\("([^"]+)"', line)
            found.append(f"{port} ({program[1] if program else 'unknown'})")
    return found


def closed_ports(ruleset: str | None, first: int, last: int) -> str:
    """The part of the range that no rule of nftables accepts; empty where nothing filters what comes in."""
    if ruleset is None:
        return ""
    if open_families(ruleset):
        return ""
    objects = json.loads(ruleset)["nftables"]
    open_ranges = sorted(span for each in objects if "rule" in each for span in _accepted(each["rule"].get("expr", [])))
    reached = first
    for begin, end in open_ranges:
        if begin > reached:
            break
        reached = max(reached, end + 1)
    return "" if reached > last else f"{reached}-{last}"


def _accepted(expressions: list[t.Any]) -> list[tuple[int, int]]:
    """The spans of UDP ports that a rule accepts, whatever else it asks for."""
    if not any("accept" in each for each in expressions):
        return []
    spans = []
    for each in expressions:
        match = each.get("match", {}) if isinstance(each, dict) else {}
        payload = match.get("left", {}).get("payload", {}) if isinstance(match.get("left"), dict) else {}
        if payload.get("field") == "dport" and payload.get("protocol") in ("udp", "th"):
            right = match.get("right")
            values = right["set"] if isinstance(right, dict) and "set" in right else [right]
            spans += [_span(value) for value in values]
    return spans


def _span(value: t.Any) -> tuple[int, int]:
    begin, end = value["range"] if isinstance(value, dict) else (value, value)
    return int(begin), int(end)


@check(
    "telephony.recordings",
    why="A recording of 44 bytes is a header without sound: nobody notices until the talk is needed.",
    expected="the recording of every talk of the last day exists, holds sound, and is about as long as the talk",
    remedy="See that direct_media=no, the ports of the sound are open, and the recordings' folder belongs to asterisk.",
    blocks="nobody",
)
def recordings(context: TelephonyContext) -> Verdict:
    if context.records is None or not context.recordings:
        raise DoesNotApply("no folder of recordings, or no file of call records, was given")
    now = context.now()
    talks = [each for each in context.records(now - DAY, now) if each.answered and each.recording]
    if not talks:
        raise DoesNotApply("no talk was recorded within a day")
    bad = [problem for each in talks for problem in recording_problem(context.recordings, each)]
    if bad:
        return failed(f"{len(bad)} of {len(talks)} recordings: {'; '.join(bad[:5])}")
    mute = [each.recording for each in talks if is_silent(os.path.join(context.recordings, each.recording))]
    if mute:
        observed = f"{len(mute)} of {len(talks)} recordings are silent: {', '.join(mute[:5])}"
        return warned(observed, "Call one of these people; if nobody hears a thing, open the ports of the sound.")
    return passed(f"{len(talks)} recordings hold sound")


def recording_problem(folder: str, record: Record) -> list[str]:
    """What is wrong with the recording of one talk."""
    path = os.path.join(folder, record.recording)
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return [f"{record.recording} is missing"]
    if size <= HEADER_BYTES:
        return [f"{record.recording} is a header without sound ({size} bytes)"]
    seconds = wav_seconds(path)
    if seconds is not None and seconds < record.talk - TOLERANCE_SECONDS:
        return [f"{record.recording} has {seconds:.0f} s of {record.talk:.0f} s"]
    return []


def wav_seconds(path: str) -> float | None:
    """The length of a wav file; None for another kind of file, whose length only a decoder knows."""
    if not path.lower().endswith(".wav"):
        return None
    try:
        with wave.open(path, "rb") as sound:
            return sound.getnframes() / sound.getframerate()
    except (wave.Error, EOFError):
        return 0.0


def is_silent(path: str) -> bool:
    """Whether a wav file of 16-bit samples is never louder than a codec's noise. Other files are not judged."""
    if not path.lower().endswith(".wav"):
        return False
    try:
        with wave.open(path, "rb") as sound:
            if sound.getsampwidth() != 2:
                return False
            while samples := array.array("h", sound.readframes(SAMPLES)):
                if max(samples) > NOISE or min(samples) < -NOISE:
                    return False
    except (wave.Error, EOFError):
        return False
    return True


@check(
    "telephony.room",
    why="A full disk ends the recordings first, and then the queue of calls that wait for the portal.",
    expected="the recordings' disk keeps its reserve of bytes and inodes",
    remedy="Delete old recordings that the portal has (they are named by their day), or enlarge the disk.",
    blocks="nobody",
    owner="customer",
)
def room(context: TelephonyContext) -> Verdict:
    if not context.recordings:
        raise DoesNotApply("no folder of recordings was given")
    if not os.path.isdir(context.recordings):
        return failed(f"{context.recordings} is no directory", "Run role boxlift.portal.telephony, which makes it.")
    free, status = shutil.disk_usage(context.recordings).free, os.statvfs(context.recordings)
    observed = f"{human_bytes(free)} and {status.f_favail} inodes free"
    if free < context.reserve_bytes or (status.f_files and status.f_favail < FEW_INODES):
        return failed(f"{observed}; the reserve is {human_bytes(context.reserve_bytes)} and {FEW_INODES} inodes")
    if free < 2 * context.reserve_bytes:
        return warned(observed)
    return passed(observed)
