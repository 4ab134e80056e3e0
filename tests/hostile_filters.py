"""Filters that mean harm: what no client should send, and every client may."""

INJECTED = (
    "' OR 1=1 --", "'; DROP TABLE jobs; --", "' UNION SELECT secret_hash FROM keys --", "1; DELETE FROM jobs",
    "'; UPDATE tenants SET name='x'; --", "' || (SELECT code FROM tenants LIMIT 1) || '", "\\'; TRUNCATE jobs; --",
    "$1", "$8::text", "$$; DROP TABLE jobs; $$", "%s", "{0}", "%(x)s", "' AND pg_sleep(5) IS NULL --", "E'\\x00'",
    "/* */ OR true", "-- ", "*/", "';COPY jobs TO '/tmp/x';--", "' OR tenant_id = 2 --", "U&'\\0027'",
    "\u2018\u2019\u201c\u201d", "'",
    "''", "'''", "''''", "\\", "\\\\", "%", "_", "\u202e", "\U0001f986",
    "ß", "İ", "\n", "\t", "\r\n", "\x01", "\x7f", "\ufeff", "\u2028", "null", "NaN", "Infinity", "true",
    "a" * 2000, "(" * 500, "[]", "{}", "<script>alert(1)</script>", "../../etc/passwd", "${jndi:ldap://x}",
)  # fmt: skip
"""Texts that are nothing but texts, wherever they stand in quotes."""

TEMPLATES = (
    "jobStatus eq '{}'", "contains(jobDescription,'{}')", "jobId eq '{}'", "createdBy in ('{}','x')",
    "startswith(createdBy,'{}') or false", "not (categoryName ne '{}')",
)  # fmt: skip

OTHER_COLUMNS = (
    "tenant_id", "tenantId", "jobs.tenant_id", "secret_hash", "sealed_args", "args", "id", "version", "output",
    "error",
    "lease_id", "type", "number", "storage_key", "options", "pg_sleep", "current_user", "key_0", "told", "asked",
    "__class__", "constructor", "toString", "password", "DROP", "SELECT",
)  # fmt: skip

BROKEN = (
    "", " ", "'", "(", ")", "()", "(((", ")))", "eq", "and", "or", "not", "not not", "jobStatus", "jobStatus eq",
    "eq 'x'", "jobStatus eq eq 'x'", "jobStatus = 'x'", "jobStatus == 'x'", "jobStatus eq \"x\"", "jobStatus eq x",
    "jobStatus eq 'x", "jobStatus eq x'", "jobStatus eq 'x' and", "and jobStatus eq 'x'", "jobStatus eq 'x' jobStatus",
    "jobStatus eq 'x' or or jobStatus eq 'y'", "jobStatus in", "jobStatus in ()", "jobStatus in (", "jobStatus in (,)",
    "jobStatus in ('a',)", "jobStatus in (('a'))", "jobStatus in ('a',('b'))", "jobStatus in 'a'", "jobStatus in (1)",
    "jobStatus in (createdBy)", "jobStatus in (jobStatus,jobStatus)", "jobStatus has 'x'", "jobStatus like '%'",
    "jobStatus eq 'x';jobStatus eq 'y'", "jobStatus,createdBy", "1", "1 eq 1", "'a' eq 'a'", "null", "null eq null",
    "1 eq null", "jobStatus eq createdBy", "createdBy eq createdBy", "createdDate eq createdDate", "1 in (1,2)",
    "jobStatus/length eq 1", "jobStatus/any(x:x eq 'a')", "jobStatus/all(x:x eq 'a')", "jobs/any()", "a/b/c/d eq 1",
    "x/any(y:y/any(z:z eq 1))", "any(x:x)", "$it eq 'x'", "$it/jobStatus eq 'x'", "$root/x eq 1", "@a", "@a eq 'x'",
    "jobStatus eq @p1", "length(jobStatus) eq 1", "tolower(jobStatus) eq 'x'", "toupper(jobStatus) eq 'X'",
    "trim(jobStatus) eq 'x'", "concat(jobStatus,'x') eq 'y'", "indexof(jobStatus,'x') eq 1",
    "substring(jobStatus,1) eq 'x'", "substring(jobStatus,1,2) eq 'x'", "substringof('x',jobStatus)",
    "year(createdDate) eq 2026", "now() eq createdDate", "createdDate lt now()", "maxdatetime() gt createdDate",
    "date(createdDate) eq 2026-01-01", "round(percentCompleted) eq 1", "floor(percentCompleted) eq 1",
    "matchesPattern(jobStatus,'(a+)+$')", "geo.distance(jobStatus,jobStatus) eq 1", "pg_sleep(10)",
    "pg_sleep(10) eq null", "version()", "contains()", "contains(jobStatus)", "contains(jobStatus,1)",
    "contains(jobStatus,null)", "contains(jobStatus,jobStatus)", "contains('a','b')", "contains('a',jobStatus)",
    "contains(percentCompleted,'1')", "contains(createdDate,'2026')", "contains(jobStatus,'a','b')",
    "contains(jobStatus,contains(jobStatus,'a'))", "contains(contains(jobStatus,'a'),'a')",
    "contains(jobStatus,('a'))",
    "contains(x=jobStatus,y='a')", "f(x=1,y=2)", "f(x=1,y=2,z=3)", "CONTAINS(jobStatus,'a')",
    "x.contains(jobStatus,'a')",
    "ns.jobStatus eq 'x'", "cast(jobStatus,'Edm.Int32') eq 1", "isof('x')", "percentCompleted add 1 eq 2",
    "percentCompleted sub 1 gt 2", "percentCompleted mul 2 eq 4", "percentCompleted div 0 eq 1",
    "percentCompleted mod 0 eq 1", "-percentCompleted eq 1", "1 add 1 eq 2", "percentCompleted eq 'x'",
    "percentCompleted eq '50'", "percentCompleted eq null null", "percentCompleted eq true",
    "percentCompleted eq 2020-01-01", "percentCompleted eq 1.2.3", "percentCompleted eq 0x10",
    "percentCompleted eq NaN",
    "percentCompleted eq INF", "percentCompleted eq 1e400", "percentCompleted eq 1e-400",
    "percentCompleted eq 1e999999999", "percentCompleted eq -1e999999999", "percentCompleted eq " + "9" * 5000,
    "percentCompleted in (1,'a')", "percentCompleted in (1," + ",".join("1" * 2000) + ")", "percentCompleted eq --1",
    "percentCompleted eq - - - 1", "percentCompleted eq +1", "percentCompleted eq 1 eq 1",
    "percentCompleted gt 1 gt 0",
    "createdDate eq 'x'", "createdDate eq '2026-01-01T00:00:00Z'", "createdDate eq 5", "createdDate eq true",
    "createdDate eq 2026-02-31", "createdDate eq 2026-13-01", "createdDate eq 2026-02-31T00:00:00Z",
    "createdDate eq 2026-01-01T25:00:00Z", "createdDate eq 2026-01-01T00:00:60Z", "createdDate eq 0000-01-01",
    "createdDate eq 9999-12-31T23:59:59-23:59", "createdDate eq 1000-01-01T00:00:00+23:59",
    "createdDate eq 99999-01-01",
    "createdDate eq 2026-01-01T00:00:00+99:99", "createdDate eq 2026-01-01T00::00:00Z", "createdDate eq 12:00:00",
    "createdDate eq duration'P1D'", "createdDate eq geography'x'", "createdDate lt duration'PT1S'",
    "createdDate eq 2026-01-01T00:00:00.1234567890123Z", "jobStatus eq 5", "jobStatus eq 5.5", "jobStatus eq true",
    "jobStatus eq 2026-01-01", "jobStatus eq 2026-01-01T00:00:00Z", "jobStatus eq duration'P1D'",
    "jobStatus eq geography'POINT(0 0)'", "canReRun eq true", "not jobStatus eq 'x'", "not 5", "not 'x'", "not null",
    "publishLink eq 'x'", "publishLink ne null", "contains(response,'x')", "requestURL eq 'x'", "downloadUri eq 'x'",
    "@odata.etag eq 'x'", "odata.etag eq 'x'", "publishLink in ('a','b')", "jobStatus eq 'x' union select 1",
    "jobStatus eq 'x') or (1 eq 1", "jobStatus eq 'x' -- ", "jobStatus eq 'x' /* */", "jobStatus eq 'x' # y",
    "jobStatus eq 'x'; drop table jobs", "1=1", "true or 1=1", "true;", "jobStatus eq $1", "jobStatus eq ?",
    "jobStatus eq :x", "jobStatus eq {x}", "jobStatus eq [1]", "jobStatus eq `x`", "jobStatus eq 'a' 'b'",
    "jobStatus eq 'x'\0", "jobStatus eq '\0'", "job\0Status eq 'x'", "jobStatus\u00a0eq\u00a0'x'",
    "\uff4aobStatus eq 'x'",
    "jobStatus\teq\n'x'", "(" * 33 + "true" + ")" * 33, "(" * 3000 + "true" + ")" * 3000, "not " * 101 + "true",
    "not " * 1900 + "true", "not (" * 32 + "true" + ")" * 32, "a" * 7000, "a/" * 3000 + "b eq 1", "-" * 3000 + "1",
    "(1," * 30 + "1" + ")" * 30, "true and " * 800 + "true", "jobStatus eq 'x' eq " * 300 + "true",
    "'" * 3001, "'" * 3000,
    "x" * 7900, "in in in", "in (1)", "jobStatus in in ('a')", "not in ('a')", "(jobStatus) in ('a','b')",
    "(jobStatus eq 'a') in ('a','b')", "any eq 1", "all eq 1", "null in (null,null)", "jobStatus in (null,null)",
    "true eq true", "true eq contains(jobStatus,'a')", "contains(jobStatus,'a') gt true",
    "contains(jobStatus,'a') eq null",
    "contains(jobStatus,'a') eq 'a'", "(true) and (false)", "true eq false", "jobStatus eq (('a'))",
    "jobStatus eq ('a')",
)  # fmt: skip
"""Whole filters."""


def corpus() -> list[str]:
    """All of them."""
    quoted = [template.format(text.replace("'", "''")) for template in TEMPLATES for text in INJECTED]
    bare = [f"jobStatus eq {text}" for text in INJECTED] + [f"jobStatus eq '{text}" for text in INJECTED]
    columns = [f"{name} eq 'x'" for name in OTHER_COLUMNS] + [f"{name} ne null" for name in OTHER_COLUMNS]
    return [*quoted, *bare, *columns, *BROKEN]
