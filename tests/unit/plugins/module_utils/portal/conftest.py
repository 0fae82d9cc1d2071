# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real PHP as the judge of what a configuration file means."""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import subprocess
import typing as t

import pytest

# Answers with types that JSON alone would lose: order of keys, float against integer, bytes of strings.
JUDGE = r"""
function tagged($v) {
    if (is_null($v) || is_bool($v)) return $v;
    if (is_int($v)) return ["int", (string)$v];
    if (is_float($v)) return ["float", var_export($v, true)];
    if (is_string($v)) return ["str", base64_encode($v)];
    if (!is_array($v)) return ["object"];
    $pairs = [];
    foreach ($v as $key => $item) $pairs[] = [tagged($key), tagged($item)];
    return ["array", $pairs];
}
function meaning($path) {
    try {
        ob_start();
        $returned = include $path;
        $vars = get_defined_vars();
        unset($vars['path'], $vars['returned']);
        $output = ob_get_clean();
        return ["returned" => tagged($returned), "variables" => tagged($vars), "output" => $output !== ""];
    } catch (Throwable $problem) {
        ob_end_clean();
        return ["error" => $problem->getMessage()];
    }
}
while (($line = fgets(STDIN)) !== false) {
    $before = get_defined_constants(true)['user'] ?? [];
    $answer = meaning(rtrim($line, "\n"));
    $after = get_defined_constants(true)['user'] ?? [];
    $answer["constants"] = tagged(array_diff_key($after, $before));
    echo json_encode($answer), "\n";
}
"""


class RealPhp:
    """A running PHP that includes files and says what they mean."""

    def __init__(self, command: list[str], process: subprocess.Popen[bytes], folder: pathlib.Path) -> None:
        self._command, self._process = command, process
        self._path = folder / "judged.php"

    def judge(self, content: bytes | str) -> dict[str, t.Any]:
        """By one long-lived process: quick, but functions and constants of earlier files are still defined."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(self._write(content))
        self._process.stdin.flush()
        return self._answer(self._process.stdout.readline(), content)

    def judge_alone(self, content: bytes | str) -> dict[str, t.Any]:
        """By a process of its own."""
        done = subprocess.run(self._command, input=self._write(content), stdout=subprocess.PIPE, check=False)
        return self._answer(done.stdout, content)

    def _write(self, content: bytes | str) -> bytes:
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self._path.write_bytes(data)
        return f"{self._path}\n".encode()

    @staticmethod
    def _answer(line: bytes, content: bytes | str) -> dict[str, t.Any]:
        assert line, f"PHP gave up on {content!r}"
        return {key: untagged(value) if key != "error" else value for key, value in json.loads(line).items()}

    def returned(self, content: bytes | str) -> t.Any:
        answer = self.judge(content)
        assert "error" not in answer, answer["error"]
        return answer["returned"]


def untagged(value: t.Any) -> t.Any:
    if not isinstance(value, list):
        return value
    kind, payload = value[0], value[1] if len(value) > 1 else None
    if kind == "int":
        return int(payload)
    if kind == "float":
        return float(payload)
    if kind == "str":
        return base64.b64decode(payload).decode("utf-8", "surrogateescape")
    if kind == "array":
        return {untagged(key): untagged(item) for key, item in payload}
    return object


@pytest.fixture(scope="session")
def php(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[RealPhp]:
    """Fails, never skips, where PHP is not installed."""
    program = shutil.which("php")
    if program is None:
        pytest.fail("The tests compare with real PHP: apt-get install php-cli")
    command = [program, "-n", "-d", "short_open_tag=1", "-d", "error_reporting=0", "-r", JUDGE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield RealPhp(command, process, tmp_path_factory.mktemp("php"))
        assert process.stdin is not None
        process.stdin.close()
