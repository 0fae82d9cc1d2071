<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Managed by Ansible, role boxlift.portal.portal: changes made here are lost.
// Builds the portal's search index anew through the portal's own interface; with `look` it only starts the kernel.
// usage: php -f reindex.php DOCUMENT_ROOT [look]

const SECONDS_PER_STEP = 30;

// A kernel that stops (trial over, licence not accepted, site closed, no database) prints a sentence and ends with
// status 0. So only the last line of this file says that all went well, and whatever ends it before is an error.
$ended = false;
ob_start();
register_shutdown_function(static function () use (&$ended): void {
    if ($ended) {
        return;
    }
    $said = '';
    while (ob_get_level() > 0) {
        $said = ob_get_clean() . $said;
    }
    $said = trim(preg_replace('/\s+/', ' ', html_entity_decode(strip_tags($said))));
    fwrite(STDERR, 'The portal\'s kernel stopped and said: "' . substr($said, 0, 400) . "\"\n");
    exit(3);
});

define('NO_KEEP_STATISTIC', true);
define('NO_AGENT_CHECK', true);
define('NOT_CHECK_PERMISSIONS', true);
set_time_limit(0);
$_SERVER['DOCUMENT_ROOT'] = rtrim($argv[1], '/');
require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';

if (!class_exists('CModule')) {
    echo ' (class CModule is missing)';
    exit(3);
}
$state = 'no';
if (($argv[2] ?? '') !== 'look') {
    if (!CModule::IncludeModule('search')) {
        $ended = true;
        fwrite(STDERR, "The portal has no module search, so there is no index to build.\n");
        exit(1);
    }
    $state = [];
    do {
        // An array says where to go on, a number that all is done.
        $state = CSearch::ReIndexAll(true, SECONDS_PER_STEP, $state);
    } while (is_array($state));
    if (!is_numeric($state)) {
        $ended = true;
        fwrite(STDERR, "The module search gave up: it answered neither where to go on nor how many entries there are.\n");
        exit(1);
    }
}
while (ob_get_level() > 0) {
    ob_end_clean();
}
$ended = true;
echo "The portal's kernel works; $state entries were made.\n";
