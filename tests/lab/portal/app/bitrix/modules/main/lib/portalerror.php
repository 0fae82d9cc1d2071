<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Why the portal cannot answer. The message is for visitors; the details go to the error log. */
final class PortalError extends \RuntimeException
{
    public function __construct(
        string $message,
        public readonly string $details = '',
        public readonly int $status = 500,
    ) {
        parent::__construct($message);
    }

    /** The error page, or the same on a terminal. */
    public static function show(\Throwable $error): never
    {
        $details = $error instanceof self ? $error->details : (string)$error;
        $message = $error instanceof self ? $error->getMessage() : 'The portal failed.';
        error_log("portal: $message $details");
        if (PHP_SAPI === 'cli') {
            fwrite(STDERR, trim("$message $details") . "\n");
            exit(1);
        }
        http_response_code($error instanceof self ? $error->status : 500);
        header('Content-Type: text/html; charset=UTF-8');
        echo '<!DOCTYPE html><title>Error</title><h1>Error</h1><p>', htmlspecialchars($message), '</p>';
        if (self::debug()) {
            echo '<pre>', htmlspecialchars($details), '</pre>';
        }
        exit(1);
    }

    private static function debug(): bool
    {
        try {
            return (bool)(Settings::get('exception_handling')['debug'] ?? false);
        } catch (PortalError) {
            return false;
        }
    }
}
