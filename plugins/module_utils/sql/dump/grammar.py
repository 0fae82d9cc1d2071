# SPDX-FileCopyrightText: boxlift.portal contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that CREATE TABLE and CREATE VIEW of a dump may hold.

What is in no list never reaches a server: a clause that a table can do without is left out and reported, and a
statement is refused where a word of `NEVER` or a function of `DANGEROUS` stands in it.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.upper().split())


# Engines that keep rows in the server's own files; a table of any other becomes one of InnoDB.
ENGINES = _words("InnoDB MyISAM Aria MEMORY ARCHIVE ROCKSDB TOKUDB")
ENGINE_ALIASES = {"HEAP": "MEMORY", "MARIA": "ARIA"}

TYPES = _words("""
    tinyint smallint mediumint int integer bigint decimal numeric fixed float double real bit bool boolean
    year date time datetime timestamp char nchar varchar nvarchar binary varbinary tinyblob blob mediumblob longblob
    tinytext text mediumtext longtext enum set json uuid inet4 inet6 vector
    geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection
""")

# Types that only one of the two servers, or only a newer one, knows; and what keeps their values.
OTHER_TYPES = {
    "GEOMCOLLECTION": "geometrycollection",
    "UUID": "char(36)",
    "INET4": "varchar(15)",
    "INET6": "varchar(39)",
    "VECTOR": "longblob",
    "XMLTYPE": "longtext",
}
MARIADB_TYPES = _words("uuid inet4 inet6")

GEOMETRY_TYPES = _words(
    "geometry point linestring polygon multipoint multilinestring multipolygon geometrycollection geomcollection"
)

# The first word of a definition that is not a column.
KEY_DEFINITIONS = _words("primary unique key index fulltext spatial vector constraint foreign check period")

# Where one of these stands after a column's type, outside of parentheses, a clause begins.
COLUMN_CLAUSES = _words("""
    unsigned signed zerofill character charset collate ascii unicode not null default on generated as auto_increment
    comment constraint check unique primary key references compressed invisible visible with without ref_system_id
    srid storage column_format engine_attribute secondary_engine_attribute virtual stored persistent enforced
""")

# Words of expressions: of defaults, checks, generated columns, functional indexes and partitions.
EXPRESSION_WORDS = _words("""
    not null true false and or xor is in like between case when then else end div mod interval escape regexp rlike
    current_timestamp current_date current_time localtimestamp localtime binary unknown collate character set charset
    second minute hour day week month quarter year microsecond unsigned signed using for from both leading trailing as
    asc desc
""")

# The value of a table option may be of these kinds of token; create_table.py treats ENGINE, CHARSET and COLLATE itself.
TABLE_OPTIONS: dict[str, tuple[str, ...]] = {
    "AUTO_INCREMENT": ("number",),
    "AVG_ROW_LENGTH": ("number",),
    "CHECKSUM": ("number",),
    "COMMENT": ("string", "double"),
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
MARIADB_OPTIONS = _words("page_checksum transactional")
ROW_FORMATS = _words("default dynamic fixed compressed redundant compact")

FOREIGN_KEY_WORDS = _words("match full partial simple on delete update cascade restrict set null default no action")

# Never in a definition of a dump: rows from elsewhere, files, variables.
NEVER = _words("select outfile dumpfile infile load procedure handler execute prepare call")
DANGEROUS = _words("""
    load_file sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock master_pos_wait
    master_gtid_wait source_pos_wait wait_for_executed_gtid_set sys_exec sys_eval sys_get sys_set
""")

PARTITION_WORDS = _words("""
    partition by range list hash key linear columns algorithm partitions subpartition subpartitions values less than
    in maxvalue engine comment max_rows min_rows default system_time interval limit current history auto starts
""")

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
    recursive over partition rows range groups unbounded preceding following current row window exclude ties no others
    intersect except minus lateral within respect ignore nulls first last values
    json_table columns path ordinality nested empty error default varchar int bigint text
    straight_join sql_small_result sql_big_result sql_buffer_result sql_no_cache sql_cache sql_calc_found_rows
    high_priority force use index key array of member
    match against boolean mode language query expansion timestamp real
""")

# Functions that only compute: none reads files, waits, locks or changes anything.
FUNCTIONS = _words("""
    abs acos adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg bin bin_to_uuid bit_and
    bit_count bit_length bit_or bit_xor cast
    ceil ceiling char char_length character_length charset chr coalesce coercibility collation compress concat concat_ws
    connection_id conv convert convert_tz cos cot count crc32 curdate current_date current_role current_time
    current_timestamp current_user curtime database date date_add date_format
    date_sub datediff day dayname dayofmonth dayofweek dayofyear degrees elt exp export_set extract field find_in_set
    floor format format_bytes from_base64 from_days from_unixtime get_format greatest group_concat grouping hex hour if
    ifnull in inet_aton
    inet_ntoa inet6_aton inet6_ntoa insert instr interval is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull
    json_array json_array_append json_array_insert json_arrayagg json_compact
    json_contains json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert
    json_key_value json_keys json_length
    json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object json_object_filter_keys
    json_object_to_array json_objectagg json_overlaps json_pretty
    json_query json_quote json_remove json_replace json_schema_valid json_search json_set json_storage_size json_type
    json_unquote json_valid json_value
    last_day lcase least left length lengthb ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set
    makedate maketime max md5 microsecond mid min minute mod month monthname natural_sort_key now nullif nvl nvl2 oct
    octet_length ord
    period_add period_diff pi position pow power quarter quote radians rand random_bytes regexp_instr regexp_like
    regexp_replace
    regexp_substr repeat replace reverse right round rpad rtrim schema sec_to_time second session_user sha sha1 sha2
    sign sin soundex space sformat
    sqrt std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum
    sysdate system_user tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_char
    to_days to_seconds
    trim truncate ucase uncompress uncompressed_length unhex unix_timestamp upper user utc_date utc_time utc_timestamp
    uuid uuid_short uuid_to_bin values
    var_pop var_samp variance version week weekday weekofyear weight_string year yearweek
    cume_dist dense_rank first_value lag last_value lead median nth_value ntile percent_rank percentile_cont
    percentile_disc rank row_number
    geomfromtext geometrycollection linestring multilinestring multipoint multipolygon point polygon
    st_area st_asbinary st_astext st_aswkb st_aswkt st_asgeojson st_buffer st_centroid st_contains st_convexhull
    st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals
    st_exteriorring st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn
    st_intersection st_intersects st_isclosed st_isempty st_isring st_issimple st_latitude st_length st_longitude
    st_numgeometries st_numinteriorrings st_numpoints st_overlaps st_pointfromtext st_pointn st_pointonsurface
    st_srid st_startpoint st_symdifference st_touches st_transform st_union st_within st_x st_y
    vec_distance vec_distance_cosine vec_distance_euclidean vec_fromtext vec_totext
""")
MYSQL_FUNCTIONS = _words("""
    any_value bin_to_uuid format_bytes grouping is_uuid json_schema_valid json_storage_size regexp_like
    st_latitude st_longitude st_transform uuid_to_bin
""")
MARIADB_FUNCTIONS = _words("""
    chr current_role json_compact json_detailed json_equals json_exists json_key_value json_loose json_normalize
    json_object_filter_keys json_object_to_array json_query lengthb median natural_sort_key nvl nvl2 percentile_cont
    percentile_disc sformat st_isring st_pointonsurface to_char vec_distance vec_distance_cosine vec_distance_euclidean
    vec_fromtext vec_totext
""")
