<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();
$id = (int)($_GET['user_id'] ?? 0);
$user = Database::query('SELECT NAME, LAST_NAME, WORK_POSITION FROM b_user WHERE ID = ?', [$id]);
if (!$user) {
    require $_SERVER['DOCUMENT_ROOT'] . '/404.php';
    exit;
}
Page::frame("{$user[0]['NAME']} {$user[0]['LAST_NAME']}", '<p>' . Page::text($user[0]['WORK_POSITION']) . '</p>');
