<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

require $_SERVER['DOCUMENT_ROOT'] . '/bitrix/modules/main/include/prolog_before.php';
Page::requireLogin();

$counts = [
    'users' => "b_user WHERE ACTIVE = 'Y'",
    'leads' => 'b_crm_lead',
    'deals' => 'b_crm_deal',
    'contacts' => 'b_crm_contact',
    'tasks' => 'b_tasks',
    'comments' => "b_forum_message WHERE NEW_TOPIC = 'N'",
    'messages' => 'b_im_message',
    'files' => 'b_file',
    'search' => 'b_search_content',
];
$items = '';
foreach ($counts as $name => $from) {
    $items .= "<li data-entity=\"$name\">$name: " . Database::value("SELECT COUNT(*) FROM $from") . "</li>\n";
}
$link = Page::text(Site::hostUrl() . '/company/personal/user/' . User::id() . '/');
Page::frame('Портал', "<ul>\n$items</ul>\n<p>Ссылка для коллег: <a href=\"$link\">$link</a></p>");
