# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of damage of docs/archive-format.md, sections 1, 4 and 7, is found and the right part is named."""

from __future__ import annotations

import shutil
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.archive.cipher import WrongPassword
from ansible_collections.boxlift.portal.plugins.module_utils.archive.verify import verify
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.restore.restore import Restore, RestoreRequest

from .conftest import Sample, make_sample

Damage = t.Callable[[Sample], "dict[int, set[str]]"]


def flip(path: Path, offset: int, bit: int = 0x10) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= bit
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def swap(sample: Sample, one: int, other: int) -> None:
    spare = sample.directory / "spare"
    sample.part(one).rename(spare)
    sample.part(other).rename(sample.part(one))
    spare.rename(sample.part(other))


def second_member(path: Path) -> int:
    """Where the third gzip member begins: the empty one has 37 bytes, the next one's end is found by inflating it."""
    content = path.read_bytes()
    inflate = zlib.decompressobj(31)
    inflate.decompress(content[37:])
    return len(content) - len(inflate.unused_data)


def crc_trailer(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(1), sample.part(1).stat().st_size - 6)
    return {1: {"corrupt"}}


def length_trailer(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(1), sample.part(1).stat().st_size - 2)
    return {1: {"corrupt"}}


def middle_of_data(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(2), sample.part(2).stat().st_size // 2)
    return {2: {"corrupt"}}


def first_data_byte(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(0), 37 + 12)
    return {0: {"corrupt"}}


def marker(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(1), 16)
    return {1: {"corrupt"}}


def stated_size(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(1), 19)
    return {1: {"corrupt", "truncated"}}


def stated_last_number_low(sample: Sample) -> dict[int, set[str]]:
    content = bytearray(sample.part(0).read_bytes())
    content[14] -= 1
    sample.part(0).write_bytes(content)
    return {0: {"corrupt"}}


def stated_last_number_high(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(0), 15)
    return {0: {"corrupt"}}


def member_header_time(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(2), second_member(sample.part(2)) + 5)
    return {2: {"corrupt"}}


def member_header_system(sample: Sample) -> dict[int, set[str]]:
    flip(sample.part(2), second_member(sample.part(2)) + 9)
    return {2: {"corrupt"}}


def cut_between_members(sample: Sample) -> dict[int, set[str]]:
    index = next(
        index for index in range(sample.last) if second_member(sample.part(index)) < sample.part(index).stat().st_size
    )
    cut(sample.part(index), second_member(sample.part(index)))
    return {index: {"truncated"}}


def last_trailer_gone(sample: Sample) -> dict[int, set[str]]:
    cut(sample.part(sample.last), sample.part(sample.last).stat().st_size - 8)
    return {sample.last: {"truncated"}}


def garbage_appended(sample: Sample) -> dict[int, set[str]]:
    with sample.part(sample.last).open("ab") as part:
        part.write(b"trailing garbage")
    return {sample.last: {"corrupt"}}


def unclosed(sample: Sample) -> dict[int, set[str]]:
    content = bytearray(sample.part(1).read_bytes())
    content[18:22] = b"0000"
    sample.part(1).write_bytes(content)
    return {1: {"unclosed"}}


def last_removed(sample: Sample) -> dict[int, set[str]]:
    last = sample.last
    sample.part(last).unlink()
    return {last: {"missing"}}


def part_too_many(sample: Sample) -> dict[int, set[str]]:
    shutil.copyfile(sample.part(1), sample.part(sample.last + 1))
    return {sample.last: {"foreign"}}


PACKED_ONLY: tuple[Damage, ...] = (
    crc_trailer,
    length_trailer,
    middle_of_data,
    first_data_byte,
    marker,
    stated_size,
    stated_last_number_low,
    stated_last_number_high,
    member_header_time,
    member_header_system,
    cut_between_members,
    last_trailer_gone,
    garbage_appended,
    unclosed,
    last_removed,
    part_too_many,
)


def half_a_part(sample: Sample) -> dict[int, set[str]]:
    cut(sample.part(1), sample.part(1).stat().st_size // 2 - 3)
    return {1: {"truncated"}}


def half_a_part_on_a_block(sample: Sample) -> dict[int, set[str]]:
    cut(sample.part(1), sample.part(1).stat().st_size // 1024 * 512)
    return {1: {"truncated"}}


def last_cut(sample: Sample) -> dict[int, set[str]]:
    cut(sample.part(sample.last), sample.part(sample.last).stat().st_size - 700)
    return {sample.last: {"truncated"}}


def empty_part(sample: Sample) -> dict[int, set[str]]:
    cut(sample.part(1), 0)
    return {1: {"truncated"}}


def middle_swapped(sample: Sample) -> dict[int, set[str]]:
    swap(sample, 1, 2)
    return {1: {"out_of_order"}, 2: {"out_of_order"}}


def first_swapped(sample: Sample) -> dict[int, set[str]]:
    swap(sample, 0, 1)
    return {0: {"out_of_order"}, 1: {"out_of_order"}}


def last_swapped(sample: Sample) -> dict[int, set[str]]:
    last = sample.last
    swap(sample, 1, last)
    return {1: {"out_of_order"}, last: {"out_of_order"}}


def duplicated(sample: Sample) -> dict[int, set[str]]:
    shutil.copyfile(sample.part(1), sample.part(2))
    return {2: {"out_of_order"}}


def html_page(sample: Sample) -> dict[int, set[str]]:
    sample.part(2).write_bytes(b"<!DOCTYPE html>\n<html><body>403 Forbidden" + b" " * 3000 + b"</body></html>\n")
    return {2: {"foreign"}}


def zeros_instead(sample: Sample) -> dict[int, set[str]]:
    sample.part(1).write_bytes(bytes(sample.part(1).stat().st_size))
    return {1: {"corrupt", "foreign"}}


def middle_removed(sample: Sample) -> dict[int, set[str]]:
    sample.part(1).unlink()
    return {1: {"missing"}}


def first_removed(sample: Sample) -> dict[int, set[str]]:
    sample.part(0).unlink()
    return {0: {"missing"}}


def another_backups_part(sample: Sample) -> dict[int, set[str]]:
    """A part of the other genuine backup, packed the same way."""
    other = make_sample(
        "enc" + sample.base.split(".tar", 1)[-1].split(".enc", 1)[-1]
        if ".tar" in sample.base
        else "tar" + sample.base.split(".enc", 1)[-1],
        sample.directory.parent / "other",
    )
    shutil.copyfile(other.part(1), sample.part(1))
    return {1: {"foreign", "truncated"}}


EVERY_KIND: tuple[Damage, ...] = (
    half_a_part,
    half_a_part_on_a_block,
    last_cut,
    empty_part,
    middle_swapped,
    first_swapped,
    last_swapped,
    duplicated,
    html_page,
    zeros_instead,
    middle_removed,
    first_removed,
    another_backups_part,
)


def assert_found(sample: Sample, expected: dict[int, set[str]]) -> None:
    report = verify(str(sample.part(0)), sample.password)
    named = {volume.index: volume.status for volume in report.damaged()}
    assert not report.intact
    assert set(named) == set(expected), report.summary()
    for index, statuses in expected.items():
        assert named[index] in statuses, report.summary()
    for volume in report.damaged():
        assert volume.reason
        assert volume.name in report.summary()
    assert_nothing_touched(sample, [volume.name for volume in report.damaged()])


def assert_nothing_touched(sample: Sample, names: list[str]) -> None:
    """A restore names the same parts, and the live portal stays as it is."""
    live = sample.directory.parent / "site" / "www"
    live.mkdir(parents=True)
    (live / "index.php").write_text("live")
    request = RestoreRequest(str(sample.part(0)), str(live), str(sample.directory.parent / "state"), sample.password)
    with pytest.raises(BoxliftError) as caught:
        Restore(request, None).run()
    for name in names:
        assert name in caught.value.message
    assert [path.name for path in live.rglob("*")] == ["index.php"]
    assert (live / "index.php").read_text() == "live"


@pytest.mark.parametrize("damage", PACKED_ONLY, ids=lambda damage: damage.__name__)
def test_packed(packed: Sample, damage: Damage) -> None:
    assert_found(packed, damage(packed))


@pytest.mark.parametrize("damage", EVERY_KIND, ids=lambda damage: damage.__name__)
def test_every_kind(sample: Sample, damage: Damage) -> None:
    assert_found(sample, damage(sample))


def test_undamaged(sample: Sample) -> None:
    report = verify(str(sample.part(0)), sample.password)
    assert report.intact, report.summary()
    checksums = [finding.status for finding in report.findings if finding.id == "backup.checksums"]
    assert checksums == ([] if sample.base.endswith(".gz") else ["unknown"])


def test_wrong_password(tmp_path: Path) -> None:
    sample = make_sample("enc.gz", tmp_path / "backup")
    with pytest.raises(WrongPassword, match="does not open"):
        verify(str(sample.part(0)), "parole")
    with pytest.raises(WrongPassword, match="no password was given"):
        verify(str(sample.part(0)), None)


@pytest.mark.parametrize("offset", (5, 120, 195, 230, 300, 500))
def test_damaged_cipher_header(tmp_path: Path, offset: int) -> None:
    """A damaged header is not mistaken for a wrong password."""
    sample = make_sample("enc", tmp_path / "backup")
    flip(sample.part(0), offset)
    assert_found(sample, {0: {"corrupt"}})


def test_flip_in_a_header_of_an_uncompressed_archive(tmp_path: Path) -> None:
    sample = make_sample("tar", tmp_path / "backup")
    stream = sample.part(1).read_bytes()
    header = next(
        at for at in range(0, len(stream), 512) if stream[at : at + 7] == b"bitrix/" and stream[at + 156] == 48
    )
    flip(sample.part(1), header + 3)
    assert_found(sample, {1: {"corrupt"}})
