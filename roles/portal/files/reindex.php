<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Managed by Ansible, role boxlift.portal.portal: changes made here are lost.
// Builds the portal's search index anew through the portal's own interface.
// usage: php -f reindex.php DOCUMENT_ROOT

const SECONDS_PER_STEP = 30;

define('NO_KEEP_STATISTIC', true);
define('NO_AGENT_CHECK', true);
define('NOT_CHECK_PERMISSIONS', true);
set_time_limit(0);
$_SERVER['DOCUMENT_ROOT'] = rtrim($argv[1], '/');
require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';

if (!CModule::IncludeModule('search')) {
    fwrite(STDERR, "The portal has no module search, so there is no index to build.\n");
    exit(1);
}
$state = [];
do {
    // An array says where to go on, a number that all is done.
    $state = CSearch::ReIndexAll(true, SECONDS_PER_STEP, $state);
} while (is_array($state));
if (!is_numeric($state)) {
    fwrite(STDERR, "The module search gave up: it answered neither where to go on nor how many entries there are.\n");
    exit(1);
}
echo "$state entries\n";
