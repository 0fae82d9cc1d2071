# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the name of an option, a variable or a portal's setting says that its value is a secret."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?<!update_)(?:(?<!by)pass(?!ed|ing|ive)|secret|token|credential|authorization|cookie|salt|private|signature"
    r"|uniq_id|webhook|licen[sc]e(?!_name)|api_?key|keys?$|(?:^|[_.~-])key(?=[_.-]|$))",
    re.IGNORECASE,
)
# A name that ends so says something about a secret: where it lies, how long it is, whose it is.
_ABOUT_ONE = re.compile(
    r"_(?:files?|paths?|dirs?|length|bits|ttl|age|algo|usage|options|policy|user|owner|name|address|ip|network|public|keytype)$",
    re.IGNORECASE,
)


def is_secret_name(name: object) -> bool:
    """True where a value of this name must not be shown."""
    text = str(name)
    return _SECRET.search(text) is not None and _ABOUT_ONE.search(text) is None
