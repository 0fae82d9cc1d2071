# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the playbook preflight.

Read in this order: `inventory` (`Input`: what the site sets; `inspect` judges it and derives what a host is asked),
`verdict` (the findings of all hosts together, and the text that refuses). What a host answers is
`module_utils/preflight`.
"""
