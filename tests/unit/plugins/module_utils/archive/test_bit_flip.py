# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrong bit is found by the checksum; other damage is not mistaken for one; a fault says since when."""

from __future__ import annotations

import gzip
import pickle
import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.bit_flip import READ_SIZE, flipped
from ansible_collections.boxlift.portal.plugins.module_utils.archive.fault import PartFault
from ansible_collections.boxlift.portal.plugins.module_utils.archive.inflate import Inflater

NOISE = random.Random(5).randbytes(3_000_000)
LEAD = gzip.compress(b"before", mtime=0)


@pytest.fixture(scope="module")
def member() -> bytes:
    return gzip.compress(NOISE, mtime=0)


def damaged(tmp_path: Path, content: bytes, at: int, change: t.Callable[[int], int]) -> Path:
    path, copy = tmp_path / "part", bytearray(content)
    copy[at] = change(copy[at])
    path.write_bytes(copy)
    return path


@pytest.mark.parametrize("at", (20, 1000, 131_072, 1_500_000, 2_999_000))
@pytest.mark.parametrize("bit", (0, 3, 7))
def test_one_bit_is_found(tmp_path: Path, member: bytes, at: int, bit: int) -> None:
    path = damaged(tmp_path, LEAD + member, len(LEAD) + at, lambda byte: byte ^ 1 << bit)
    found = flipped(str(path), len(LEAD))
    assert found is not None
    assert found[0] <= len(LEAD) + at <= found[1]
    assert found[1] - found[0] < READ_SIZE + 10  # the member's header may be in it


def test_other_damage_is_not(tmp_path: Path, member: bytes) -> None:
    path = tmp_path / "part"
    path.write_bytes(member)
    assert flipped(str(path), 0) is None  # nothing is wrong
    path.write_bytes(member[:-20])
    assert flipped(str(path), 0) is None  # cut
    path.write_bytes(member[:5000] + bytes(100_000) + member[105_000:])
    assert flipped(str(path), 0) is None  # the compression is broken
    for seed in range(5):
        burst = random.Random(seed).randbytes(100)
        path.write_bytes(member[:5000] + burst + member[5100:])
        assert flipped(str(path), 0) is None  # many bits
    assert flipped(str(damaged(tmp_path, member, 3, lambda byte: 8)), 0) is None  # a header of another kind


def test_a_fault_knows_where_its_member_begins(member: bytes) -> None:
    two = LEAD + member
    copy = bytearray(two)
    copy[len(LEAD) + 1_000_000] ^= 1
    with pytest.raises(PartFault) as raised:
        list(Inflater().chunks([bytes(copy)]))
    assert (raised.value.status, raised.value.since) == ("corrupt", len(LEAD))
    with pytest.raises(PartFault) as raised:
        list(Inflater().chunks([two[:-100]]))
    assert (raised.value.status, raised.value.since) == ("truncated", len(LEAD))
    with pytest.raises(PartFault) as raised:
        list(Inflater().chunks([two + b"garbage"]))
    assert raised.value.since == raised.value.offset == len(two)


def test_faults_travel_between_processes() -> None:
    fault = pickle.loads(pickle.dumps(PartFault("corrupt", "damaged", 70, 7)))
    assert (fault.status, fault.reason, fault.offset, fault.since) == ("corrupt", "damaged", 70, 7)
