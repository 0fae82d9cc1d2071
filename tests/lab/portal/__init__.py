# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture portal: `app` is its document root, `schema` its tables, `data` what fills them."""
