# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage is repaired by fetching what is around it, and no more."""

from __future__ import annotations

import hashlib
import os
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.download.partial import SEGMENT as REAL_SEGMENT
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from lab.cloud.faults import BLANK, Fault

from .conftest import SEGMENT, Lab, of_part

MIB = 2**20


def damage(path: Path, at: int, size: int = 1) -> None:
    """At the source itself; the time, which is the version, stays."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[at : at + size] = bytes(byte ^ 1 for byte in content[at : at + size])
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def large(tmp_path: Path, tls: t.Any) -> Lab:
    """Twelve parts of five MiB, fetched in the real ranges."""
    lab = Lab(tmp_path, tls, "enc.gz")
    lab.write("large", noise_size=59 * MIB, part_limit=5 * MIB)
    assert len(lab.parts) == 12
    return lab


def test_three_of_twelve_parts_are_damaged_in_one_place_each(large: Lab) -> None:
    """Most damage of one bit does not break the compression: only the checksum at the member's end shows it."""
    faults = [
        (2, Fault("bit_flip", at=100_000)),
        (5, Fault("bit_flip", at=3 * MIB)),
        (9, Fault("bit_flip", at=5 * MIB)),
    ]
    result, _cloud = large.fetch(*faults, segment=REAL_SEGMENT, connections=4)
    large.assert_here()
    assert [repair["name"] for repair in result["repairs"]] == [large.parts[index].name for index, _fault in faults]
    assert [repair["ranges"] for repair in result["repairs"]] == [1, 1, 1]
    assert result["bytes_refetched"] == sum(repair["bytes"] for repair in result["repairs"]) <= 3 * 512 * 1024
    assert result["bytes_fetched"] == large.size + result["bytes_refetched"]


def test_damage_that_one_bit_cannot_explain(large: Lab) -> None:
    """Then the ranges are compared from where it shows backwards."""
    result, cloud = large.fetch((4, Fault("blank", at=4 * MIB + 5000)), segment=REAL_SEGMENT, connections=4)
    large.assert_here()
    (repair,) = result["repairs"]
    assert (repair["name"], repair["status"], repair["ranges"]) == (large.parts[4].name, "corrupt", 1)
    assert repair["bytes"] <= REAL_SEGMENT
    assert len(of_part(cloud.served, large.parts[4].name)) == 3


def test_damage_across_the_border_of_two_ranges_and_in_several_places(lab: Lab) -> None:
    lab.write("one", noise_size=500_000, part_limit=250_000)
    places = (3000, 4 * SEGMENT - BLANK // 2, 9 * SEGMENT + 7)
    result, _cloud = lab.fetch(*((1, Fault("blank", at=at)) for at in places), connections=1)
    lab.assert_here()
    assert len(result["repairs"]) >= 3
    assert {repair["name"] for repair in result["repairs"]} == {lab.parts[1].name}


def test_a_source_without_ranges_gives_the_whole_part_again(lab: Lab) -> None:
    result, _cloud = lab.fetch((1, Fault("no_range", times=-1)), (1, Fault("bit_flip", at=30000)))
    lab.assert_here()
    size = lab.parts[1].stat().st_size
    assert [(repair["bytes"], repair["ranges"]) for repair in result["repairs"]] == [(size, 1)]


def test_damage_that_comes_with_every_copy(lab: Lab) -> None:
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.2 is damaged at its source: two downloads agree"):
        lab.fetch((2, Fault("bit_flip", at=3000, times=-1)))


def test_a_line_that_damages_everything(lab: Lab) -> None:
    """Every copy is damaged in another place: comparing comes to no end."""
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.2 arrived damaged 9 times, each time differently"):
        lab.fetch((2, Fault("noise", times=-1)), connections=1)


def test_many_damaged_places_and_only_the_sum_of_the_whole(tmp_path: Path, tls: t.Any) -> None:
    lab = Lab(tmp_path, tls, "tar")
    sums = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in lab.parts}
    flips = [(1, Fault("bit_flip", at=at)) for at in range(5000, 65536, 10000)]
    result, _cloud = lab.fetch(*flips, expected=sums)
    lab.assert_here()
    assert [repair["ranges"] for repair in result["repairs"]] == [4]


def test_damage_of_the_first_url_is_repaired_from_a_mirror(lab: Lab, tmp_path: Path) -> None:
    good = tmp_path / "mirror"
    shutil.copytree(lab.folder, good)
    sums = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in lab.parts}
    damage(lab.parts[2], 3000)
    with lab.cloud(folder=good) as mirror:
        address = f"{mirror.url}{lab.parts[0].name}"
        result, _cloud = lab.fetch(mirrors=[address], url=str(lab.parts[0]), expected=sums)
        served = of_part(mirror.served, lab.parts[2].name)
    lab.parts = [good / part.name for part in lab.parts]
    lab.assert_here()
    assert [repair["name"] for repair in result["repairs"]] == [lab.parts[2].name]
    assert {request.path.rpartition("/")[2] for request in mirror.served} == {lab.parts[2].name}
    assert served


def test_a_sum_that_differs_is_damage(tmp_path: Path, tls: t.Any) -> None:
    """Nothing in a plain tar would show it."""
    lab = Lab(tmp_path, tls, "tar")
    sums = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in lab.parts}
    result, _cloud = lab.fetch((1, Fault("bit_flip", at=40000)), expected=sums)
    lab.assert_here()
    (repair,) = result["repairs"]
    assert repair["name"] == lab.parts[1].name
    assert f"and {sums[lab.parts[1].name]} is expected" in repair["reason"]
    damage(lab.parts[2], 40000)
    lab.dest.rename(tmp_path / "before")
    with pytest.raises(BoxliftError, match=rf"{lab.parts[2].name} is damaged at its source: .* is expected\)"):
        lab.fetch(expected=sums)


def test_expected_is_looked_at(lab: Lab) -> None:
    name = lab.parts[0].name
    for expected, message in (
        ({"other.tar.gz": "0" * 64}, "expected names other.tar.gz, which is no part of base.enc.gz"),
        ({f"{name}.01": "0" * 64}, "which is no part"),
        ({name: "abc"}, "no sha256 for base.enc.gz"),
    ):
        with pytest.raises(BoxliftError, match=message):
            lab.fetch(expected=expected)
    with pytest.raises(BoxliftError, match=rf"expected names {name}\.99, and the backup has {len(lab.parts)} parts"):
        lab.fetch(expected={f"{name}.99": "0" * 64})


def test_new_sums_are_compared_with_what_is_here(lab: Lab) -> None:
    lab.fetch()
    sums = {part.name: hashlib.sha256(part.read_bytes()).hexdigest() for part in lab.parts}
    assert not lab.fetch(expected=sums)[0]["changed"]
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.1 is damaged at its source"):
        lab.fetch(expected={**sums, lab.parts[1].name: "0" * 64})


def test_swapped_parts_at_the_source(lab: Lab) -> None:
    """Each is intact by itself; that both are as at the source is known only when both have been compared."""
    one, two = lab.parts[0].read_bytes(), lab.parts[3].read_bytes()
    lab.parts[3].write_bytes(one)
    with pytest.raises(BoxliftError, match=r"base\.enc\.gz\.3 is damaged at its source: .* are out_of_order"):
        lab.fetch()
    lab.parts[3].write_bytes(two)
