# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask for a page of the portal again and again, and say how each visit went.

python visitor.py FILE NAME

FILE appears after the first visit. Whoever removes it has one more visit made, which begins after that.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import sys
from pathlib import Path

AT_LEAST = 25


def visit(name: str, context: ssl.SSLContext) -> tuple[int, str]:
    """The status of the page, and the fingerprint of the certificate that was shown."""
    connection = http.client.HTTPSConnection(name, timeout=5, context=context)
    try:
        connection.request("GET", "/index.html")
        certificate = connection.sock.getpeercert(binary_form=True)
        return connection.getresponse().status, hashlib.sha256(certificate).hexdigest()
    finally:
        connection.close()


def main() -> None:
    wanted, name = Path(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
    visits, failures, shown = 0, [], []
    last = False
    while not last:
        last = visits >= AT_LEAST and not wanted.exists()
        visits += 1
        try:
            status, fingerprint = visit(name, context)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"visit {visits}: {error!r}")
        else:
            if status != 200:
                failures.append(f"visit {visits}: {status}")
            if fingerprint not in shown:
                shown.append(fingerprint)
        if visits == 1:
            wanted.touch()
    print(json.dumps({"visits": visits, "failures": failures[:10], "shown": shown}))


if __name__ == "__main__":
    main()
