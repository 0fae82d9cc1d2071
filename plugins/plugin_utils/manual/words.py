# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual's sentences in one language, as HTML in which every value is escaped and keeps its own direction."""

from __future__ import annotations

import functools
import pathlib
import typing as t

import markupsafe
import yaml
from ansible_collections.boxlift.portal.plugins.module_utils.visible import visible
from ansible_collections.boxlift.portal.plugins.plugin_utils.notices.text import RIGHT_TO_LEFT

Texts = dict[str, dict[str, str]]
HOUR, DAY = 3600, 86400


@functools.cache
def texts() -> Texts:
    """The sentences by language and key."""
    return _read("texts.yml")


@functools.cache
def usual() -> Texts:
    """By language, the texts of the usual plan: the English one, and what it is in that language."""
    return _read("usual.yml")


def _read(name: str) -> Texts:
    loaded: Texts = yaml.safe_load(pathlib.Path(__file__).with_name(name).read_text("utf-8"))
    return loaded


class Words:
    """The sentences of one language; call it with a key and the values of its fields."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        self._own = texts()[language]
        self._usual = usual().get(language, {})

    def __call__(self, key: str, **values: t.Any) -> markupsafe.Markup:
        """A sentence. Values are escaped, and stand between marks that keep their direction from their neighbours."""
        return markupsafe.Markup(markupsafe.escape(self._own[key])).format(
            **{name: markupsafe.Markup("<bdi>{}</bdi>").format(seen(value)) for name, value in values.items()}
        )

    def plain(self, key: str) -> str:
        return self._own[key]

    def known(self, key: str, name: str) -> str:
        """What `name` of the kind `key` is called here; an id that only the site knows stays, with spaces."""
        return self._own.get(f"{key}_{name}", name.replace("_", " "))

    def of_plan(self, text: str) -> str:
        """A text of the plan. What the site has written itself stays as it is."""
        return self._usual.get(text, text)

    def duration(self, seconds: float) -> str:
        """Rounded up, since nobody watches the seconds: 25 min, 2 h 30 min, 3 d."""
        minutes = max(1, -(-int(seconds) // 60))
        if minutes < 60:
            return self._own["minutes"].format(minutes=minutes)
        if minutes < 48 * 60:
            hours, rest = divmod(minutes, 60)
            return self._own["hours_minutes" if rest else "hours"].format(hours=hours, minutes=rest)
        return self._own["days"].format(days=-(-int(seconds) // DAY))


def seen(value: t.Any) -> t.Any:
    """The value with its invisible characters shown; HTML of ours stays as it is."""
    return value if isinstance(value, markupsafe.Markup) else visible(str(value))
