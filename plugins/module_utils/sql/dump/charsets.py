# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Character sets that a dump may use, and replacements for collations that this server lacks."""

from __future__ import annotations

import re
import typing as t

# In these, the bytes of ' " ` and backslash are never part of another character. Not in the list are those where
# a backslash can be the second byte of a character: big5, cp932, gb18030, gbk, sjis; and swe7, where 0x5c is Ö.
SAFE_CHARSETS = frozenset({"ascii", "greek", "hebrew", "koi8r", "koi8u", "utf8", "utf8mb3", "utf8mb4"}) | {
    *("cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "latin1", "latin2", "latin5", "latin7")
}
# Holds every character of a set that the server lacks; the dump's own bytes are in another one anyway.
WIDEST = "utf8mb4"

_UTF8 = re.compile(r"^utf8(?:mb3)?(?=_|$)")
# Collations of MySQL 8 (0900, never padded) and of newer MariaDB (uca1400), which the other servers do not have.
_MYSQL = re.compile(r"(?:(?P<language>[a-z_]+?)_)?0900_(?P<sense>ai_ci|as_ci|as_cs|bin)(?P<kana>_ks)?\Z")
_MARIADB = re.compile(r"uca1400_(?:(?!nopad_)(?P<language>[a-z0-9]+?)_)?(?P<nopad>nopad_)?(?P<sense>a[is]_c[is])\Z")
# The name of MySQL -> that of MariaDB. With an empty name the letters of the language are distinct by themselves.
_LANGUAGES = {
    **{"ru": "", "bg": "", "mn_cyrl": "", "zh": "", "ja": ""},
    **{"cs": "czech", "da": "danish", "de_pb": "german2", "eo": "esperanto", "es": "spanish", "es_trad": "spanish2"},
    **{"et": "estonian", "gl": "spanish", "hr": "croatian", "bs": "croatian", "sr_latn": "croatian"},
    **{"hu": "hungarian", "is": "icelandic", "la": "roman", "lt": "lithuanian", "lv": "latvian", "nb": "danish"},
    **{"nn": "danish", "pl": "polish", "ro": "romanian", "sk": "slovak", "sl": "slovenian", "sv": "swedish"},
    **{"tr": "turkish", "vi": "vietnamese"},
}
_MYSQL_LANGUAGES = {theirs: ours for ours, theirs in _LANGUAGES.items() if theirs and ours not in ("gl", "bs", "nn")}
# Of Unicode's character sets, beside general_mysql500_ci and those of _MARIADB; all but three are padded.
_UNICODE_ENDINGS = """
    bin croatian_ci croatian_mysql561_ci czech_ci danish_ci esperanto_ci estonian_ci general_ci general_nopad_ci
    german2_ci hungarian_ci icelandic_ci latvian_ci lithuanian_ci myanmar_ci nopad_bin persian_ci polish_ci roman_ci
    romanian_ci sinhala_ci slovak_ci slovenian_ci spanish2_ci spanish_ci swedish_ci thai_520_w2 turkish_ci
    unicode_520_ci unicode_520_nopad_ci unicode_ci unicode_nopad_ci vietnamese_ci
"""
UNICODE_ENDINGS = frozenset(_UNICODE_ENDINGS.split())
_UCA1400_LANGUAGES = """
    croatian czech danish esperanto estonian german2 hungarian icelandic latvian lithuanian persian polish roman
    romanian sinhala slovak slovenian spanish spanish2 swedish turkish vietnamese
"""
UCA1400_LANGUAGES = frozenset(_UCA1400_LANGUAGES.split())


def known_charset(name: str, known: t.Container[str]) -> str:
    """The name by which this server knows a character set: utf8 and utf8mb3 are the same."""
    return _other_name(name.lower(), known)


def known_collation(name: str, known: t.Container[str]) -> str | None:
    """The collation itself where the server has it, else one in which no two values become equal; None without one.

    The first choice agrees in padding, case, accents and characters beyond U+FFFF. Where there is none, the collation
    compares code points, and trailing blanks too unless the old one ignored them.
    """
    name = _other_name(name.lower(), known)
    if name in known:
        return name
    charset, _score, rest = name.partition("_")
    if f"{charset}_bin" not in known:
        if f"{WIDEST}_{rest}" in known:
            return f"{WIDEST}_{rest}"
        charset = WIDEST
    return next((found for found in _near(charset, rest) if found in known), None)


def _near(charset: str, rest: str) -> t.Iterator[str]:
    """Candidates, the best first."""
    mysql, mariadb = _MYSQL.match(rest), _MARIADB.match(rest)
    padded = mysql is None and "nopad" not in rest
    if mysql is not None and mysql["sense"] != "bin" and not mysql["kana"]:
        language = _LANGUAGES.get(mysql["language"], mysql["language"]) if mysql["language"] else ""
        yield f"{charset}_uca1400_{language}{'_' if language else ''}nopad_{mysql['sense']}"
        if not language and mysql["sense"] == "ai_ci":
            yield f"{charset}_unicode_520_nopad_ci"
    elif mariadb is not None:
        language = mariadb["language"] or ""
        if not padded:
            theirs = _MYSQL_LANGUAGES.get(language, language)
            yield f"{charset}_{theirs}{'_' if theirs else ''}0900_{mariadb['sense']}"
        if not language and mariadb["sense"] == "ai_ci":
            yield f"{charset}_unicode_520_{'' if padded else 'nopad_'}ci"
    if not padded or (mariadb is None and rest not in UNICODE_ENDINGS):
        yield f"{charset}_nopad_bin"
        yield f"{charset}_0900_bin"
    yield f"{charset}_bin"


def _other_name(name: str, known: t.Container[str]) -> str:
    if name in known or not _UTF8.match(name):
        return name
    return next((other for other in (_UTF8.sub("utf8mb3", name), _UTF8.sub("utf8", name)) if other in known), name)
