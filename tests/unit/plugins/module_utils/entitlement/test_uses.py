# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site uses: declared, and seen in use."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.entitlement.uses import (
    Use,
    configured_modules,
    declared,
    derived,
    loaded_modules,
    of_exchange,
    together,
)
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from hypothesis import given
from hypothesis import strategies as st

SHOWN = """\
Module                         Description                              Use Count  Status      Support Level
app_dial.so                    Dialing Application                      0          Running              core
codec_g729a.so                 Digium G.729A Codec                      0          Running          extended
res_speech.so                  Generic Speech Recognition API           1          Running              core
res_speech_lumenvox.so         LumenVox speech engine                   0          Not Running      extended
4 modules loaded
"""
CONF = """\
[modules]
autoload = no
; load = res_digium_phone.so
preload => res_odbc.so
load = res_fax_digium.so ; the fax
load = codec_silk
require=res_speech_aeap.so
load = app_swift.so
noload = app_swift.so
"""


def test_modules_of_asterisk() -> None:
    assert loaded_modules(SHOWN) == ["app_dial", "codec_g729a", "res_speech", "res_speech_lumenvox"]
    assert configured_modules(CONF) == ["res_odbc", "res_fax_digium", "codec_silk", "res_speech_aeap"]
    found = derived([*loaded_modules(SHOWN), *configured_modules(CONF)], [])
    assert {use.feature: use.certain for use in found} == {
        "codec_g729a": True,
        "res_speech_lumenvox": True,
        "res_fax_digium": True,
        "codec_silk": False,
        "res_speech_aeap": False,
    }


@pytest.mark.parametrize(
    "module", ["res_digium_phone", "codec_g729", "codec_siren14", "app_cepstral", "res_unimrcp", "res_speech_vestec"]
)
def test_licensed_modules_are_known(module: str) -> None:
    (found,) = derived([module], [])
    assert found.feature == module and found.seen == f"Asterisk loads {module}"


def test_modules_of_others_in_the_portal() -> None:
    found = derived([], ["main", "crm", "bitrix.eshop", "acme.editor", "ACME.Über"])
    assert [(use.feature, use.certain) for use in found] == [("acme.editor", False), ("acme._ber", False)]


def test_an_exchange_that_does_not_answer_is_no_exchange_without_modules() -> None:
    def silent(_command: t.Sequence[str]) -> tuple[int, str, str]:
        return 1, "", "Unable to connect to remote asterisk\n"

    def absent(_command: t.Sequence[str]) -> tuple[int, str, str]:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    found, problem = of_exchange(silent, CONF)
    assert "res_fax_digium" in found and "Unable to connect to remote asterisk" in problem
    assert of_exchange(absent, None) == ([], "Asterisk does not say what it has loaded: No such file or directory")
    assert of_exchange(lambda _command: (0, SHOWN, ""), None) == (loaded_modules(SHOWN), "")
    assert of_exchange(lambda _command: (0, "0 modules loaded\n", ""), None)[1]


def test_what_is_declared_and_seen_is_one() -> None:
    told = declared(
        [
            {"feature": "voice_library", "title": "Voice library", "modules": ["res_speech_lumenvox"]},
            {"feature": "codec_silk", "free": "it is not used"},
            {"feature": "fax"},
        ]
    )
    found = together(told, derived(["res_speech_lumenvox", "codec_silk", "codec_g729a"], ["acme.editor"]))
    assert [(use.feature, use.seen) for use in found] == [
        ("voice_library", "Asterisk loads res_speech_lumenvox"),
        ("codec_silk", "Asterisk loads codec_silk"),
        ("fax", ""),
        ("codec_g729a", "Asterisk loads codec_g729a"),
        ("acme.editor", "the portal has the module acme.editor of another maker"),
    ]
    assert told[0] == Use("voice_library", "Voice library", modules=("res_speech_lumenvox",))


@pytest.mark.parametrize("feature", ["", "Voice", "a b", "-a", "a/b", "a" * 81, "голос", "uses", "file.x"])
def test_an_id_is_part_of_a_findings_name(feature: str) -> None:
    with pytest.raises(BoxliftError, match="has no proper id"):
        declared([{"feature": feature}])


def test_an_id_is_there_once() -> None:
    with pytest.raises(BoxliftError, match="'fax' of site_entitlements is there twice"):
        declared([{"feature": "fax"}, {"feature": "fax"}])


@given(st.lists(st.text(max_size=100), max_size=5), st.lists(st.text(max_size=100), max_size=5), st.text(max_size=200))
def test_nothing_raises(asterisk: list[str], portal: list[str], text: str) -> None:
    together([], derived([*asterisk, *configured_modules(text), *loaded_modules(text)], portal))
