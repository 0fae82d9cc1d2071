# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is printed while the hosts are built, differences included, nor readable to others afterwards."""

from __future__ import annotations

from pathlib import Path

from portal_site import VARS, converge_log
from testinfra.host import Host


def test_the_log_of_the_run_has_no_secret() -> None:
    log = converge_log()
    assert "TASK [boxlift.portal.database : " in log
    assert "+++ after" in log
    assert "Canary" in VARS["site_database_password"]
    assert "Canary" not in log
    assert "PRIVATE KEY" not in log


def test_others_cannot_read_the_portals_secrets(host: Host) -> None:
    for name in (".settings.php", "php_interface/dbconn.php", "license_key.php"):
        path = Path("/srv/portal/www/bitrix", name)
        assert host.file(str(path)).mode == 0o640, path
        assert host.run("runuser -u nobody -- cat %s", str(path)).rc != 0
