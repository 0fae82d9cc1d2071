# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.boxlift.portal.plugins.module_utils.crm.answers import (
    Busy,
    Denied,
    Expired,
    RestError,
    Unanswered,
    page_instead,
    refusal,
)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "QUERY_LIMIT_EXCEEDED", Busy),
        (200, "QUERY_LIMIT_EXCEEDED", Busy),
        (429, "OPERATION_TIME_LIMIT", Busy),
        (200, "OPERATION_TIME_LIMIT", Busy),
        (429, "", Busy),
        (503, "OVERLOAD_LIMIT", Denied),
        (429, "OVERLOAD_LIMIT", Denied),
        (401, "expired_token", Expired),
        (401, "NO_AUTH_FOUND", Denied),
        (403, "INVALID_CREDENTIALS", Denied),
        (401, "INVALID_CREDENTIALS", Denied),
        (403, "insufficient_scope", Denied),
        (200, "insufficient_scope", Denied),
        (403, "ACCESS_DENIED", Denied),
        (403, "user_access_error", Denied),
        (500, "PORTAL_DELETED", Denied),
        (401, "INVALID_REQUEST", Denied),
        (402, "PAYMENT_REQUIRED", Denied),
        (403, "anything", Denied),
        (500, "INTERNAL_SERVER_ERROR", Unanswered),
        (200, "INTERNAL_SERVER_ERROR", Unanswered),
        (500, "ERROR_UNEXPECTED_ANSWER", Unanswered),
        (502, "", Unanswered),
        (400, "ERROR_CORE", RestError),
        (400, "", RestError),
        (404, "ERROR_METHOD_NOT_FOUND", RestError),
        (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", RestError),
        (400, "MAX_IMPORT_BATCH_SIZE_EXCEEDED", RestError),
    ],
)
def test_what_an_error_of_the_portal_means(status: int, code: str, kind: type[Exception]) -> None:
    error = refusal("crm.item.list", status, {"error": code, "error_description": "so it is"})
    assert error.__class__ is kind  # and none that is derived from it
    if isinstance(error, RestError):
        assert (error.code, error.status) == (code, status)
        assert error.message == "crm.item.list: so it is."
        assert error.remedy


@pytest.mark.parametrize(
    ("status", "kind"), [(200, Unanswered), (500, Unanswered), (502, Unanswered), (503, Unanswered), (504, Unanswered)]
)
def test_a_page_says_nothing_of_the_request(status: int, kind: type[Exception]) -> None:
    assert page_instead("m", status).__class__ is kind


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 413])
def test_a_page_that_denies(status: int) -> None:
    error = page_instead("m", status)
    assert isinstance(error, Denied)
    assert error.code == f"HTTP_{status}"


def test_an_overload_names_who_can_end_it() -> None:
    error = refusal("m", 503, {"error": "OVERLOAD_LIMIT"})
    assert isinstance(error, Denied)
    assert "support" in error.remedy
