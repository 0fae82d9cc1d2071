# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that CREATE TABLE and CREATE VIEW of a dump may hold. What is in no list is refused."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.upper().split())


ENGINES = _words("InnoDB MyISAM Aria MEMORY")

TYPES = _words("""
    tinyint smallint mediumint int integer bigint decimal numeric float double real bit boolean
    year date time datetime timestamp char varchar binary varbinary tinyblob blob mediumblob longblob
    tinytext text mediumtext longtext enum set json uuid inet4 inet6
    geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection
""")

GEOMETRY_TYPES = _words(
    "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection geomcollection"
)

# The first word of a definition that is not a column.
KEY_DEFINITIONS = _words("primary unique key index fulltext spatial constraint foreign check")

COLUMN_WORDS = _words("""
    not null default auto_increment comment unsigned signed zerofill character set charset collate
    generated always as virtual stored persistent on update delete cascade restrict no action
    primary unique key index fulltext spatial constraint foreign references check using btree hash
    key_block_size asc desc current_timestamp current_date current_time localtimestamp true false
    and or xor is in like between case when then else end div mod interval escape regexp rlike
    ref_system_id
""")

# Table options and the kinds of token their value may be; create_table.py treats ENGINE, CHARSET and COLLATE itself.
TABLE_OPTIONS: dict[str, tuple[str, ...]] = {
    "AUTO_INCREMENT": ("number",),
    "AVG_ROW_LENGTH": ("number",),
    "CHECKSUM": ("number",),
    "COMMENT": ("string",),
    "COMPRESSION": ("string",),
    "DELAY_KEY_WRITE": ("number",),
    "KEY_BLOCK_SIZE": ("number",),
    "MAX_ROWS": ("number",),
    "MIN_ROWS": ("number",),
    "PACK_KEYS": ("number", "word"),
    "PAGE_CHECKSUM": ("number",),
    "ROW_FORMAT": ("word",),
    "STATS_AUTO_RECALC": ("number", "word"),
    "STATS_PERSISTENT": ("number", "word"),
    "STATS_SAMPLE_PAGES": ("number", "word"),
    "TRANSACTIONAL": ("number",),
}

# Contents of executable comments that MySQL writes and MariaDB does not need: dropped and reported.
# A quoted name is written as `name`, a number as 0.
DISPENSABLE = frozenset(
    {
        ("WITH", "PARSER", "`"),
        ("INVISIBLE",),
        ("NOT", "ENFORCED"),
        ("SRID", "0"),
        ("STORAGE", "DISK"),
        ("STORAGE", "MEMORY"),
        ("COLUMN_FORMAT", "FIXED"),
        ("COLUMN_FORMAT", "DYNAMIC"),
    }
)

VIEW_ALGORITHMS = _words("undefined merge temptable")

VIEW_WORDS = _words("""
    select distinct from where and or xor not in is null true false unknown like between exists case when then else end
    as on using join left right inner outer cross straight_join natural group by order asc desc having limit offset
    union all any some interval escape rlike regexp sounds collate binary div mod with rollup cascaded local check
    option microsecond second minute hour day week month quarter year
    day_hour day_minute day_second hour_minute hour_second minute_second year_month day_microsecond
    second_microsecond minute_microsecond hour_microsecond
    signed unsigned char charset character set decimal date datetime time integer double float json nchar separator
    both leading trailing for current_timestamp current_date current_time localtimestamp utc_timestamp utc_date utc_time
""")

# Functions that only compute: none reads files, waits, locks or changes anything.
FUNCTIONS = _words("""
    abs acos adddate addtime ascii asin atan atan2 avg bin bin_to_uuid bit_and bit_count bit_length bit_or bit_xor cast
    ceil ceiling char char_length character_length charset coalesce coercibility collation concat concat_ws conv convert
    convert_tz cos cot count crc32 curdate current_date current_time current_timestamp curtime date date_add date_format
    date_sub datediff day dayname dayofmonth dayofweek dayofyear degrees elt exp export_set extract field find_in_set
    floor format from_base64 from_days from_unixtime get_format greatest group_concat hex hour if ifnull in inet_aton
    inet_ntoa inet6_aton inet6_ntoa insert instr interval is_ipv4 is_ipv6 isnull json_array json_arrayagg json_compact
    json_contains json_contains_path json_depth json_detailed json_exists json_extract json_insert json_keys json_length
    json_loose json_merge json_merge_patch json_merge_preserve json_object json_objectagg json_overlaps json_pretty
    json_query json_quote json_remove json_replace json_search json_set json_type json_unquote json_valid json_value
    last_day lcase least left length ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set
    makedate maketime max md5 microsecond mid min minute mod month monthname now nullif nvl nvl2 oct octet_length ord
    period_add period_diff pi position pow power quarter quote radians rand regexp_instr regexp_like regexp_replace
    regexp_substr repeat replace reverse right round rpad rtrim sec_to_time second sha sha1 sha2 sign sin soundex space
    sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum
    sysdate tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_days to_seconds
    trim truncate ucase unhex unix_timestamp upper utc_date utc_time utc_timestamp uuid uuid_short uuid_to_bin values
    var_pop var_samp variance week weekday weekofyear weight_string year yearweek
""")
