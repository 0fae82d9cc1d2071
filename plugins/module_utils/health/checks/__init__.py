# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks, a file for each area: `web.answers` is the function `web_answers` of `web`.

Each is a function of a `Context` that returns a `Verdict`, or raises `CannotLook` or `DoesNotApply`. The decorator
says why it matters, what is expected, the remedy, and which other checks must pass first. `docs/checks` is made of
that.
"""
