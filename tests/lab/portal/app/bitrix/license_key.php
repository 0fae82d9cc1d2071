<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
$LICENSE_KEY = 'LAB-NL-0000000000000000';
