# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision import codes, digits
from ansible_collections.boxlift.portal.plugins.plugin_utils.supervision.digits import Misheard

DIGITS = "0123456789"


def damaged(text: str) -> set[str]:
    """Every text with one digit changed, and with two neighbours that changed places."""
    changed = {text[:at] + digit + text[at + 1 :] for at in range(len(text)) for digit in DIGITS}
    swapped = {text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in range(len(text) - 1)}
    return (changed | swapped) - {text}


def test_every_wrong_digit_and_every_swap_of_a_group_is_found() -> None:
    """All 10,000 groups, the check digit included: no damage to one of them is another one of them."""
    whole = {digits.grouped(f"{number:04d}") for number in range(10_000)}
    assert len(whole) == 10_000
    # What a check digit of zero means is told by the table alone; so the texts are looked up and not computed again.
    missed = {text for text in whole if not damaged(text).isdisjoint(whole)}
    assert missed == set()
    assert all(map(digits.is_whole, list(whole)[::100]))


def test_every_wrong_digit_and_every_swap_of_a_go_code_is_found() -> None:
    """By the table: a chain of six steps tells neighbours apart if each row and each two steps do."""
    table = [[int(value) for value in row] for row in digits.DAMM]
    for row in table:
        assert sorted(row) == list(range(10)), "another digit leads elsewhere, and stays elsewhere"
    assert all(sorted(column) == list(range(10)) for column in zip(*table))
    for interim in range(10):
        for one in range(10):
            for other in range(one):
                assert table[table[interim][one]][other] != table[table[interim][other]][one]
    # The check digit against the digit before it: what leads to zero.
    assert all(table[value][value] == 0 for value in range(10))
    codes_seen = [codes.go_code(b"k" * 32, "plan", f"1.{number}", 1, "") for number in range(300)]
    for code in codes_seen:
        assert codes.heard(code) == code
        for wrong in damaged(code):
            with pytest.raises(Misheard):
                codes.heard(wrong)


def test_which_group_was_misheard_is_said() -> None:
    assert digits.grouped("407122695508") == "40711 22694 55086"
    assert digits.ungrouped("40711 22694 55086", 3) == "407122695508"
    for said, groups in (
        ("40711 22694 55096", (3,)),
        ("40711 26294 55086", (2,)),
        ("04711 22694 55068", (1, 3)),
        ("40711 2269 55086", (2,)),
    ):
        with pytest.raises(Misheard) as caught:
            digits.ungrouped(said, 3)
        assert caught.value.groups == groups, said
    assert str(caught.value.remedy) == "Have group 2 read again."


@pytest.mark.parametrize(
    "said", ["407112269455086", "40711-22694-55086", "4 0 7 1 1 2 2 6 9 4 5 5 0 8 6", "４０７１１ 22694 55086"]
)
def test_spaces_and_other_alphabets_do_not_count(said: str) -> None:
    assert digits.ungrouped(said, 3) == "407122695508"


def test_what_is_no_number_is_said() -> None:
    with pytest.raises(Misheard, match="'x' is no digit"):
        digits.ungrouped("4071x 22694 55086", 3)
    with pytest.raises(Misheard, match=re.escape("These are 10 digits, and 3 groups of 5 digits were expected.")):
        digits.ungrouped("40711 22694", 3)


def test_digits_are_wide_on_the_screen() -> None:
    assert digits.spaced("40711 22694") == "4 0 7 1 1     2 2 6 9 4"
