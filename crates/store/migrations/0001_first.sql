-- Instants are microseconds since 1970-01-01T00:00:00Z, durations microseconds, hashes SHA-256.
-- `crc` is a CRC32C over the row's columns. Numbers of kinds and states are those of the enums.

-- What the store as a whole has reached. One row.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,      -- of the last transaction: ascending by one, without a gap
    epoch INTEGER NOT NULL,         -- of the owner: one more at each opening
    run INTEGER NOT NULL,           -- the last run id that was given out
    clock_slack INTEGER NOT NULL,   -- most milliseconds between a run's start and what its id says
    dead_letter INTEGER NOT NULL,   -- the last dead letter id that was given out
    term_bucket INTEGER NOT NULL,   -- the last bucket of run_terms
    term_count INTEGER NOT NULL     -- entries of run_terms_new
) STRICT;
INSERT INTO state VALUES (1, 0, 0, 0, 0, 0, 0, 0);

-- Names that stand in many rows: of flows, steps, releases, environments, fault codes.
CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,         -- 48 bits of milliseconds, 16 bits of a counter
    flow INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    release INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    started INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    has_steps INTEGER NOT NULL,
    origin_kind INTEGER NOT NULL,
    origin TEXT NOT NULL,
    origin_line INTEGER,
    origin_offset INTEGER,
    keys TEXT,                      -- a JSON object
    correlation TEXT,
    trace TEXT,
    parent INTEGER,
    fault INTEGER,
    fault_text TEXT,
    fault_step INTEGER
) STRICT;
CREATE INDEX runs_by_flow ON runs (flow, outcome, id);
CREATE INDEX runs_by_fault ON runs (fault, flow, id) WHERE fault IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent, id) WHERE parent IS NOT NULL;

-- What finds runs: entries of a term (a hash of a key's value, an origin, a correlation id) and a
-- run's id, each 64 bits little-endian, sorted. A transaction appends its own as one row; from time
-- to time all of these become a bucket: sorted blocks, found by their first entry.
CREATE TABLE run_terms_new (
    id INTEGER PRIMARY KEY,
    entries BLOB NOT NULL,
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE run_terms (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    first_term INTEGER NOT NULL,
    first_run INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    entries BLOB NOT NULL
) STRICT;
CREATE INDEX run_terms_by_first ON run_terms (bucket, first_term, first_run);
CREATE TABLE run_buckets (
    bucket INTEGER PRIMARY KEY,
    run_min INTEGER NOT NULL,
    run_max INTEGER NOT NULL
) STRICT;

CREATE TABLE steps (
    run INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    step INTEGER NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    effect TEXT,
    input_hash BLOB,
    input_size INTEGER,
    output_hash BLOB,
    output_size INTEGER,
    fault INTEGER,
    fault_text TEXT,
    fault_private TEXT,
    crc INTEGER NOT NULL,
    PRIMARY KEY (run, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE payloads (
    run INTEGER NOT NULL,
    hash BLOB NOT NULL,
    size INTEGER NOT NULL,
    key_id INTEGER NOT NULL,        -- what the body is encrypted with; 0: plain
    format INTEGER NOT NULL,
    expires INTEGER,
    crc INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run, hash)
) STRICT;
CREATE INDEX payloads_by_expiry ON payloads (expires) WHERE expires IS NOT NULL;

CREATE TABLE dead_letter_groups (
    id INTEGER PRIMARY KEY,
    flow INTEGER NOT NULL,
    step INTEGER NOT NULL,          -- 0: before the first
    code INTEGER NOT NULL,
    crc INTEGER NOT NULL,           -- over the columns above, without id
    open INTEGER NOT NULL,
    redriving INTEGER NOT NULL,
    redriven INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    example TEXT NOT NULL,
    UNIQUE (flow, step, code)
) STRICT;

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    group_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    redrives INTEGER NOT NULL,
    redrive_run INTEGER,
    redrive_fault TEXT,
    run INTEGER NOT NULL,
    release INTEGER NOT NULL,
    public TEXT NOT NULL,
    private TEXT NOT NULL,
    origin_kind INTEGER NOT NULL,
    origin TEXT NOT NULL,
    origin_line INTEGER,
    origin_offset INTEGER,
    attempts INTEGER NOT NULL,
    keys TEXT,                      -- a JSON object
    received INTEGER NOT NULL,
    created INTEGER NOT NULL,
    size INTEGER NOT NULL,
    crc INTEGER NOT NULL,           -- over the columns above
    message_crc INTEGER NOT NULL,   -- over the columns below
    key_id INTEGER NOT NULL,        -- what the body is encrypted with; 0: plain
    format INTEGER NOT NULL,
    bytes_at TEXT,
    params TEXT,
    headers TEXT,
    position TEXT,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_group ON dead_letters (group_id, state, id);
CREATE INDEX dead_letters_by_run ON dead_letters (run);

-- What persons want done with dead letters. The only table that another process than the owner
-- writes; so it names nothing by the numbers of `names`.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state INTEGER NOT NULL,         -- 0 waiting, 1 taken, 2 finished
    action INTEGER NOT NULL,
    "by" TEXT NOT NULL,
    "at" INTEGER NOT NULL,
    ids TEXT,                       -- decimal, parted by spaces; null: the filter
    filter_flow TEXT,
    filter_group INTEGER,
    filter_state INTEGER,
    filter_run INTEGER,
    format INTEGER,                 -- of an edited message, as in dead_letters
    key_id INTEGER,
    bytes_at TEXT,
    params TEXT,
    headers TEXT,
    position TEXT,
    body BLOB,
    crc INTEGER NOT NULL,           -- over the columns above, without id and state
    finished INTEGER,
    done INTEGER,
    failed INTEGER,
    note TEXT
) STRICT;
CREATE INDEX requests_by_state ON requests (state, id);

-- Keys that are confirmed. A reservation lives in the owner's memory and dies with it.
CREATE TABLE dedupe (
    flow INTEGER NOT NULL,
    key TEXT NOT NULL,
    expires INTEGER,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_by_expiry ON dedupe (expires) WHERE expires IS NOT NULL;

CREATE TABLE positions (
    flow INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,            -- JSON
    crc INTEGER NOT NULL,
    PRIMARY KEY (flow, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
    flow INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    answered_error INTEGER NOT NULL,
    dead_lettered INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    filtered INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    retries INTEGER NOT NULL
) STRICT;

CREATE TABLE releases (
    id TEXT PRIMARY KEY,            -- the hash of the manifest, in hex
    created INTEGER NOT NULL,
    files INTEGER NOT NULL,
    size INTEGER NOT NULL,
    manifest BLOB NOT NULL
) STRICT;
CREATE TABLE blobs (
    hash BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE release_blobs (
    release TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (release, hash)
) STRICT, WITHOUT ROWID;
