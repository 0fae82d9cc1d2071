# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the push server as an archive with the vendor's layout: everything in a folder `push-server`.

python tests/lab/push/pack.py FILE
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def pack(target: Path) -> None:
    """The same files give the same bytes, so that the role sees whether a new version came."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(p for p in FOLDER.iterdir() if p.suffix in (".js", ".json")):
            member = tarfile.TarInfo(f"push-server/{path.name}")
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(member, file)
    target.write_bytes(gzip.compress(plain.getvalue(), mtime=0))


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
