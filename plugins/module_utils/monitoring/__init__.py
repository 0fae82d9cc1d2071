# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is told of a host (boxlift-exporter), and the page that says how the site is (boxlift-status).

Read first `settings` and `status_settings` (what the role has written), and `metrics` (names and text format).
The exporter: `command` calls `runs`, which makes the checks, and asks `figures`, `disk` and `connector`.
The page: `status_command` has `outlook` ask `prometheus`; `status_page` draws that, with `plot` and `status_style`.
"""
