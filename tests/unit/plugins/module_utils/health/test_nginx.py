# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration as a check reads it: blocks, included files, and the choice of a location."""

from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.errors import BoxliftError
from ansible_collections.boxlift.portal.plugins.module_utils.health.model import CannotLook
from ansible_collections.boxlift.portal.plugins.module_utils.health.nginx import (
    locations,
    parse,
    server_for,
    treatment,
)

HEAD = "# configuration file /etc/nginx/nginx.conf:\n"
LOCATIONS = """
    location = /exact.php { return 403; }
    location / { proxy_pass http://x; }
    location /upload/ { location ~ [.]png$ { expires 1d; } location ~ /n[.]php { return 404; } }
    location ^~ /closed/ { internal; }
    location ~ [.]PHP$ { return 410; }
    location ~* "[.]php(/|$)" { fastcgi_pass unix:/x; location ~ ^/deep/ { deny all; } }
    location @named { uwsgi_pass x; }
"""


def served(uri: str, body: str = LOCATIONS) -> tuple[str, str]:
    """The pattern of the location that serves an address, and what becomes of it."""
    configuration = parse(f"{HEAD}http {{ server {{ server_name a.test; {body} }} }}")
    path = locations(server_for(configuration, "a.test"), uri)
    return " ".join(path[-1].arguments), treatment(path)


@pytest.mark.parametrize(
    ("uri", "pattern", "becomes"),
    [
        ("/exact.php", "= /exact.php", "refused"),
        ("/exact.phpx", "/", "handed on"),
        ("/a.php", "~* [.]php(/|$)", "run"),
        ("/a.PHP", "~ [.]PHP$", "refused"),
        ("/a.PhP", "~* [.]php(/|$)", "run"),
        ("/upload/n.php", "~ /n[.]php", "refused"),
        ("/a.php/info", "~* [.]php(/|$)", "run"),
        ("/deep/a.php", "~ ^/deep/", "refused"),
        ("/upload/a.php", "~* [.]php(/|$)", "run"),
        ("/upload/a.png", "~ [.]png$", "sent"),
        ("/closed/a.php", "^~ /closed/", "refused"),
    ],
)
def test_chooses_the_location_as_nginx_does(uri: str, pattern: str, becomes: str) -> None:
    assert served(uri) == (pattern, becomes)


def test_what_a_server_refuses_is_refused_in_its_locations() -> None:
    assert served("/a.php", "deny all; location ~ php { fastcgi_pass x; }") == ("~ php", "refused")


def test_a_server_without_a_location_sends_files() -> None:
    assert served("/a.php", "root /srv;") == ("", "sent")


def test_a_question_in_the_configuration_is_not_answered_here() -> None:
    with pytest.raises(CannotLook, match="an `if`"):
        served("/a.php", "if ($uri ~ upload) { return 403; } location ~ php { fastcgi_pass x; }")


def test_reads_quotes_comments_and_included_files() -> None:
    dump = (
        f'{HEAD}http {{ include conf.d/*.conf; log_format x \'$a; "b" # no comment\' "c\\"d"; # a comment }}\n}}\n'
        "# configuration file /etc/nginx/conf.d/b.conf:\nserver { server_name b.test; }\n"
        "# configuration file /etc/nginx/conf.d/a.conf:\nserver { server_name *.a.test; listen 443 ssl; }\n"
        "# configuration file /etc/nginx/conf.d/deep/c.conf:\nserver { server_name c.test; }\n"
    )
    (http,) = parse(dump).own("http")
    assert [each.arguments for each in http.all("server_name")] == [("*.a.test",), ("b.test",)]
    assert [each.arguments for each in http.own("log_format")] == [("x", '$a; "b" # no comment', 'c"d')]
    assert server_for(parse(dump), "www.a.test").own("listen")


def test_the_server_over_tls_is_asked_first() -> None:
    both = "server { server_name a.test; listen 80; } server { server_name a.test; listen 443 ssl; root /srv; }"
    assert server_for(parse(f"{HEAD}http {{ {both} }}"), "a.test").own("root")


def test_says_which_file_it_cannot_read() -> None:
    with pytest.raises(BoxliftError, match=r"/etc/nginx/nginx.conf: nginx's configuration closes a block"):
        parse(f"{HEAD}http {{ }} }}")
    with pytest.raises(BoxliftError, match=r"/etc/nginx/nginx.conf: .* cannot be read here: '\"open"):
        parse(f'{HEAD}log_format "open;')
