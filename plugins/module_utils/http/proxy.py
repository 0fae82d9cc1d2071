# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a host, directly, through a proxy, or to another address than DNS names."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import urllib.parse
import urllib.request


class _Placed(http.client.HTTPSConnection):
    """To this address; the certificate is that of the host all the same."""

    def __init__(self, host: str, port: int | None, address: str, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._place = (address, self.port)
        self._secured = context

    def connect(self) -> None:
        plain = socket.create_connection(self._place, self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._secured.wrap_socket(plain, server_hostname=self.host)


def connection_to(
    split: urllib.parse.SplitResult,
    timeout: float,
    context: ssl.SSLContext | None,
    proxy: str | None = None,
    address: str = "",
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """The connection, not opened yet; what stands before the path in a request; headers that the proxy wants.

    `proxy` None is the one that the environment names for the host, an empty one is none. `address` is where the host
    is to be found, for https; no proxy is asked then.
    """
    host = split.hostname or ""
    if address and context is not None:
        return _Placed(host, split.port, address, timeout, context), "", {}
    if proxy is None:
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
