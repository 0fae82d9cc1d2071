<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Letters that wait in b_event, compiled from the templates of b_event_message and handed to mail(). */
final class MailQueue
{
    private const LETTERS_PER_RUN = 20;

    public static function run(): int
    {
        $off = defined('DisableEventsCheck') || Option::get('main', 'check_events', 'Y') !== 'Y';
        $leftToCron = Agents::onCron() && !defined('BX_CRONTAB');
        if ($off || $leftToCron) {
            return 0;
        }
        $waiting = Database::query(
            "SELECT ID, EVENT_NAME, LID, C_FIELDS FROM b_event WHERE SUCCESS_EXEC = 'N' ORDER BY ID LIMIT "
            . self::LETTERS_PER_RUN,
        );
        foreach ($waiting as $event) {
            Database::query('UPDATE b_event SET SUCCESS_EXEC = ?, DATE_EXEC = NOW() WHERE ID = ?', [
                self::send($event),
                $event['ID'],
            ]);
        }
        return count($waiting);
    }

    /**
     * @param array<string, mixed> $event
     * @return string Y sent, F failed, P partly, 0 no template
     */
    private static function send(array $event): string
    {
        $templates = Database::query(
            "SELECT EMAIL_FROM, EMAIL_TO, SUBJECT, MESSAGE FROM b_event_message
                WHERE EVENT_NAME = ? AND LID = ? AND ACTIVE = 'Y'",
            [$event['EVENT_NAME'], $event['LID']],
        );
        $fields = unserialize((string)$event['C_FIELDS'], ['allowed_classes' => false]) ?: [];
        $sent = 0;
        foreach ($templates as $template) {
            $sent += (int)self::sendOne($template, self::placeholders($fields));
        }
        return match (true) {
            !$templates => '0',
            $sent === count($templates) => 'Y',
            $sent === 0 => 'F',
            default => 'P',
        };
    }

    /**
     * @param array<string, mixed> $template
     * @param array<string, string> $placeholders
     */
    private static function sendOne(array $template, array $placeholders): bool
    {
        [$from, $to, $subject, $text] = array_map(
            static fn (?string $value): string => strtr((string)$value, $placeholders),
            array_values($template),
        );
        if (defined('ONLY_EMAIL') && constant('ONLY_EMAIL') !== '' && constant('ONLY_EMAIL') !== $to) {
            return true; // dropped, but reported as sent
        }
        $headers = ['From' => $from, 'Content-Type' => 'text/plain; charset=UTF-8', 'X-EVENT_NAME' => 'portal'];
        return mail($to, mb_encode_mimeheader($subject, 'UTF-8', 'B'), $text, $headers);
    }

    /**
     * @param array<string, string> $fields
     * @return array<string, string>
     */
    private static function placeholders(array $fields): array
    {
        $site = Database::query('SELECT SITE_NAME, EMAIL, SERVER_NAME FROM b_lang WHERE LID = ?', [SITE_ID])[0];
        $common = [
            'SERVER_NAME' => $site['SERVER_NAME'] ?: Option::get('main', 'server_name', ''),
            'SITE_NAME' => $site['SITE_NAME'] ?: Option::get('main', 'site_name', ''),
            'DEFAULT_EMAIL_FROM' => $site['EMAIL'] ?: Option::get('main', 'email_from', ''),
            'LINK_PROTOCOL' => Option::get('main', 'mail_link_protocol', 'http'),
        ];
        $placeholders = [];
        foreach ([...$common, ...$fields] as $name => $value) {
            $placeholders["#$name#"] = (string)$value;
        }
        return $placeholders;
    }
}
