# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser receives what the portal publishes, by WebSocket and by long polling through nginx."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import time

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.health.push_channel import new_id, signed
from push_site import DOMAIN, KEY, address, publish, wait_for_listeners
from testinfra.host import Host

PAGE = pathlib.Path(__file__).parent / "page.html"


def test_a_browser_receives_messages(host: Host, tmp_path: pathlib.Path) -> None:
    browser = shutil.which("chromium")
    # Too large to be installed for one test; both ways are proven without it in the others.
    if browser is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    channel, gate = new_id(), new_id()
    url = f"{PAGE.as_uri()}#{signed(channel, KEY)}@{signed(gate, KEY)}@{DOMAIN}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    # The authority of the lab is not the browser's; other tests prove the certificate.
    options += ["--ignore-certificate-errors", f"--host-resolver-rules=MAP {DOMAIN} {address(host)}"]
    process = subprocess.Popen([browser, *options, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        wait_for_listeners(host, channel, 2)
        wait_for_listeners(host, gate, 1)
        publish(host, channel, '"from the host"')
        time.sleep(1)
        publish(host, gate, '"done"')
        shown = process.communicate(timeout=20)[0]
    finally:
        process.kill()
    texts = dict(re.findall(r'<p id="(\w+)">(.*?)</p>', shown))
    assert set(texts) == {"websocket", "longpoll"}, shown
    for way, text in texts.items():
        assert '"text":"from the host"' in text, (way, text)
