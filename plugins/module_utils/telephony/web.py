# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the connector listens: for Prometheus, and for the portal's events."""

from __future__ import annotations

import contextlib
import ssl
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.telephony import clicks
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.rest import AIOHTTP_IMPORT_ERROR
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.service import Connector
from ansible_collections.boxlift.portal.plugins.module_utils.telephony.settings import Listening

if AIOHTTP_IMPORT_ERROR is None:
    from aiohttp import web

EVENTS_PATH = "/events"
_LARGEST_FORM = 64 * 1024


@contextlib.asynccontextmanager
async def listening(connector: Connector) -> t.AsyncIterator[list[int]]:
    """Listen while the context lasts; give the ports, of metrics and of events. Raises OSError for a taken one."""
    settings = connector.settings
    runners = [await _serve(_metrics_app(connector), settings.metrics_address, settings.metrics_port, None)]
    try:
        if settings.clicks is not None and not settings.clicks.poll_seconds:
            place = settings.clicks
            runners.append(await _serve(_events_app(connector), place.address, place.port, _tls(place)))
        yield [runner.addresses[0][1] for runner in runners]
    finally:
        for runner in runners:
            await runner.cleanup()


async def _serve(app: web.Application, address: str, port: int, context: ssl.SSLContext | None) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=context).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


def _tls(place: Listening) -> ssl.SSLContext | None:
    if not place.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(place.certificate, place.key or None)
    return context


def _metrics_app(connector: Connector) -> web.Application:
    async def metrics(_request: web.Request) -> web.Response:
        connector.figures()
        return web.Response(body=connector.metrics.text(), content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics)])
    return app


def _events_app(connector: Connector) -> web.Application:
    async def events(request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        place = connector.settings.clicks
        try:
            await connector.click(clicks.click_of(form, place.token if place is not None else ""))
        except clicks.Forged as error:
            connector.refused_click("forged", error)
            return web.Response(status=403)
        except BoxliftError as error:
            connector.refused_click("unusable", error)
            return web.Response(status=400)
        return web.Response(text="ok")

    app = web.Application(client_max_size=_LARGEST_FORM)
    app.add_routes([web.post(EVENTS_PATH, events)])
    return app
