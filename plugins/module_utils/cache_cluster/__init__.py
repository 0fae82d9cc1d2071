# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of three hosts: Redis and its Sentinels asked (`resp`), judged (`state`), restarted in order (`changes`)."""
