<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require_once $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();

$file = Database::query(
    'SELECT f.SUBDIR, f.FILE_NAME, f.CONTENT_TYPE, f.HANDLER_ID, o.NAME
        FROM b_disk_object o JOIN b_file f ON f.ID = o.FILE_ID WHERE o.ID = ?',
    [(int)($_GET['objectId'] ?? 0)],
)[0] ?? null;
$path = $file === null ? '' : "/upload/{$file['SUBDIR']}/{$file['FILE_NAME']}";
if ($file === null || $file['HANDLER_ID'] !== null || !is_file($_SERVER['DOCUMENT_ROOT'] . $path)) {
    require $_SERVER['DOCUMENT_ROOT'] . '/404.php';
    exit;
}
header("Content-Type: {$file['CONTENT_TYPE']}");
header("Content-Disposition: attachment; filename*=UTF-8''" . rawurlencode($file['NAME']));
if (Option::get('main', 'bx_fast_download', 'N') === 'Y') {
    // The web server sends the file itself.
    header('X-Accel-Redirect: ' . implode('/', array_map('rawurlencode', explode('/', $path))));
    exit;
}
header('Content-Length: ' . filesize($_SERVER['DOCUMENT_ROOT'] . $path));
readfile($_SERVER['DOCUMENT_ROOT'] . $path);
