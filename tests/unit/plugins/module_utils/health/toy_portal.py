# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny portal in perfect health: a tree of files and a database with the fixture portal's tables."""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible_collections.boxlift.portal.plugins.module_utils.portal.files import PortalFiles
from ansible_collections.boxlift.portal.plugins.module_utils.sql.connection import Login, execute, rows

SCHEMA = pathlib.Path(__file__).resolve().parents[4] / "lab" / "portal" / "schema"
DOMAIN = "portal.boxlift.test"
PASSWORD = "the-portals-own-password"
CRYPTO_KEY = "0123456789abcdef0123456789abcdef"
LICENCE = "BOX-AAAA-BBBB-CCCC"
PUSH_KEY = "push-server-key"
#: The server's variables that a healthy portal needs.
VARIABLES = {
    "sql_mode": "",
    "innodb_strict_mode": "OFF",
    "max_allowed_packet": 16 * 1024 * 1024,
    "character_set_server": "utf8mb4",
}
MODULES = ("main", "pull", "im", "disk", "tasks", "forum", "search", "rest", "voximplant", "extranet")

SETTINGS = """<?php
return [
    'utf_mode' => ['value' => true, 'readonly' => true],
    'cache_flags' => ['value' => ['config_options' => 3600], 'readonly' => false],
    'exception_handling' => ['value' => ['debug' => false, 'handled_errors_types' => E_ALL & ~E_NOTICE]],
    'cookies' => ['value' => ['secure' => true, 'http_only' => true]],
    'session' => ['value' => ['mode' => 'default', 'handlers' => ['general' => ['type' => 'file']]]],
    'crypto' => ['value' => ['crypto_key' => '{crypto_key}'], 'readonly' => true],
    'connections' => [
        'value' => [
            'default' => [
                'className' => '\\\\Bitrix\\\\Main\\\\DB\\\\MysqliConnection',
                'host' => '{host}',
                'database' => '{database}',
                'login' => '{login}',
                'password' => '{password}',
                'options' => 2,
            ],
        ],
        'readonly' => true,
    ],
    'pull' => ['value' => [
        'nginx' => 'Y',
        'nginx_version' => 4,
        'signature_key' => 'push-server-key',
        'path_to_publish' => 'http://127.0.0.1:8895/bitrix/pub/',
    ]],
];
"""
DBCONN = """<?php
define("BX_TEMPORARY_FILES_DIRECTORY", "{temporary}");
define("BX_USE_MYSQLI", true);
$DBDebug = false;
$DBDebugToFile = false;
define("BX_FILE_PERMISSIONS", 0644);
define("BX_CRONTAB_SUPPORT", true);
"""
_PRESENT = {"BLOCKED": "N", "LAST_ACTIVITY_DATE": "NOW"}
ROWS: dict[str, list[dict[str, t.Any]]] = {
    "b_module": [{"ID": name} for name in MODULES],
    "b_lang": [
        {
            "LID": "s1",
            "DEF": "Y",
            "NAME": "Company",
            "DIR": "/",
            "LANGUAGE_ID": "ru",
            "DOC_ROOT": "",
            "SERVER_NAME": DOMAIN,
        },
        {"LID": "ex", "DEF": "N", "NAME": "Extranet", "DIR": "/ex/", "LANGUAGE_ID": "ru", "SERVER_NAME": DOMAIN},
    ],
    "b_lang_domain": [{"LID": "s1", "DOMAIN": DOMAIN}, {"LID": "ex", "DOMAIN": DOMAIN}],
    "b_option": [
        {"MODULE_ID": "main", "NAME": "server_name", "VALUE": DOMAIN},
        {"MODULE_ID": "main", "NAME": "mail_link_protocol", "VALUE": "https"},
        {"MODULE_ID": "main", "NAME": "PARAM_MAX_USERS", "VALUE": "50"},
        {"MODULE_ID": "main", "NAME": "update_devsrv", "VALUE": "N"},
        {"MODULE_ID": "main", "NAME": "update_site", "VALUE": "www.bitrix24.com"},
        {"MODULE_ID": "main", "NAME": "email_from", "VALUE": "portal@company.test"},
        {"MODULE_ID": "main", "NAME": "server_uniq_id", "VALUE": "0f1e2d3c"},
        {"MODULE_ID": "main", "NAME": "bx_fast_download", "VALUE": "Y"},
        {"MODULE_ID": "main", "NAME": "~support_finish_date", "VALUE": "2099-12-31"},
        {"MODULE_ID": "rest", "NAME": "service_client_id", "VALUE": "app.0123"},
        {"MODULE_ID": "rest", "NAME": "service_client_secret", "VALUE": "rest-secret"},
        {"MODULE_ID": "tasks", "NAME": "task_forum_id", "VALUE": "1"},
        {"MODULE_ID": "pull", "NAME": "push", "VALUE": "Y"},
        {"MODULE_ID": "security", "NAME": "otp_mandatory_using", "VALUE": "Y"},
        {"MODULE_ID": "extranet", "NAME": "extranet_site", "VALUE": "ex"},
        {"MODULE_ID": "intranet", "NAME": "search_file_extension_exe_pdf", "VALUE": 'sh "#FILE_NAME#"'},
        {"MODULE_ID": "socialservices", "NAME": "bitrix24net_domain", "VALUE": f"https://{DOMAIN}"},
        {"MODULE_ID": "socialservices", "NAME": "bitrix24net_id", "VALUE": "ext.0123"},
        {"MODULE_ID": "socialservices", "NAME": "bitrix24net_secret", "VALUE": "network-secret"},
        {"MODULE_ID": "disk", "NAME": "successfully_converted", "VALUE": "Y"},
        {"MODULE_ID": "voximplant", "NAME": "portal_url", "VALUE": f"https://{DOMAIN}"},
    ],
    "b_group": [{"ID": 1, "NAME": "Administrators", "SECURITY_POLICY": ""}, {"ID": 2, "NAME": "Everybody"}],
    "b_user": [
        {"ID": 1, "LOGIN": "admin", "PASSWORD": "$6$" + "x" * 103, "LAST_LOGIN": "2026-01-01", **_PRESENT},
        {"ID": 2, "LOGIN": "anna", "PASSWORD": "$6$" + "y" * 103, "LAST_LOGIN": "2026-01-02", **_PRESENT},
        {"ID": 3, "LOGIN": "bot", "PASSWORD": "", "EXTERNAL_AUTH_ID": "bot", "BLOCKED": "N"},
        {"ID": 4, "LOGIN": "guest", "PASSWORD": "", "EXTERNAL_AUTH_ID": "LDAP#1", "BLOCKED": "N"},
    ],
    "b_user_group": [{"USER_ID": 1, "GROUP_ID": 1}],
    "b_user_field": [{"ID": 7, "ENTITY_ID": "USER", "FIELD_NAME": "UF_DEPARTMENT"}],
    "b_utm_user": [{"VALUE_ID": user, "FIELD_ID": 7, "VALUE_INT": 1} for user in (1, 2)],
    "b_agent": [
        {
            "ID": 1,
            "MODULE_ID": "main",
            "NAME": "CAgent::CleanUp();",
            "IS_PERIOD": "N",
            "LAST_EXEC": "NOW",
            "NEXT_EXEC": "NOW",
        },
        {"ID": 2, "MODULE_ID": "tasks", "NAME": "CTaskReminders::Send();", "IS_PERIOD": "N", "NEXT_EXEC": "NOW"},
    ],
    "b_module_to_module": [
        {"FROM_MODULE_ID": "main", "MESSAGE_ID": "OnProlog", "TO_MODULE_ID": "rest", "UNIQUE_ID": "u1"}
    ],
    "b_event": [
        {"EVENT_NAME": "INVITE", "LID": "s1", "DATE_INSERT": "NOW", "SUCCESS_EXEC": "Y"},
        {"EVENT_NAME": "INVITE", "LID": "s1", "DATE_INSERT": "NOW", "SUCCESS_EXEC": "N"},
    ],
    "b_file": [
        {"ID": 10, "SUBDIR": "disk/a1", "FILE_NAME": "x.txt", "FILE_SIZE": 5},
        {"ID": 11, "SUBDIR": "disk/b2", "FILE_NAME": "y.txt", "FILE_SIZE": 6},
    ],
    "b_clouds_file_bucket": [],
    "b_search_content": [
        {"ID": 1, "DATE_CHANGE": "NOW", "MODULE_ID": "tasks", "ITEM_ID": "1"},
        {"ID": 2, "DATE_CHANGE": "NOW", "MODULE_ID": "main", "ITEM_ID": "U1"},
    ],
    "b_search_content_text": [
        {"SEARCH_CONTENT_ID": 1, "SEARCH_CONTENT_MD5": "0" * 32, "SEARCHABLE_CONTENT": "ONE"},
        {"SEARCH_CONTENT_ID": 2, "SEARCH_CONTENT_MD5": "1" * 32, "SEARCHABLE_CONTENT": "TWO"},
    ],
    "b_tasks": [
        {"ID": 1, "TITLE": "First", "FORUM_TOPIC_ID": 100, "CREATED_BY": 1, "RESPONSIBLE_ID": 2, "CHANGED_DATE": "NOW"}
    ],
    "b_forum_topic": [
        {"ID": 100, "FORUM_ID": 1, "TITLE": "First", "POSTS": 1, "XML_ID": "TASK_1", "START_DATE": "NOW"}
    ],
    "b_forum_message": [
        {"ID": 1000, "FORUM_ID": 1, "TOPIC_ID": 100, "NEW_TOPIC": "Y", "APPROVED": "Y", "POST_DATE": "NOW"},
        {"ID": 1001, "FORUM_ID": 1, "TOPIC_ID": 100, "NEW_TOPIC": "N", "APPROVED": "Y", "POST_DATE": "NOW"},
    ],
    "b_tasks_task_chat": [{"TASK_ID": 1, "CHAT_ID": 500}],
    "b_im_chat": [{"ID": 500, "TITLE": "First", "TYPE": "X", "DISK_FOLDER_ID": 1}],
    "b_im_message": [{"ID": 1, "CHAT_ID": 500, "AUTHOR_ID": 1, "MESSAGE": "Hello", "DATE_CREATE": "NOW"}],
    "b_forum": [{"ID": 1, "NAME": "Tasks"}],
    "b_disk_object": [
        {"ID": 1, "NAME": "First", "TYPE": 2, "STORAGE_ID": 1, "CREATE_TIME": "NOW"},
        {"ID": 2, "NAME": "x.txt", "TYPE": 3, "STORAGE_ID": 1, "FILE_ID": 10, "CREATE_TIME": "NOW"},
    ],
    "b_disk_attached_object": [
        {"ID": 1, "OBJECT_ID": 2, "MODULE_ID": "tasks", "ENTITY_TYPE": "Task", "ENTITY_ID": 1, "CREATE_TIME": "NOW"}
    ],
    "b_user_index": [{"USER_ID": 1}, {"USER_ID": 2}],
    "b_sec_user": [{"USER_ID": 1, "ACTIVE": "Y"}, {"USER_ID": 2, "ACTIVE": "Y"}],
    "b_ldap_server": [{"ID": 1, "SERVER": "ldap.company.test"}],
    "b_landing_domain": [{"ID": 1, "DOMAIN": "shop.company.test"}],
    "b_app_password": [{"ID": 1, "USER_ID": 1, "APPLICATION_ID": "caldav", "PASSWORD": "x"}],
    "b_mail_mailbox": [{"ID": 1, "LID": "s1", "SERVER": "imap.company.test", "PASSWORD": "mailbox-secret"}],
    "b_main_mail_sender": [],
    "b_main_messenger_message": [],
    "b_event_log": [],
    "b_rest_app": [
        {
            "ID": 1,
            "CLIENT_ID": "local.1",
            "CODE": "local.1",
            "INSTALLED": "Y",
            "URL": "https://app.partner.test/",
            "SCOPE": "crm",
            "STATUS": "L",
        }
    ],
    "b_rest_event": [{"ID": 1, "APP_ID": 1, "EVENT_NAME": "ONLEAD", "EVENT_HANDLER": "https://app.partner.test/lead"}],
    "b_rest_placement": [],
    "b_rest_ap": [{"ID": 1, "USER_ID": 1, "PASSWORD": "webhook-secret"}],
    "b_im_bot": [{"BOT_ID": 3, "MODULE_ID": "rest", "CODE": "helper", "APP_ID": "local.1"}],
    "b_imconnectors_custom_connectors": [],
    "b_imconnectors_status": [
        {"ID": 1, "CONNECTOR": "livechat", "LINE": "1", "ACTIVE": "Y", "CONNECTION": "Y", "REGISTER": "Y"}
    ],
    "b_crm_automation_trigger_app": [],
    "b_bp_rest_activity": [],
    "b_transformer_command": [],
    "b_dav_connections": [
        {
            "ID": 1,
            "ENTITY_ID": 1,
            "ACCOUNT_TYPE": "caldav",
            "NAME": "a",
            "SERVER_HOST": "c.test",
            "LAST_RESULT": "[200] OK",
        }
    ],
    "b_option_site": [],
    "b_admin_notify": [],
    "b_bitrixcloud_option": [],
}


#: Tables that the fixture portal does without.
MORE_TABLES = (
    "CREATE TABLE `b_ldap_server` (`ID` int NOT NULL AUTO_INCREMENT PRIMARY KEY, `ACTIVE` char(1) NOT NULL DEFAULT 'Y',"
    " `SERVER` varchar(255) NOT NULL, `PORT` int NOT NULL DEFAULT 389)",
    "CREATE TABLE `b_user_index` (`USER_ID` int NOT NULL PRIMARY KEY, `SEARCH_USER_CONTENT` text)",
    "CREATE TABLE `b_landing_domain` (`ID` int NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " `ACTIVE` char(1) NOT NULL DEFAULT 'Y', `DOMAIN` varchar(255) NOT NULL)",
)


class ToyPortal:
    """The files of one test, and the database that its tests share."""

    #: One database for all tests of a server.
    databases: t.ClassVar[dict[str, str]] = {}

    def __init__(self, root: pathlib.Path, server: t.Any) -> None:
        self.root, self.server = root, server
        socket = server.login.unix_socket
        if socket not in self.databases:
            self.databases[socket] = self._create_database(server)
        self.database = self.databases[socket]
        #: What a test has altered beside rows, to be put back by repair().
        self.altered: set[tuple[str, ...]] = set()
        self.login = Login(unix_socket=server.login.unix_socket, user="toy", password=PASSWORD)
        self._write_files()

    @classmethod
    def _create_database(cls, server: t.Any) -> str:
        """Tables of the fixture portal, and the account that the portal itself uses."""
        name = str(server.fresh_database("toy", "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"))
        conn = server.connect(name)
        for statement in cls.definitions():
            execute(conn, statement)
        execute(conn, "CREATE OR REPLACE USER toy@localhost IDENTIFIED BY %s", [PASSWORD])
        execute(conn, f"GRANT ALL ON {name}.* TO toy@localhost")
        conn.close()
        return name

    @staticmethod
    def definitions() -> list[str]:
        text = "\n".join(path.read_text("utf-8") for path in sorted(SCHEMA.glob("*.sql")))
        found = re.findall(r"^(CREATE TABLE .*?\n\));", text, re.DOTALL | re.MULTILINE)
        return [f"{each} ENGINE=InnoDB ROW_FORMAT=DYNAMIC" for each in (*found, *MORE_TABLES)]

    @property
    def files(self) -> PortalFiles:
        return PortalFiles(self.root)

    def connect(self) -> t.Any:
        return self.server.connect(self.database)

    def sql(self, statement: str, *args: t.Any) -> list[dict[str, t.Any]]:
        """One statement of a test; rows where it has any."""
        self.altered.update(
            re.findall(r"(?:ALTER|RENAME|DROP) TABLE (\w+)|(ALTER DATABASE)|(SET GLOBAL)|CREATE VIEW (\w+)", statement)
        )
        return self._run(statement, *args)

    def _run(self, statement: str, *args: t.Any) -> list[dict[str, t.Any]]:
        conn = self.connect()
        try:
            return rows(conn, statement, args)
        finally:
            conn.close()

    def fill(self) -> None:
        """Only the rows above, as if nothing had ever been changed."""
        conn = self.connect()
        conn.begin()
        for table, lines in ROWS.items():
            execute(conn, f"DELETE FROM {table}")
            for line in lines:
                marks = ["NOW()" if value == "NOW" else "%s" for value in line.values()]
                columns = ", ".join(f"`{column}`" for column in line)
                values = [value for value in line.values() if value != "NOW"]
                execute(conn, f"INSERT INTO {table} ({columns}) VALUES ({', '.join(marks)})", values)
        conn.commit()
        conn.close()

    def repair(self) -> None:
        """Tables, database and variables of the server as they were, where a test has altered them."""
        for table, database, variables, view in self.altered:
            if view:
                self._run(f"DROP VIEW IF EXISTS {view}")
            if table:
                self._run(f"DROP TABLE IF EXISTS `{table}`, `{table}_gone`")
                for definition in self.definitions():  # none for a table that a test has made itself
                    if f"CREATE TABLE `{table}`" in definition:
                        self._run(definition)
            if database:
                self._run(f"ALTER DATABASE {self.database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
            if variables:
                for name, value in (*VARIABLES.items(), ("innodb_default_row_format", "DYNAMIC")):
                    self._run(f"SET GLOBAL {name} = %s", value)
        self.altered.clear()

    def write(self, name: str, text: str, mode: int = 0o640) -> pathlib.Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(mode)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Breaks one place of a file."""
        path = self.root / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), "utf-8")

    def _write_files(self) -> None:
        settings = SETTINGS
        for name, value in (
            ("crypto_key", CRYPTO_KEY),
            ("host", f"localhost:{self.login.unix_socket}"),
            ("database", self.database),
            ("login", self.login.user),
            ("password", self.login.password),
        ):
            settings = settings.replace("{" + name + "}", value)
        self.write("bitrix/.settings.php", settings)
        temporary = self.root.parent / "temporary"
        temporary.mkdir(mode=0o700, exist_ok=True)
        self.write("bitrix/php_interface/dbconn.php", DBCONN.replace("{temporary}", str(temporary)))
        self.write("bitrix/license_key.php", f'<?php\n$LICENSE_KEY = "{LICENCE}";\n')
        for module in MODULES:
            version = (
                f'<?php\n$arModuleVersion = array("VERSION" => "26.1.{len(module)}", "VERSION_DATE" => "2026-01-01");\n'
            )
            self.write(f"bitrix/modules/{module}/install/version.php", version, 0o644)
        main = '<?php\ndefine("SM_VERSION", "26.250.100");\ndefine("SM_VERSION_DATE", "2026-04-13");\n'
        self.write("bitrix/modules/main/classes/general/version.php", main, 0o644)
        self.write("upload/disk/a1/x.txt", "12345", 0o644)
        self.write("upload/disk/b2/y.txt", "123456", 0o644)
        self.write("bitrix/managed_cache/MYSQL/b_option/aa.php", "<?php", 0o644)
