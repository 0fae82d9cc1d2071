<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();
if (!User::isAdmin()) {
    http_response_code(403);
    Page::frame('Администрирование', '<p>Доступ запрещён.</p>');
    exit;
}
$rows = Database::query('SELECT ID FROM b_module ORDER BY ID');
$list = implode(', ', array_map(Page::text(...), array_column($rows, 'ID')));
Page::frame('Администрирование', '<p>Версия ' . SM_VERSION . "</p><p>Модули: $list</p>");
