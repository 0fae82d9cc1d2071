<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Headers, cookies and the frame of the pages. */
final class Page
{
    public static function sendHeaders(): void
    {
        include $_SERVER['DOCUMENT_ROOT'] . '/bitrix/license_key.php';
        $key = $LICENSE_KEY ?? '';
        $licence = in_array($key, ['', 'DEMO'], true) ? 'DEMO' : md5("BITRIX{$key}LICENCE");
        header('Content-Type: text/html; charset=UTF-8');
        header("X-Powered-CMS: Bitrix Site Manager ($licence)");
        if (Option::get('main', 'update_devsrv', 'N') === 'Y') {
            header('X-DevSrv-CMS: Bitrix');
        }
        Session::setCookie('LAST_VISIT', date('d.m.Y H:i:s'));
    }

    /** The form's answer, if one came; then the form itself, unless the visitor is known. */
    public static function requireLogin(): void
    {
        if (($_REQUEST['logout'] ?? '') === 'yes') {
            User::logout();
        }
        $failed = false;
        if (($_POST['AUTH_FORM'] ?? '') === 'Y') {
            if (User::login((string)($_POST['USER_LOGIN'] ?? ''), (string)($_POST['USER_PASSWORD'] ?? ''))) {
                header('Location: ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), true, 302);
                exit;
            }
            $failed = true;
        }
        if (User::id() === 0) {
            self::frame('Авторизация', self::loginForm($failed));
            exit;
        }
    }

    /** The only way in for requests without a form: a known visitor or a correct Authorization header. */
    public static function requireHeaderLogin(string $realm): void
    {
        if (User::id() === 0 && !User::loginByHeader()) {
            http_response_code(401);
            header("WWW-Authenticate: Basic realm=\"$realm\"");
            header('Content-Type: application/json; charset=UTF-8');
            echo json_encode(['status' => 'failed', 'error' => 'authorization required']);
            exit;
        }
    }

    public static function frame(string $title, string $body): void
    {
        $title = self::text($title);
        echo "<!DOCTYPE html>\n<html lang=\"ru\">\n<head><meta charset=\"UTF-8\"><title>$title</title></head>\n",
            "<body>\n<h1>$title</h1>\n$body\n</body>\n</html>\n";
    }

    public static function text(mixed $value): string
    {
        return htmlspecialchars((string)$value);
    }

    private static function loginForm(bool $failed): string
    {
        $error = $failed ? '<p class="errortext">Неверный логин или пароль.</p>' : '';
        return <<<HTML
            $error
            <form name="form_auth" method="post">
            <input type="hidden" name="AUTH_FORM" value="Y"><input type="hidden" name="TYPE" value="AUTH">
            <label>Логин <input name="USER_LOGIN" autocomplete="username"></label>
            <label>Пароль <input type="password" name="USER_PASSWORD" autocomplete="current-password"></label>
            <button>Войти</button>
            </form>
            HTML;
    }
}
