# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a host, through the proxy that the environment names for it, if any."""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.parse
import urllib.request


def connection_to(
    split: urllib.parse.SplitResult, timeout: float, context: ssl.SSLContext | None
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """The connection, not opened yet; what stands before the path in a request; headers that the proxy wants."""
    host = split.hostname or ""
    proxy = "" if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(split.scheme, "")
    via = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    permission = {}
    if via.username:
        pair = f"{urllib.parse.unquote(via.username)}:{urllib.parse.unquote(via.password or '')}"
        permission = {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    place, port = (via.hostname, via.port or 3128) if via.hostname else (host, split.port)
    if split.scheme == "https":
        secure = http.client.HTTPSConnection(place, port, timeout=timeout, context=context)
        if via.hostname:
            secure.set_tunnel(host, split.port or 443, permission)
        return secure, "", {}
    plain = http.client.HTTPConnection(place, port, timeout=timeout)
    if via.hostname:
        return plain, f"http://{split.netloc.rpartition('@')[2]}", {**permission, "Host": split.netloc}
    return plain, "", {}
