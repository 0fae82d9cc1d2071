# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site uses and needs a licence for: what the inventory declares, and what was seen in use."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError

#: So other findings of this area are called.
_OURS = ("uses", "asterisk_modules", "portal_modules", "file.")
FEATURE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")
#: Modules of Asterisk that their makers license, and whether that is certain for every build of that name.
LICENSED: tuple[tuple[str, str, bool], ...] = (
    (r"res_digium_phone", "phones of Digium (DPMA)", True),
    (r"res_fax_digium", "fax of Digium", True),
    (r"codec_g729a", "codec G.729 of Digium", True),
    (r"codec_g729", "codec G.729, which exists with and without a licence", False),
    (r"codec_silk", "codec SILK, with terms of its own", False),
    (r"codec_siren(7|14)", "codec Siren, with terms of its own", False),
    # The engine may be anywhere behind these two.
    (r"res_speech_(aeap|unimrcp)|app_unimrcp|res_unimrcp", "a bridge to a speech engine", False),
    (r"res_speech_.+", "a speech engine", True),
    (r"(app|res)_lumenvox", "speech recognition of LumenVox", True),
    (r"app_swift|(app|res)_cepstral", "voices of Cepstral", True),
)
#: So the modules begin that come with the portal itself.
_OWN = "bitrix."
_SHOWN = re.compile(r"^(\S+)\.so\s", re.MULTILINE)
_LOADS = re.compile(
    r"^[ \t]*(no)?(?:load|preload|preload-require|require)[ \t]*=>?[ \t]*(\S+?)(?:\.so)?[ \t]*(?:;.*)?$", re.M
)


@dataclasses.dataclass(frozen=True)
class Use:
    """A feature. `certain` is false where it was seen and may need no licence; `free` says why it needs none."""

    feature: str
    title: str = ""
    owner: str = "sales"
    modules: tuple[str, ...] = ()
    free: str = ""
    seen: str = ""
    certain: bool = True

    @property
    def name(self) -> str:
        return self.title or self.feature


def declared(entries: t.Iterable[t.Mapping[str, t.Any]]) -> list[Use]:
    """What the inventory says. Raises BoxliftError for a feature without a proper id, or with the id of another."""
    uses: dict[str, Use] = {}
    for entry in entries:
        feature = str(entry.get("feature") or "")
        if not FEATURE.fullmatch(feature) or feature.startswith(_OURS) or feature in uses:
            raise BoxliftError(
                f"The feature {feature!r} of site_entitlements "
                + ("is there twice." if feature in uses else "has no proper id."),
                "Give each feature an id of its own in small letters, digits and underscores, such as voice_library.",
            )
        uses[feature] = Use(
            feature=feature,
            title=str(entry.get("title") or ""),
            owner=str(entry.get("owner") or "sales"),
            modules=tuple(str(each) for each in entry.get("modules") or ()),
            free=str(entry.get("free") or ""),
        )
    return list(uses.values())


def loaded_modules(console: str) -> list[str]:
    """Names without .so, from `module show`."""
    return _SHOWN.findall(console)


def configured_modules(text: str) -> list[str]:
    """Those that modules.conf names to be loaded."""
    found = [(bool(no), name) for no, name in _LOADS.findall(text)]
    never = {name for no, name in found if no}
    return list(dict.fromkeys(name for no, name in found if not no and name not in never))


def of_exchange(
    run: t.Callable[[t.Sequence[str]], tuple[int, str, str]], modules_conf: str | None
) -> tuple[list[str], str]:
    """The modules that Asterisk has loaded or is told to load; and why that may not be all."""
    configured = configured_modules(modules_conf or "")
    try:
        code, said, complaint = run(["asterisk", "-rx", "module show"])
    except OSError as error:
        code, said, complaint = 1, "", error.strerror or "it cannot be started"
    loaded = loaded_modules(said) if code == 0 else []
    problem = "" if loaded else f"Asterisk does not say what it has loaded: {(complaint or said).strip()[:200] or code}"
    return list(dict.fromkeys([*loaded, *configured])), problem


def derived(asterisk: t.Iterable[str], portal: t.Iterable[str]) -> list[Use]:
    """What is in use by the modules of the exchange, and of others in the portal."""
    uses: dict[str, Use] = {}
    for module in asterisk:
        found = next((row for row in LICENSED if re.fullmatch(row[0], module)), None)
        if found is not None:
            seen = f"Asterisk loads {module}"
            uses[module] = Use(_id(module), f"{found[1]} ({module})", seen=seen, certain=found[2], modules=(module,))
    for module in portal:
        if "." in module and not module.startswith(_OWN):
            seen = f"the portal has the module {module} of another maker"
            uses[module] = Use(_id(module), f"module {module}", seen=seen, certain=False, modules=(module,))
    return list(uses.values())


def _id(module: str) -> str:
    return re.sub(r"[^a-z0-9_.-]", "_", module.lower()).lstrip("_.-")[:80] or "module"


def together(told: t.Sequence[Use], seen: t.Sequence[Use]) -> list[Use]:
    """What is declared, with where it was seen; then what was seen and is not declared."""
    of = {module: use for use in told for module in (use.feature, *use.modules)}
    found: dict[str, list[str]] = {}
    rest = []
    for use in seen:
        mine = of.get(use.modules[0]) or of.get(use.feature)
        if mine is None:
            rest.append(use)
        else:
            found.setdefault(mine.feature, []).append(use.seen)
    return [dataclasses.replace(use, seen="; ".join(found.get(use.feature, ()))) for use in told] + rest
