-- The whole database, readable from top to bottom; the truth for a new install.
-- Times are kept to the millisecond, because clients compare what they are shown.
-- The tenant is the first column of every index that serves a client's question.
-- jobs.tenant_id has no foreign key: each insert would lock the tenant's one row, which every submit of
-- that tenant shares; a tenant with jobs can't be deleted anyway (service/access/store.py).

CREATE TABLE schema_migrations (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz(3) NOT NULL DEFAULT now()
);

-- Who may call ------------------------------------------------------------------------------------------------------

CREATE TABLE tenants (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id      uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    code           text NOT NULL UNIQUE CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name           text NOT NULL,
    account_code   text,
    database_name  text,
    caps           jsonb NOT NULL DEFAULT '{}',       -- {queued, running, storage_bytes, requests_per_minute, waiters}
    key_requests_per_minute integer CHECK (key_requests_per_minute > 0),   -- of the tenant's requests, what one key may take
    retention      jsonb NOT NULL DEFAULT '{}',       -- days by kind: {jobs, messages, attachments, outputs}
    link_seconds   integer NOT NULL DEFAULT 604800 CHECK (link_seconds > 0),
    version        integer NOT NULL DEFAULT 1,
    created_at     timestamptz(3) NOT NULL DEFAULT now()
);

CREATE INDEX tenants_with_a_running_cap ON tenants (id) WHERE caps ->> 'running' IS NOT NULL;   -- which each claim asks for

INSERT INTO tenants (code, name) VALUES ('default', 'Default');

-- How far a tenant's retention of a kind has been carried out: all jobs that ended until then have been looked at.
CREATE TABLE retention_walks (
    tenant_id  integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('jobs', 'messages', 'attachments', 'outputs')),
    until      timestamptz(3) NOT NULL DEFAULT 'epoch',
    PRIMARY KEY (tenant_id, kind)
);

CREATE TABLE keys (
    id               uuid PRIMARY KEY,
    tenant_id        integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name             text NOT NULL,
    principal        text NOT NULL CHECK (principal <> ''),
    roles            text[] NOT NULL DEFAULT '{}' CHECK (roles <@ ARRAY['viewer', 'user', 'curator', 'admin']),
    grants           text[] NOT NULL DEFAULT '{}',
    secret_hash      bytea NOT NULL UNIQUE,           -- SHA-256 of the whole token: the secret is random, so a slow hash adds nothing
    previous_hash    bytea UNIQUE,                    -- the token before a rotation, good until previous_until
    previous_until   timestamptz(3),
    created_by       text NOT NULL,
    created_at       timestamptz(3) NOT NULL DEFAULT now(),
    expires_at       timestamptz(3),
    last_used_at     timestamptz(3),
    revoked_at       timestamptz(3),
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
CREATE INDEX keys_of_tenant ON keys (tenant_id, id);

CREATE TABLE sessions (                               -- of the dashboard, and tickets that each become one session, once
    token_hash  bytea PRIMARY KEY,                     -- SHA-256: the cookie itself is kept nowhere
    key_id      uuid NOT NULL REFERENCES keys ON DELETE CASCADE,   -- what it may do, and how long, is what its key may
    is_ticket   boolean NOT NULL,
    created_at  timestamptz(3) NOT NULL DEFAULT now(),
    expires_at  timestamptz(3) NOT NULL
);
CREATE INDEX sessions_of_key ON sessions (key_id, created_at);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- What there is to run ----------------------------------------------------------------------------------------------

CREATE TABLE files (                                   -- bytes in storage: written first, their row second
    id           uuid PRIMARY KEY,
    tenant_id    integer NOT NULL,
    name         text NOT NULL,
    mime_type    text NOT NULL,
    size         bigint NOT NULL CHECK (size >= 0),
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    storage_key  text NOT NULL UNIQUE,
    created_by   text NOT NULL,
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    expires_at   timestamptz(3)                        -- null while something uses it; else purge removes row and bytes
);
CREATE INDEX files_expired ON files (expires_at) WHERE expires_at IS NOT NULL;

-- How many bytes a tenant has in storage, kept as job_tallies below are, and folded with them.
CREATE TABLE file_tallies (
    tenant_id  integer NOT NULL,
    bytes      bigint NOT NULL
);
CREATE INDEX file_tallies_of_tenant ON file_tallies (tenant_id);

CREATE FUNCTION tally_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO file_tallies SELECT tenant_id, sum(size) FROM now_files GROUP BY tenant_id;
    ELSE
        INSERT INTO file_tallies SELECT tenant_id, -sum(size) FROM former_files GROUP BY tenant_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER files_come AFTER INSERT ON files REFERENCING NEW TABLE AS now_files
    FOR EACH STATEMENT EXECUTE FUNCTION tally_files();
CREATE TRIGGER files_go AFTER DELETE ON files REFERENCING OLD TABLE AS former_files
    FOR EACH STATEMENT EXECUTE FUNCTION tally_files();

CREATE TABLE job_definitions (                         -- stored requests: what a job copies when it is made from one
    id                         uuid PRIMARY KEY,
    tenant_id                  integer NOT NULL REFERENCES tenants,
    code                       text NOT NULL,
    type                       text NOT NULL,
    name                       text NOT NULL,
    description                text,
    args                       json NOT NULL DEFAULT '{}',
    sealed_args                text,                    -- where args show ***: all of them, sealed
    attachment_file_id         uuid REFERENCES files,
    attachment_url             text,
    attachment_name            text,
    attachment_mime_type       text,
    priority                   smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 4),
    worker_tag                 text,
    publish_link_access_scope  text NOT NULL DEFAULT 'private' CHECK (publish_link_access_scope IN ('public', 'private', 'organization')),
    timeout_seconds            integer NOT NULL DEFAULT 3600 CHECK (timeout_seconds > 0),
    max_attempts               smallint NOT NULL DEFAULT 1 CHECK (max_attempts BETWEEN 1 AND 100),
    labels                     jsonb NOT NULL DEFAULT '{}',
    shared_with                text[] NOT NULL DEFAULT '{}',  -- principals, or * for the whole tenant
    options                    json NOT NULL DEFAULT '{}',
    schedule                   json,
    walked_at                  timestamptz(3),          -- what became of the times of its cron expression is decided up to here
    next_run_at                timestamptz(3),          -- the next of them; null while it is off, or at its end
    next_due_at                timestamptz(3),          -- the same with its jitter
    last_run_at                timestamptz(3),
    last_job_id                uuid,                    -- no foreign key: jobs are purged
    version                    integer NOT NULL DEFAULT 1,
    created_by                 text NOT NULL,
    created_at                 timestamptz(3) NOT NULL DEFAULT now(),
    updated_at                 timestamptz(3) NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, code),
    CHECK ((next_run_at IS NULL) = (next_due_at IS NULL) AND (next_run_at IS NULL) = (walked_at IS NULL)),
    CHECK (next_run_at IS NULL OR schedule IS NOT NULL)
);
CREATE INDEX job_definitions_to_fire ON job_definitions (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX job_definitions_of_file ON job_definitions (attachment_file_id) WHERE attachment_file_id IS NOT NULL;

CREATE TABLE fires (                                   -- what became of each time of a schedule
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    definition_id  uuid NOT NULL REFERENCES job_definitions ON DELETE CASCADE,
    at             timestamptz(3) NOT NULL,
    local          text NOT NULL,                      -- what the clock of its zone showed
    policy         text NOT NULL CHECK (policy IN ('normal', 'dst_gap_shifted', 'dst_fold_first', 'dst_fold_second',
                                                   'dst_gap_skipped', 'dst_fold_skipped')),
    outcome        text NOT NULL CHECK (outcome IN ('fired', 'waiting', 'missed', 'overlapped', 'refused', 'left_out')),
    job_id         uuid,                               -- no foreign key: jobs are purged
    detail         text,
    decided_at     timestamptz(3) NOT NULL DEFAULT now(),
    CHECK ((outcome = 'fired') = (job_id IS NOT NULL)),
    CHECK ((outcome = 'left_out') = (policy IN ('dst_gap_skipped', 'dst_fold_skipped')))
);
CREATE UNIQUE INDEX fires_once ON fires (definition_id, at) WHERE outcome <> 'left_out';   -- one fire time, one job
CREATE INDEX fires_waiting ON fires (definition_id, at) WHERE outcome = 'waiting';
CREATE INDEX fires_newest ON fires (definition_id, id DESC);
CREATE INDEX fires_old ON fires (decided_at);

-- Jobs: the hot row, what progress and heartbeat touch, is narrow and carries no index on what changes often --------

CREATE TABLE jobs (
    id                 uuid PRIMARY KEY,
    number             bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id          integer NOT NULL,
    type               text NOT NULL,
    definition         text,                           -- the code, as it was at creation
    queue              text NOT NULL DEFAULT 'default',
    status             text NOT NULL DEFAULT 'pending'
                       CHECK (status IN ('pending', 'suspended', 'running', 'finished', 'failed', 'cancelled')),
    priority           smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 4),   -- low, default, medium, high, critical
    worker_tag         text,
    version            integer NOT NULL DEFAULT 1,     -- one sequence over the job's changes and its messages
    run                integer NOT NULL DEFAULT 1 CHECK (run >= 1),
    attempt            integer NOT NULL DEFAULT 1 CHECK (attempt >= 1),
    claim              integer NOT NULL DEFAULT 0,     -- how often a worker took it, over all runs
    crashes            smallint NOT NULL DEFAULT 0,    -- lost workers in this run, counted apart from attempts
    max_attempts       smallint NOT NULL DEFAULT 1 CHECK (max_attempts BETWEEN 1 AND 100),
    timeout_seconds    integer NOT NULL DEFAULT 3600 CHECK (timeout_seconds > 0),
    due_at             timestamptz(3) NOT NULL,        -- no worker takes it before
    start_by           timestamptz(3),                 -- from expires_in: not started by then, it is cancelled
    lease_id           uuid,                           -- written anew by each claim: the fence of every later write
    lease_until        timestamptz(3),
    worker_id          text,
    claimed_at         timestamptz(3),
    cancel_requested_at timestamptz(3),
    percent_completed  smallint NOT NULL DEFAULT 0 CHECK (percent_completed BETWEEN 0 AND 100),
    running_output     text,
    status_text        text,
    response_type      text CHECK (response_type IN ('inline', 'publish_link')),
    output             text,                           -- small results only; null while the job runs, so the hot row stays narrow
    error              json,                           -- {code, message, retryable}
    created_by         text NOT NULL,
    created_at         timestamptz(3) NOT NULL,
    updated_at         timestamptz(3) NOT NULL,
    started_at         timestamptz(3),                 -- of this run's first claim
    terminated_at      timestamptz(3),
    purge_at           timestamptz(3),
    modified_at        timestamptz(3),                 -- by a person, not by progress
    CONSTRAINT running_has_a_lease CHECK ((status = 'running') = (lease_id IS NOT NULL)),
    CONSTRAINT lease_is_whole CHECK ((lease_id IS NULL) = (lease_until IS NULL) AND (lease_id IS NULL OR (worker_id IS NOT NULL AND claimed_at IS NOT NULL))),
    CONSTRAINT terminal_has_an_end CHECK ((status IN ('finished', 'failed', 'cancelled')) = (terminated_at IS NOT NULL)),
    CONSTRAINT hundred_is_finished CHECK ((percent_completed = 100) = (status = 'finished')),
    CONSTRAINT failed_has_an_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT only_ended_jobs_have_errors CHECK (error IS NULL OR status IN ('failed', 'cancelled'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
-- Each index costs three entries a job (creation, claim, end: the status changes, so no update of those is HOT).
CREATE INDEX jobs_newest ON jobs (tenant_id, created_at DESC, id DESC);       -- lists, newest first
CREATE UNIQUE INDEX jobs_number ON jobs (tenant_id, number);
CREATE INDEX jobs_by_status ON jobs (tenant_id, status, created_at, id);
CREATE INDEX jobs_by_type ON jobs (tenant_id, type, created_at, id);
CREATE INDEX jobs_by_creator ON jobs (tenant_id, created_by, created_at, id);  -- what a caller without jobs:read_all may see
CREATE INDEX jobs_by_definition ON jobs (tenant_id, definition, created_at, id) WHERE definition IS NOT NULL;
CREATE INDEX jobs_open_of_definition ON jobs (tenant_id, definition)           -- what a next fire may overlap with
    WHERE definition IS NOT NULL AND status IN ('pending', 'suspended', 'running');
CREATE INDEX jobs_waiting ON jobs (priority DESC, due_at, id) WHERE status = 'pending';
CREATE INDEX jobs_running ON jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_ended ON jobs (tenant_id, terminated_at) WHERE terminated_at IS NOT NULL;
CREATE INDEX jobs_modified ON jobs (tenant_id, modified_at) WHERE modified_at IS NOT NULL;
CREATE INDEX jobs_to_purge ON jobs (purge_at) WHERE purge_at IS NOT NULL;
CREATE INDEX jobs_to_expire ON jobs (start_by) WHERE status IN ('pending', 'suspended') AND start_by IS NOT NULL;

-- What comes in batches: NewJob of service/jobs/store.py, Settlement of endings.py, Report and Message of reports.py. An
-- array of these costs asyncpg a fifth of what an array for each column does, which it checks element by element.
-- A change of one is a new type, as the processes of the version before still send this one during an upgrade.
CREATE TYPE new_job AS (
    id uuid, tenant_id integer, type text, definition text, queue text, priority smallint, worker_tag text,
    max_attempts smallint, timeout_seconds integer, created_by text, args json, attachment_file_id uuid,
    attachment_url text, attachment_name text, attachment_mime_type text, description text, category text,
    sub_category text, labels jsonb, client_request_id text, correlation_id text, idempotency_key text,
    can_rerun boolean, run_at timestamptz, expires_in integer, publish_link_access_scope text, notify json,
    root_id uuid, digest bytea, request_hash bytea, sealed_args text, options json, key_id uuid, address text,
    request_id text, traceparent text, action text, is_scheduled boolean
);

CREATE TYPE settlement AS (
    job_id uuid, lease_id uuid, status text, outcome text, next_attempt boolean, retry_seconds float8,
    percent smallint, running_output text, output text, response_type text, error json, outputs json, link_id uuid,
    messages integer
);
CREATE TYPE report AS (
    job_id uuid, lease_id uuid, percent smallint, running_output text, status_text text, messages integer
);
CREATE TYPE said AS (lease_id uuid, ordinal integer, time timestamptz, level text, text text, tool_id text);

-- How many jobs there are, exactly, without counting millions: each statement that changes jobs adds a row a group
-- with the difference, so nobody waits for a counter; workers/upkeep/tally.py folds the rows. A count is their sum.
CREATE TABLE job_tallies (
    tenant_id  integer NOT NULL,
    status     text NOT NULL,
    type       text NOT NULL,
    queue      text NOT NULL,
    jobs       bigint NOT NULL
);
CREATE INDEX job_tallies_of_tenant ON job_tallies (tenant_id);

CREATE FUNCTION tally_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO job_tallies
        SELECT tenant_id, status, type, queue, count(*) FROM now_jobs GROUP BY tenant_id, status, type, queue;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO job_tallies
        SELECT tenant_id, status, type, queue, -count(*) FROM former_jobs GROUP BY tenant_id, status, type, queue;
    ELSE
        INSERT INTO job_tallies
        SELECT tenant_id, status, type, queue, sum(one)
        FROM (SELECT tenant_id, status, type, queue, 1 AS one FROM now_jobs
              UNION ALL SELECT tenant_id, status, type, queue, -1 FROM former_jobs) AS change
        GROUP BY tenant_id, status, type, queue HAVING sum(one) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_come AFTER INSERT ON jobs REFERENCING NEW TABLE AS now_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_jobs();
CREATE TRIGGER jobs_change AFTER UPDATE ON jobs REFERENCING OLD TABLE AS former_jobs NEW TABLE AS now_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_jobs();
CREATE TRIGGER jobs_go AFTER DELETE ON jobs REFERENCING OLD TABLE AS former_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_jobs();

-- How much is left under a tenant's cap; null where it has none. Who asks holds the cap until the end of its
-- transaction, so that no two fill the last place; being volatile, each sees what the one before it has committed.
CREATE FUNCTION room_to_queue(asked integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    cap bigint := (SELECT caps ->> 'queued' FROM tenants WHERE id = asked);
BEGIN
    IF cap IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(1, asked);
    RETURN cap - (SELECT coalesce(sum(jobs), 0) FROM job_tallies
                  WHERE tenant_id = asked AND status IN ('pending', 'suspended'));
END $$;
CREATE FUNCTION room_to_run(asked integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    cap bigint := (SELECT caps ->> 'running' FROM tenants WHERE id = asked);
BEGIN
    IF cap IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(2, asked);
    RETURN cap - (SELECT coalesce(sum(jobs), 0) FROM job_tallies WHERE tenant_id = asked AND status = 'running');
END $$;
CREATE FUNCTION room_to_store(asked integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    cap bigint := (SELECT caps ->> 'storage_bytes' FROM tenants WHERE id = asked);
BEGIN
    IF cap IS NULL THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(3, asked);
    RETURN cap - (SELECT coalesce(sum(bytes), 0) FROM file_tallies WHERE tenant_id = asked);
END $$;

CREATE TABLE job_requests (                            -- what was asked for: wide, changed only by people
    job_id                     uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    tenant_id                  integer NOT NULL,
    args                       json NOT NULL,          -- json, not jsonb: handed back as it came, never parsed again
    sealed_args                text,                   -- where args shows *** for secrets: all of them, for the worker alone
    attachment_file_id         uuid REFERENCES files,
    attachment_url             text,
    attachment_name            text,
    attachment_mime_type       text,
    description                text,
    category                   text,
    sub_category               text,
    labels                     jsonb NOT NULL DEFAULT '{}',
    client_request_id          text,
    correlation_id             text,
    idempotency_key            text,
    can_rerun                  boolean NOT NULL DEFAULT true,
    run_at                     timestamptz(3),
    expires_in                 integer CHECK (expires_in > 0),
    publish_link_access_scope  text NOT NULL DEFAULT 'private' CHECK (publish_link_access_scope IN ('public', 'private', 'organization')),
    notify                     json,                   -- {emails, on, webhook_url, language}
    options                    json,                   -- of its definition: {skip_notification, send_completion_email, …}
    root_id                    uuid,                   -- first of a chain of reruns as new jobs
    traceparent                text,                   -- of the request that made it (W3C Trace Context)
    action                     text,                   -- what of its type or definition was asked for, in a client's word
    is_scheduled               boolean NOT NULL DEFAULT false,  -- a schedule made it, and nobody asked
    modified_by                text NOT NULL
);
CREATE INDEX job_requests_of_file ON job_requests (attachment_file_id) WHERE attachment_file_id IS NOT NULL;
CREATE INDEX job_requests_by_client_request ON job_requests (tenant_id, client_request_id) WHERE client_request_id IS NOT NULL;
CREATE INDEX job_requests_by_correlation ON job_requests (tenant_id, correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX job_requests_by_root ON job_requests (tenant_id, root_id) WHERE root_id IS NOT NULL;
CREATE INDEX job_requests_by_label ON job_requests USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
CREATE INDEX job_requests_that_notify ON job_requests (job_id) WHERE notify IS NOT NULL OR options IS NOT NULL;
CREATE INDEX job_requests_by_idempotency_key ON job_requests (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE idempotency_keys (                        -- one key, one job; freed with the job
    digest        bytea PRIMARY KEY,                   -- of scope, tenant, caller, type or definition, key
    job_id        uuid NOT NULL UNIQUE REFERENCES jobs ON DELETE CASCADE,
    request_hash  bytea NOT NULL
);

CREATE TABLE attempts (                                -- one row a claim, written when it ends; the one under way is in jobs
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    claim       integer NOT NULL,
    run         integer NOT NULL,
    attempt     integer NOT NULL,
    worker      text NOT NULL,
    started_at  timestamptz(3) NOT NULL,
    ended_at    timestamptz(3) NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('finished', 'failed', 'cancelled', 'timed_out', 'lost', 'handed_back')),
    error       json,
    PRIMARY KEY (job_id, claim)                        -- two ends of one claim can't both be written
);

CREATE TABLE job_messages (
    job_id   uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    seq      integer NOT NULL,                         -- drawn from jobs.version under the row's lock: no gap that fills later
    time     timestamptz(3) NOT NULL,
    level    text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error', 'output')),
    text     text NOT NULL,
    tool_id  text,
    PRIMARY KEY (job_id, seq)
);

CREATE TABLE job_checkpoints (                         -- how far an attempt came, committed with its effects; read by the next one
    job_id    uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    run       integer NOT NULL,
    state     json NOT NULL
);

CREATE TABLE outputs (
    id                 uuid PRIMARY KEY,
    job_id             uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    tenant_id          integer NOT NULL,
    run                integer NOT NULL,
    position           integer NOT NULL,
    file_id            uuid NOT NULL UNIQUE REFERENCES files,
    available_formats  text[] NOT NULL DEFAULT '{}',
    created_at         timestamptz(3) NOT NULL DEFAULT now(),
    expires_at         timestamptz(3),
    UNIQUE (job_id, run, position)
);
CREATE INDEX outputs_expired ON outputs (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE conversions (                             -- outputs in other formats: a cache, whose files expire by themselves
    output_id  uuid NOT NULL REFERENCES outputs ON DELETE CASCADE,
    format     text NOT NULL CHECK (format IN ('csv', 'xlsx', 'json', 'parquet')),
    file_id    uuid NOT NULL UNIQUE REFERENCES files ON DELETE CASCADE,
    PRIMARY KEY (output_id, format)
);

CREATE TABLE links (                                   -- the token is an HMAC of the id, so nothing secret is kept
    id             uuid PRIMARY KEY,
    tenant_id      integer NOT NULL,
    job_id         uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    output_id      uuid REFERENCES outputs ON DELETE CASCADE,   -- null: the job's own publish link, its first output of the current run
    scope          text NOT NULL CHECK (scope IN ('public', 'private', 'organization')),
    expires_at     timestamptz(3),
    max_downloads  integer CHECK (max_downloads > 0),
    downloads      integer NOT NULL DEFAULT 0,
    revoked_at     timestamptz(3),
    created_by     text NOT NULL,
    created_at     timestamptz(3) NOT NULL DEFAULT now(),
    CHECK (downloads <= max_downloads)
);
CREATE UNIQUE INDEX links_one_publish_link_a_job ON links (job_id) WHERE output_id IS NULL;
CREATE INDEX links_of_job ON links (job_id);              -- without it, each job that is purged reads all links
CREATE INDEX links_of_output ON links (output_id) WHERE output_id IS NOT NULL;

CREATE TABLE downloads (                               -- every download is recorded
    link_id    uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    at         timestamptz(3) NOT NULL DEFAULT now(),
    principal  text,
    address    text,
    outcome    text NOT NULL
);
CREATE INDEX downloads_of_link ON downloads (link_id, at);

CREATE TABLE workers (
    id           text PRIMARY KEY,                     -- name and boot uuid
    tags         text[] NOT NULL,
    types        text[] NOT NULL,
    concurrency  integer NOT NULL,
    version      text NOT NULL,
    draining     boolean NOT NULL DEFAULT false,
    started_at   timestamptz(3) NOT NULL DEFAULT now(),
    beat_at      timestamptz(3) NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Counters and histograms of all processes, added up: one scrape of any API process tells of all workers. Unlogged,
-- since they are for graphs: writing waits for no disk, and after a crash they begin at zero.
CREATE UNLOGGED TABLE metric_sums (
    sample  text COLLATE "C" NOT NULL,
    labels  text COLLATE "C" NOT NULL,                 -- JSON with sorted names
    value   double precision NOT NULL,
    PRIMARY KEY (sample, labels)
) WITH (fillfactor = 50);

-- What is owed and what was done ------------------------------------------------------------------------------------

CREATE TABLE webhook_endpoints (                       -- receivers that are told of every end of the tenant's jobs
    id               uuid PRIMARY KEY,
    tenant_id        integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    url              text NOT NULL,
    description      text,
    statuses         text[] NOT NULL CHECK (statuses <@ ARRAY['finished', 'failed', 'cancelled'] AND statuses <> '{}'),
    enabled          boolean NOT NULL DEFAULT true,
    disabled_reason  text,                             -- why it is off, when nobody has switched it off
    version          integer NOT NULL DEFAULT 1,
    created_by       text NOT NULL,
    created_at       timestamptz(3) NOT NULL DEFAULT now(),
    updated_at       timestamptz(3) NOT NULL DEFAULT now(),
    CHECK (disabled_reason IS NULL OR NOT enabled)
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id);

CREATE FUNCTION tenant_has_other_endpoints() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET version = version + 1 WHERE id = coalesce(NEW.tenant_id, OLD.tenant_id);
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_endpoints_show AFTER INSERT OR UPDATE OR DELETE ON webhook_endpoints   -- GET /api/tenant lists them
    FOR EACH ROW EXECUTE FUNCTION tenant_has_other_endpoints();

CREATE TABLE webhook_secrets (                         -- what webhooks are signed with; several while one is being rotated
    id           uuid PRIMARY KEY,
    tenant_id    integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
    endpoint_id  uuid REFERENCES webhook_endpoints ON DELETE CASCADE,   -- null: it signs for the webhook_url of jobs
    sealed       text NOT NULL,                        -- service/sealing.py
    created_at   timestamptz(3) NOT NULL DEFAULT now(),
    expires_at   timestamptz(3)                        -- null for the current one
);
CREATE UNIQUE INDEX webhook_secrets_current ON webhook_secrets (tenant_id, endpoint_id) NULLS NOT DISTINCT
    WHERE expires_at IS NULL;

CREATE TABLE outbox (                                  -- notices, owed since the statement that ended the job
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),   -- the stable id that the receiver sees
    number        bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id     integer NOT NULL,
    job_id        uuid REFERENCES jobs ON DELETE CASCADE,   -- null: the job was deleted first, `shown` is what it was
    job           json NOT NULL,                       -- the row of jobs at its end: a rerun changes nothing of what is told
    shown         json,                                -- as the API showed the job, kept when it is deleted
    language      text,
    kind          text NOT NULL CHECK (kind IN ('email', 'webhook')),
    target        text NOT NULL,                       -- an address, or a URL
    endpoint_id   uuid,                                -- of the tenant's; no foreign key: it may be removed meanwhile
    circuit       text NOT NULL,                       -- those of one circuit fail together: the mail server, an endpoint, an origin
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'undeliverable', 'delivered', 'dead')),
    tries         integer NOT NULL DEFAULT 0,
    tries_before  integer NOT NULL DEFAULT 0,          -- those of earlier rounds, before a redelivery by hand
    next_at       timestamptz(3) NOT NULL DEFAULT now(),
    give_up_at    timestamptz(3) NOT NULL DEFAULT now() + interval '3 days',
    lease_id      uuid,                                -- a worker delivers it; void when that worker's row beats no more
    worker_id     text,
    last_error    text,
    created_at    timestamptz(3) NOT NULL DEFAULT now(),
    ended_at      timestamptz(3),
    CHECK ((state IN ('delivered', 'dead')) = (ended_at IS NOT NULL)),
    CHECK ((lease_id IS NULL) = (worker_id IS NULL) AND (lease_id IS NULL OR state = 'pending')),
    CHECK (job_id IS NOT NULL OR shown IS NOT NULL)
);
CREATE INDEX outbox_due ON outbox (circuit, next_at, id) WHERE state = 'pending';
CREATE INDEX outbox_waiting ON outbox (give_up_at) WHERE state IN ('pending', 'undeliverable');
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX outbox_of_job ON outbox (job_id, number) WHERE job_id IS NOT NULL;
CREATE UNIQUE INDEX outbox_newest ON outbox (tenant_id, number DESC);
CREATE INDEX outbox_of_endpoint ON outbox (endpoint_id) WHERE endpoint_id IS NOT NULL;

CREATE TABLE notice_tries (                            -- the log of deliveries
    notice_id     uuid NOT NULL REFERENCES outbox ON DELETE CASCADE,
    number        integer NOT NULL,
    at            timestamptz(3) NOT NULL,
    milliseconds  integer NOT NULL,
    outcome       text NOT NULL,
    status        integer,                             -- what the receiver answered, if it did
    error         text,
    PRIMARY KEY (notice_id, number),
    CHECK (outcome IN ('delivered', 'failed', 'refused', 'gone'))
);

CREATE TABLE circuits (                                -- who failed lately; no row: all is well
    circuit     text PRIMARY KEY,
    failures    integer NOT NULL,                      -- one after the other
    failed_at   timestamptz(3) NOT NULL,
    open_until  timestamptz(3)                         -- nothing goes there before; then a single try, until one succeeds
);

-- Whatever ends a job owes its notices, in the same statement. Jobs without any pay for a look at a partial index.
CREATE FUNCTION owe_notices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM now_jobs WHERE terminated_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    -- what the job itself asked for
    INSERT INTO outbox (tenant_id, job_id, job, language, kind, target, circuit)
    SELECT ended.tenant_id, ended.id, to_json(ended), asked.notify ->> 'language', owed.kind, owed.target, owed.circuit
    FROM now_jobs AS ended
    JOIN former_jobs AS former ON former.id = ended.id AND former.terminated_at IS NULL
    JOIN job_requests AS asked ON asked.job_id = ended.id AND (asked.notify IS NOT NULL OR asked.options IS NOT NULL)
    CROSS JOIN LATERAL (
        SELECT coalesce((asked.notify -> 'on')::jsonb ? ended.status, false) AS by_job,
               coalesce(asked.options ->> 'send_completion_email' = 'true' AND ended.status = 'finished'
                        OR asked.options ->> 'send_failure_email' = 'true' AND ended.status = 'failed', false) AS by_definition,
               CASE WHEN json_typeof(asked.notify -> 'emails') = 'array' THEN asked.notify -> 'emails' ELSE '[]' END AS emails,
               CASE WHEN json_typeof(asked.options -> 'email_list') = 'array' THEN asked.options -> 'email_list'
                    ELSE '[]' END AS email_list
    ) AS told
    CROSS JOIN LATERAL (
        SELECT 'email' AS kind, mailed.address AS target, 'smtp' AS circuit
        FROM (SELECT DISTINCT ON (lower(address)) address
              FROM (SELECT json_array_elements_text(told.emails) AS address WHERE told.by_job
                    UNION ALL SELECT json_array_elements_text(told.email_list) WHERE told.by_definition
                    UNION ALL SELECT ended.created_by   -- who ran it; of a scheduled one, who made the definition
                    WHERE told.by_definition
                      AND ended.created_by ~ '^[^@[:space:]]+@[^@[:space:]]+$') AS every
              ORDER BY lower(address)) AS mailed
        UNION ALL
        SELECT 'webhook', url, ended.tenant_id || ' ' || coalesce(substring(lower(url) FROM '^https?://[^/?#]+'), url)
        FROM (SELECT asked.notify ->> 'webhook_url' AS url) AS hook WHERE told.by_job AND url IS NOT NULL
    ) AS owed
    WHERE ended.terminated_at IS NOT NULL;
    -- what the tenant wants to be told of, unless the definition says that its jobs are no news
    INSERT INTO outbox (tenant_id, job_id, job, kind, target, endpoint_id, circuit)
    SELECT ended.tenant_id, ended.id, to_json(ended), 'webhook', endpoint.url, endpoint.id, endpoint.id::text
    FROM webhook_endpoints AS endpoint
    JOIN now_jobs AS ended ON ended.tenant_id = endpoint.tenant_id AND ended.status = ANY (endpoint.statuses)
    JOIN former_jobs AS former ON former.id = ended.id AND former.terminated_at IS NULL
    JOIN job_requests AS asked ON asked.job_id = ended.id
    WHERE endpoint.enabled AND asked.options ->> 'skip_notification' IS DISTINCT FROM 'true';
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_owe AFTER UPDATE ON jobs REFERENCING OLD TABLE AS former_jobs NEW TABLE AS now_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION owe_notices();

CREATE TABLE audit (                                   -- who did what to what: only ever added to
    id           bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id    integer NOT NULL,
    at           timestamptz(3) NOT NULL DEFAULT now(),
    principal    text NOT NULL,
    key_id       uuid,
    action       text NOT NULL,
    object_type  text NOT NULL,
    object_id    text,
    address      text,
    request_id   text,
    changes      json,                                 -- {field: [before, after]}, without secrets
    PRIMARY KEY (tenant_id, at, id)
);
CREATE INDEX audit_of_object ON audit (tenant_id, object_id, at, id);
CREATE INDEX audit_of_deleted_jobs ON audit (tenant_id, at) WHERE object_type = 'job' AND action = 'delete';

CREATE FUNCTION refuse_to_change_the_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only ever added to';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit();

-- The dues that import_dovuti keeps ---------------------------------------------------------------------------------

CREATE TABLE dovuti (
    tenant_id      integer NOT NULL,
    service_id     uuid NOT NULL,
    notice_number  text COLLATE "C" NOT NULL,
    iuv            text COLLATE "C" NOT NULL,
    amount         numeric(14, 2) NOT NULL CHECK (amount > 0),
    reason         text NOT NULL,
    created_at     date NOT NULL,
    expire_at      date NOT NULL,
    payer_type     text NOT NULL CHECK (payer_type IN ('F', 'G')),
    payer_tax_identification_number text NOT NULL,
    payer_name     text,
    payer_email    text,
    job_id         uuid NOT NULL,                      -- who wrote the row last: no foreign key, dues outlive jobs
    PRIMARY KEY (tenant_id, service_id, notice_number),
    CHECK (expire_at >= created_at)
);

CREATE TABLE dovuti_duplicates (                       -- rows that on_duplicate "reject" refused: to a next attempt of the run,
    job_id    uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,   -- the dues that this one wrote look the same as theirs
    run       integer NOT NULL,
    last_row  integer NOT NULL,                        -- of the batch
    rows      integer[] NOT NULL,
    PRIMARY KEY (job_id, run, last_row)
);
