# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.portal import compare
from unit.plugins.module_utils.health import toy_fixtures
from unit.plugins.module_utils.health.toy_portal import CRYPTO_KEY, DOMAIN, PASSWORD

portal_server = toy_fixtures.portal_server
portal = toy_fixtures.portal
SALT = "a-salt-of-sixteen-characters"
PHP = json.dumps({"version": "8.2.29", "extensions": ["mysqli"], "ini": {"memory_limit": "512M", "error_log": None}})


@pytest.fixture
def look(portal: t.Any) -> t.Iterator[t.Callable[..., compare.Snapshot]]:
    conn = portal.connect()
    yield lambda php=PHP, salt=SALT: compare.snapshot(portal.files, conn, php, salt)
    conn.close()


class TestSnapshot:
    def test_sees_every_area(self, look: t.Any) -> None:
        found = look()
        assert found["option"]["main.server_name"] == DOMAIN
        assert found["option"]["main.param_max_users"] == "50"
        assert found["site"]["s1.domains"] == DOMAIN and found["site"]["ex.ACTIVE"] == "Y"
        assert found["settings"]["exception_handling.debug"] == "false"
        assert found["constant"]["BX_USE_MYSQLI"] == "true"
        assert found["module"]["main"] == "26.250.100" and found["installed module"]["tasks"] == "Y"
        assert found["php"] == {
            "PHP_VERSION": "8.2.29",
            "extension mysqli": "loaded",
            "memory_limit": "512M",
            "error_log": "",
        }
        assert found["mariadb"]["max_allowed_packet"] == str(16 * 1024 * 1024)
        assert "hostname" not in found["mariadb"]

    def test_the_same_portal_twice_is_equal(self, look: t.Any) -> None:
        assert compare.compare(look(), look()) == []

    def test_no_secret_leaves_the_host(self, portal: t.Any, look: t.Any) -> None:
        portal.sql("REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('pull', 'signature_key', 'canary-1')")
        serialized = 'a:1:{s:8:"password";s:8:"canary-2";}'
        portal.sql("REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('mail', 'server', %s)", serialized)
        portal.sql("REPLACE INTO b_option (MODULE_ID, NAME, VALUE) VALUES ('x', 'proxy', 'http://me:canary-3@proxy/')")
        found = look()
        text = json.dumps(found)
        for secret in ("canary", PASSWORD, CRYPTO_KEY, "push-server-key"):
            assert secret not in text
        assert found["option"]["pull.signature_key"].startswith("(secret) #")
        assert found["option"]["x.proxy"].startswith("http://me:(secret)@proxy/ #")
        assert found["settings"]["connections.default.password"].startswith("(secret) #")

    def test_a_changed_secret_shows_as_a_difference(self, portal: t.Any, look: t.Any) -> None:
        before = look()
        portal.edit("bitrix/.settings.php", CRYPTO_KEY, CRYPTO_KEY[::-1])
        found = compare.compare(before, look())
        assert [(each.area, each.name) for each in found] == [("settings", "crypto.crypto_key")]
        assert found[0].left != found[0].right and "(secret)" in str(found[0].left)

    def test_a_seal_of_another_run_is_another(self, look: t.Any) -> None:
        name = "crypto.crypto_key"
        assert look()["settings"][name] != look(salt="another-salt-of-16-chars")["settings"][name]

    @pytest.mark.parametrize("php", ["", "PHP Warning: x", "[]", '{"ini": {}}'])
    def test_php_that_cannot_answer_is_an_error(self, look: t.Any, php: str) -> None:
        with pytest.raises(BoxliftError, match="PHP did not say") as caught:
            look(php=php)
        assert caught.value.remedy

    def test_a_short_salt_is_refused(self, look: t.Any) -> None:
        with pytest.raises(BoxliftError, match="salt is shorter"):
            look(salt="short")


class TestCompare:
    LEFT: t.ClassVar[compare.Snapshot] = {"php": {"a": "1", "b": "2", "c": "3"}, "module": {"crm": "26"}}
    RIGHT: t.ClassVar[compare.Snapshot] = {"php": {"a": "1", "b": "20", "d": ""}, "option": {"m.x": "Y"}}

    def test_names_what_differs_and_what_one_side_lacks(self) -> None:
        assert compare.compare(self.LEFT, self.RIGHT) == [
            compare.Difference("php", "b", "2", "20"),
            compare.Difference("php", "c", "3", None),
            compare.Difference("php", "d", None, ""),
            compare.Difference("module", "crm", "26", None),
            compare.Difference("option", "m.x", None, "Y"),
        ]

    def test_leaves_out_what_is_meant_to_differ(self) -> None:
        left = compare.compare(self.LEFT, self.RIGHT, [r"^php [bd]$", "^module", r"m\.x"])
        assert [each.name for each in left] == ["c"]
        with pytest.raises(BoxliftError, match=r"'\(' is no regular expression"):
            compare.compare(self.LEFT, self.RIGHT, ["("])

    def test_counts(self) -> None:
        differences = compare.compare(self.LEFT, self.RIGHT)
        assert compare.counts(self.LEFT, self.RIGHT, differences) == {
            "php": {"settings": 4, "different": 3},
            "module": {"settings": 1, "different": 1},
            "option": {"settings": 1, "different": 1},
        }


class TestMarkdown:
    def test_a_page(self) -> None:
        left, right = {"php": {"a_b": "x|y\nz", "c": "", "long": "l" * 500}}, {"php": {"c": "<b>", "long": "m"}}
        differences = compare.compare(left, right)
        page = compare.markdown(("prod", "test"), differences, compare.counts(left, right, differences))
        lines = page.splitlines()
        assert lines[0] == "# prod and test: differences in settings"
        assert "| php | 3 | 3 |" in lines and "## php" in lines
        assert "| a\\_b | x\\|y z | *not set* |" in lines
        assert "| c | *empty* | \\<b> |" in lines
        assert any(line.endswith("... (500 characters) | m |") for line in lines)

    def test_nothing_differs(self) -> None:
        page = compare.markdown(("a", "b"), [], {"php": {"settings": 3, "different": 0}})
        assert "| php | 3 | 0 |" in page and "##" not in page.replace("# a and b", "")
