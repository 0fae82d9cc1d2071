# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random single faults over all kinds of archives: none is missed where the format can prove it.

Ninety-six of them, and five hundred more in `make soak`.
"""

from __future__ import annotations

import collections
import random
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify

from .conftest import KINDS, Sample, make_sample
from .test_damage import flip, swap

BATCHES = 7


def bit(sample: Sample, choose: random.Random, _other: Sample) -> set[int]:
    index = choose.randint(0, sample.last)
    flip(sample.part(index), choose.randrange(sample.part(index).stat().st_size), 1 << choose.randrange(8))
    return {index}


def truncation(sample: Sample, choose: random.Random, _other: Sample) -> set[int]:
    index = choose.randint(0, sample.last)
    path = sample.part(index)
    path.write_bytes(path.read_bytes()[: choose.randrange(path.stat().st_size)])
    return {index}


def exchange(sample: Sample, choose: random.Random, _other: Sample) -> set[int]:
    pair = choose.sample(range(sample.last + 1), 2)
    swap(sample, *pair)
    return set(pair)


def duplicate(sample: Sample, choose: random.Random, _other: Sample) -> set[int]:
    source, target = choose.sample(range(sample.last + 1), 2)
    shutil.copyfile(sample.part(source), sample.part(target))
    return {target}


def removal(sample: Sample, choose: random.Random, _other: Sample) -> set[int]:
    index = choose.randint(0, sample.last)
    sample.part(index).unlink()
    return {index}


def foreign(sample: Sample, choose: random.Random, other: Sample) -> set[int]:
    index = choose.randint(0, sample.last)
    shutil.copyfile(other.part(choose.randint(0, other.last)), sample.part(index))
    return {index}


Fault = t.Callable[[Sample, random.Random, Sample], "set[int]"]
# Bits and cuts are what lines and disks do; the rest is what people and tools do.
FAULTS: tuple[Fault, ...] = 3 * (bit, bit, bit, truncation, exchange, duplicate, removal, foreign)


@pytest.mark.parametrize("batch", [0, *(pytest.param(batch, marks=pytest.mark.soak) for batch in range(1, BATCHES))])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_found_and_its_part_named(tmp_path: Path, kind: str, batch: int) -> None:
    choose = random.Random(f"{kind} {batch}")
    pristine = make_sample(kind, tmp_path / "pristine")
    other_kind = kind.replace("tar", "enc") if kind.startswith("tar") else kind.replace("enc", "tar")
    other = make_sample(other_kind, tmp_path / "other")
    met: collections.Counter[str] = collections.Counter()
    for number, fault in enumerate(FAULTS):
        directory = tmp_path / str(number)
        shutil.copytree(pristine.directory, directory)
        sample = Sample(directory, pristine.base, pristine.password)
        last = sample.last
        expected = fault(sample, choose, other)
        report = verify(str(directory / next(path.name for path in sorted(directory.iterdir()))), sample.password)
        named = {volume.index for volume in report.damaged()}
        case = f"{fault.__name__} of {sorted(expected)}: {report.summary()}"
        if not named and not kind.endswith(".gz"):
            # Without checksums, content is not proven, nor that nothing follows an end between two entries.
            assert fault is bit or (fault in (truncation, removal) and expected == {last}), case
            met[f"{fault.__name__} missed"] += 1
        else:
            assert named == expected, case
            met[f"{fault.__name__} found"] += 1
        shutil.rmtree(directory)
    print(kind, dict(met))
    assert sum(met.values()) == len(FAULTS)
    provable = [fault for fault in FAULTS if fault is not bit or kind.endswith(".gz")]
    assert {f"{fault.__name__} found" for fault in provable} <= met.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_any_part_over_any_other(tmp_path: Path, kind: str) -> None:
    """Also where the copy happens to begin and end in the right places."""
    sample = make_sample(kind, tmp_path / "backup")
    for source in range(sample.last + 1):
        for target in set(range(sample.last + 1)) - {source}:
            kept = sample.part(target).read_bytes()
            shutil.copyfile(sample.part(source), sample.part(target))
            report = verify(str(sample.part(0)), sample.password)
            assert {volume.index for volume in report.damaged()} == {target}, f"{source}: {report.summary()}"
            sample.part(target).write_bytes(kept)
