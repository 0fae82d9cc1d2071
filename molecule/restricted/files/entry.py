# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle at the door: whatever is not what was signed for this site is refused, then the real one is installed.

python entry.py WORK

All of it happens at the desk, with what was carried in; docs/bundle.md has the exit codes. WORK/entry.json holds the
code, the words and the seconds of each attempt.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

DESK = f"boxlift-{os.environ['MOLECULE_SCENARIO_NAME']}-desk"
OPTIONS = "-k /root/signers -s portal.boxlift.test"
VERIFY = f"sh /root/verify.sh {OPTIONS}"


class Attempt(t.NamedTuple):
    """A command, what was done to the bundle before it and is undone after it, and the code that it must end with."""

    name: str
    code: int
    command: str
    before: str = "true"
    after: str = "true"


ATTEMPTS = (
    # The customer's own signature is demanded as soon as his key is known.
    Attempt("not accepted yet", 3, f"{VERIFY} ."),
    Attempt("accepted", 0, f"sh ./countersign.sh {OPTIONS} -f /root/customer ."),
    Attempt("signed by a stranger", 3, "sh /root/verify.sh -k /root/strangers -s portal.boxlift.test ."),
    Attempt("of another site", 5, "sh /root/verify.sh -k /root/signers -s portal.example.com ."),
    Attempt("one byte more", 2, f"{VERIFY} .", "printf x >> README.txt", "truncate -s -1 README.txt"),
    Attempt("one file more", 2, f"{VERIFY} .", "touch debian/more.deb", "rm debian/more.deb"),
    Attempt(
        "expired", 4, f"{VERIFY} -e .",
        "mkdir /root/valid && mv BUNDLE.* /root/valid && cp /root/expired/* .", "rm BUNDLE.* && mv /root/valid/* .",
    ),
    Attempt("without its base", 6, f"{VERIFY} -e /media/later"),
    Attempt("with its base", 0, f"{VERIFY} -e -b . /media/later"),
    Attempt("installed", 0, f"sh ./install.sh {OPTIONS}"),
    Attempt("installed again", 0, f"sh ./install.sh {OPTIONS}"),
)  # fmt: skip
#: What the site adds to what was signed.
LOCAL = """
cp -r /root/local/. /opt/boxlift/site/local/
cp -r /root/files /opt/boxlift/site/files
install -D -m 600 /root/supervision.key /opt/boxlift/site/journal/supervision.key
"""


def at_the_desk(script: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "exec", "--workdir=/media/bundle", DESK, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(work: Path) -> None:
    seen = {}
    for one in ATTEMPTS:
        began = time.monotonic()
        done = at_the_desk(f"set -e; {one.before}; set +e; {one.command}; code=$?; set -e; {one.after}; exit $code")
        said = done.stdout + done.stderr
        seen[one.name] = {"code": done.returncode, "said": said, "seconds": round(time.monotonic() - began, 1)}
        print(f"{time.monotonic() - began:6.1f} s  {one.name}: {done.returncode}", flush=True)
        (work / "entry.json").write_text(json.dumps(seen), encoding="utf-8")
        if done.returncode != one.code:
            sys.exit(f"{said}\n{one.name}: it ended with {done.returncode} instead of {one.code}.")
    done = at_the_desk(f"set -e; {LOCAL}")
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nThe site's own files could not be put into their place.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
