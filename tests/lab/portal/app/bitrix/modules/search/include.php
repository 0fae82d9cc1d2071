<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

use Boxlift\Fixture\Database;
use Boxlift\Fixture\Option;

/** The search index, rebuilt from the tables of the modules. */
final class CSearch
{
    // Module, id, address, title, text, date and table.
    private const SOURCES = [
        ['tasks', 'ID', '/tasks/task/view/', 'TITLE', 'DESCRIPTION', 'CHANGED_DATE', 'b_tasks'],
        ['crm', "CONCAT('LEAD.', ID)", '/crm/lead/details/', 'TITLE', 'COMMENTS', 'DATE_MODIFY', 'b_crm_lead'],
        ['crm', "CONCAT('DEAL.', ID)", '/crm/deal/details/', 'TITLE', 'COMMENTS', 'DATE_MODIFY', 'b_crm_deal'],
        ['crm', "CONCAT('CONTACT.', ID)", '/crm/contact/show/', 'FULL_NAME', 'COMMENTS', 'DATE_MODIFY', 'b_crm_contact'],
        ['disk', "CONCAT('FILE_', ID)", '/disk/downloadFile/', 'NAME', 'NAME', 'UPDATE_TIME', 'b_disk_object'],
    ];

    /** Empty the index and fill it again in one go; gives back the number of documents. */
    public static function ReIndexAll(bool $full = false, int $seconds = 0): int
    {
        if ($full) {
            foreach (['b_search_content', 'b_search_content_text', 'b_search_content_site'] as $table) {
                Database::query("TRUNCATE TABLE $table");
            }
        }
        foreach (self::SOURCES as [$module, $item, $url, $title, $body, $changed, $table]) {
            Database::query(
                "INSERT IGNORE INTO b_search_content (DATE_CHANGE, MODULE_ID, ITEM_ID, URL, TITLE, BODY)
                    SELECT COALESCE($changed, NOW()), '$module', $item, CONCAT('$url', ID, '/'), $title, $body
                    FROM $table",
            );
        }
        Database::query(
            "INSERT IGNORE INTO b_search_content_text (SEARCH_CONTENT_ID, SEARCH_CONTENT_MD5, SEARCHABLE_CONTENT)
                SELECT ID, MD5(CONCAT_WS(' ', TITLE, BODY)), UPPER(CONCAT_WS(' ', TITLE, BODY)) FROM b_search_content",
        );
        Database::query(
            'INSERT IGNORE INTO b_search_content_site (SEARCH_CONTENT_ID, SITE_ID, URL)
                SELECT ID, ?, URL FROM b_search_content',
            [SITE_ID],
        );
        if (Option::get('search', 'full_text_engine') === 'sphinx') {
            self::fillSphinx();
        }
        Database::query("DELETE FROM b_admin_notify WHERE TAG = 'SEARCH_REINDEX'");
        return (int)Database::value('SELECT COUNT(*) FROM b_search_content');
    }

    /** Over the MySQL protocol, with the attributes by which the portal narrows a search down. */
    private static function fillSphinx(): void
    {
        [$host, $port] = explode(':', Option::get('search', 'sphinx_connection') ?? '127.0.0.1:9306');
        $index = Option::get('search', 'sphinx_index_name') ?? 'bitrix';
        $sphinx = new mysqli($host, '', '', '', (int)$port);
        $sphinx->query("TRUNCATE RTINDEX $index");
        $columns = 'id, title, body, module_id, module, item_id, item, param1_id, param1, param2_id, param2, '
            . 'date_change, date_to, date_from, custom_rank, tags, right, site, param';
        foreach (Database::query('SELECT ID, MODULE_ID, ITEM_ID, TITLE, BODY, DATE_CHANGE FROM b_search_content') as $row) {
            [$module, $item, $title, $body] = array_map(
                static fn(?string $text): string => addslashes((string)$text),
                [$row['MODULE_ID'], $row['ITEM_ID'], $row['TITLE'], $row['BODY']],
            );
            $numbers = [crc32($row['MODULE_ID']), crc32($row['ITEM_ID']), strtotime($row['DATE_CHANGE'])];
            $sphinx->query(
                "REPLACE INTO $index ($columns) VALUES ({$row['ID']}, '$title', '$body', $numbers[0], '$module', $numbers[1],
                    '$item', 0, '', 0, '', $numbers[2], 0, 0, 0, (), (), (), ())",
            );
        }
    }
}
