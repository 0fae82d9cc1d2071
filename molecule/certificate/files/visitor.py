# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask for the portal's page again and again until the named file is gone; say how each visit went.

python visitor.py FILE NAME
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import sys
from pathlib import Path


def main() -> None:
    wanted, name = Path(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
    visits, failures, shown = 0, [], []
    wanted.touch()
    while wanted.exists():
        visits += 1
        connection = http.client.HTTPSConnection(name, timeout=5, context=context)
        try:
            connection.request("GET", "/")
            certificate = connection.sock.getpeercert(binary_form=True)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"visit {visits}: {error!r}")
            continue
        finally:
            connection.close()
        if status != 200:
            failures.append(f"visit {visits}: {status}")
        fingerprint = hashlib.sha256(certificate).hexdigest()
        if fingerprint not in shown:
            shown.append(fingerprint)
    print(json.dumps({"visits": visits, "failures": failures[:10], "shown": shown}))


if __name__ == "__main__":
    main()
