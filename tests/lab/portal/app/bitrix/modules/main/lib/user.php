<?php
// SPDX-FileCopyrightText: boxlift.portal contributors
// SPDX-License-Identifier: GPL-3.0-or-later

declare(strict_types=1);

namespace Boxlift\Fixture;

/** Who is there: by session, by login form, or by an Authorization header. */
final class User
{
    public static function id(): int
    {
        return (int)($_SESSION['SESS_AUTH']['USER_ID'] ?? 0);
    }

    public static function isAdmin(): bool
    {
        return (bool)Database::query('SELECT 1 FROM b_user_group WHERE USER_ID = ? AND GROUP_ID = 1', [self::id()]);
    }

    /** Users whom another service authenticates have no password here, whatever the column holds. */
    public static function login(string $login, string $password): bool
    {
        $user = Database::query(
            "SELECT ID, LOGIN, PASSWORD FROM b_user
                WHERE LOGIN = ? AND (EXTERNAL_AUTH_ID IS NULL OR EXTERNAL_AUTH_ID = '')
                AND ACTIVE = 'Y' AND BLOCKED <> 'Y' AND PASSWORD_EXPIRED <> 'Y' AND COALESCE(CONFIRM_CODE, '') = ''",
            [$login],
        )[0] ?? null;
        if ($user === null || !self::verify($password, $user['PASSWORD'])) {
            return false;
        }
        session_regenerate_id(true);
        $_SESSION['SESS_AUTH'] = ['USER_ID' => (int)$user['ID'], 'LOGIN' => $user['LOGIN']];
        $_SESSION['SESSION_IP_MASK'] = self::addressMask((int)$user['ID']);
        $_SESSION['SESS_IP'] = $_SERVER['REMOTE_ADDR'] ?? '';
        Database::query('UPDATE b_user SET LAST_LOGIN = NOW(), LAST_ACTIVITY_DATE = NOW() WHERE ID = ?', [$user['ID']]);
        Session::setCookie('LOGIN', $user['LOGIN']);
        return true;
    }

    /** Applications send the password with every request. */
    public static function loginByHeader(): bool
    {
        $login = $_SERVER['PHP_AUTH_USER'] ?? '';
        return $login !== '' && self::login($login, $_SERVER['PHP_AUTH_PW'] ?? '');
    }

    public static function logout(): void
    {
        unset($_SESSION['SESS_AUTH'], $_SESSION['SESSION_IP_MASK']);
    }

    /** SHA-512 crypt, or the older salt followed by MD5, or MD5 alone. */
    private static function verify(string $password, string $hash): bool
    {
        if (str_starts_with($hash, '$6$')) {
            return password_verify($password, $hash);
        }
        $salt = substr($hash, 0, -32);
        return strlen($hash) >= 32 && hash_equals(substr($hash, -32), md5($salt . $password));
    }

    /** The strictest mask of the user's groups: the one with most bits. */
    private static function addressMask(int $user): string
    {
        $strictest = '';
        $rows = Database::query(
            'SELECT g.SECURITY_POLICY FROM b_group g JOIN b_user_group u ON u.GROUP_ID = g.ID WHERE u.USER_ID = ?',
            [$user],
        );
        foreach ($rows as $row) {
            $policy = unserialize((string)$row['SECURITY_POLICY'], ['allowed_classes' => false]) ?: [];
            $mask = $policy['SESSION_IP_MASK'] ?? '';
            if ($mask !== '' && ip2long($mask) > (int)ip2long($strictest)) {
                $strictest = $mask;
            }
        }
        return $strictest;
    }
}
