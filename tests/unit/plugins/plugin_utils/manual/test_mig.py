# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short command: what reaches ansible-playbook, in which folder, and what does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.boxlift.portal.plugins.plugin_utils.manual import steps

SAYS = """\
#!/bin/sh
pwd
for each in "$@"; do printf '%s\\n' "$each"; done
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's folder with a manual in it, whose name has a space; ansible-playbook says what it was given."""
    folder = tmp_path / "my site"
    (folder / "boxlift-manual/steps").mkdir(parents=True)
    (folder / "ansible.cfg").touch()
    (folder / "boxlift-manual/mig").write_bytes(steps.command())
    for number in ("3.2", "3.12"):
        (folder / f"boxlift-manual/steps/{number}.json").write_text(json.dumps({"supervise_number": number}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ansible-playbook").write_text(SAYS)
    (tmp_path / "bin/ansible-playbook").chmod(0o755)
    return folder


def mig(site: Path, *typed: str, stand: Path | None = None, script: Path | None = None) -> tuple[int, list[str], str]:
    """Exit code, what ansible-playbook was given after the folder that it runs in, and what was refused."""
    done = subprocess.run(
        ["/bin/sh", str(script or site / "boxlift-manual/mig"), *typed],
        cwd=stand or site.parent,
        env={"PATH": f"{site.parent}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def page(site: Path, number: str) -> str:
    return f"@{site}/boxlift-manual/steps/{number}.json"


def test_without_anything_behind_it_shows_the_state(site: Path) -> None:
    assert mig(site) == (0, [str(site), "boxlift.portal.read_back_show"], "")


@pytest.mark.parametrize("typed", [("4173055",), ("417", "3055"), ("4", "1", "7", "3", "0", "5", "5"), ("417 3055",)])
def test_a_step_gets_its_file_and_the_joined_code(site: Path, typed: tuple[str, ...]) -> None:
    code, given, refused = mig(site, "3.2", *typed)
    if " " in typed[0]:  # quoted: no typing on the telephone comes to that
        assert (code, given) == (2, [])
        return
    expected = [str(site), "boxlift.portal.supervise", "-e", page(site, "3.2"), "-e", "supervise_code=4173055"]
    assert (code, given, refused) == (0, expected, "")


@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_people_tell_what_came_of_their_work(site: Path, outcome: str) -> None:
    expected = ["boxlift.portal.supervise", "-e", page(site, "3.2"), "-e", f"supervise_outcome={outcome}"]
    assert mig(site, "3.2", outcome) == (0, [str(site), *expected], "")


@pytest.mark.parametrize(
    ("typed", "kind"), [("stop", "stop"), ("rollback", "rollback"), ("back", "rollback"), ("resume", "resume")]
)
def test_stop_and_the_way_back_take_a_code(site: Path, typed: str, kind: str) -> None:
    expected = ["boxlift.portal.stop", "-e", f"stop_kind={kind}", "-e", "supervise_code=407112269455086"]
    assert mig(site, typed, "40711", "22694", "55086") == (0, [str(site), *expected], "")


def test_a_person_signs_a_decision(site: Path) -> None:
    expected = ["boxlift.portal.sign", "-e", page(site, "3.12"), "-e", "sign_person=head_of.it-2"]
    assert mig(site, "sign", "3.12", "head_of.it-2") == (0, [str(site), *expected], "")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("3.7", "4173055"), "There is no page 3.7. Look at the number again."),
        (("sign", "3.7", "anna"), "There is no page 3.7."),
        (("sign", "stop", "anna"), "There is no page stop."),
        (("sign", "3.2"), "Who signs what?"),
        (("sign",), "Who signs what?"),
        (("sign", "3.2", "anna", "bert"), "Who signs what?"),
        (("sign", "3.2", "a b"), "Who signs what?"),
        (("3.2",), "A code has digits only."),
        (("stop",), "A code has digits only. Read it again, and type: mig stop CODE"),
        (("stop", "ok"), "A code has digits only."),
        (("3.2", "ok", "1"), "A code has digits only."),
        (("3.2", "417", "-vvv"), "A code has digits only."),
        (("3.2", "417", "--extra-vars=a=b"), "A code has digits only."),
        (("--help",), "There is no --help. Type mig and the number of the page: mig 3.2 CODE"),
        (("../3.2", "1"), "There is no ../3.2."),
        (("..", "1"), "There is no ..."),
        (("3..2", "1"), "There is no 3..2."),
        (("", "1"), "There is no ."),
        (("begin", "1"), "There is no begin."),
    ],
)
def test_whatever_else_is_typed_reaches_nothing(site: Path, typed: tuple[str, ...], sentence: str) -> None:
    code, given, refused = mig(site, *typed)
    assert (code, given) == (2, [])
    assert refused.startswith(sentence), refused


def test_it_runs_in_the_sites_folder_wherever_one_stands(site: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/mig").symlink_to(site / "boxlift-manual/mig")
    assert mig(site, stand=Path("/"), script=tmp_path / "bin/mig")[1][0] == str(site)


def test_a_manual_that_lies_elsewhere_is_of_the_folder_one_stands_in(site: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (site / "boxlift-manual").rename(bundle)
    given = mig(site, "3.2", "1", stand=site, script=bundle / "mig")[1]
    assert given[0] == str(site)
    assert given[3] == f"@{bundle}/steps/3.2.json"


def test_without_a_sites_folder_it_says_so(site: Path) -> None:
    (site / "ansible.cfg").unlink()
    code, given, refused = mig(site, "3.2", "1")
    assert (code, given) == (2, [])
    assert refused.startswith("There is no ansible.cfg above"), refused


def test_an_officer_can_read_it() -> None:
    text = steps.command().decode()
    assert text.startswith("#!/bin/sh\n")
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 120
