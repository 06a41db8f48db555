-- The journal: transcripts, and what the gateway knows about itself.
-- Times are Unix seconds. A gate column holds the sorted names of alternatives, joined by a space, or ''.

CREATE TABLE conversation (
  key         TEXT    NOT NULL PRIMARY KEY,
  account     TEXT    NOT NULL,
  address     TEXT    NOT NULL,             -- where the platform sends to
  owner       TEXT,                         -- who has it now; null: nobody
  epoch       INTEGER NOT NULL DEFAULT 0,   -- of the last claim: what a lease is checked against
  wakes       INTEGER NOT NULL DEFAULT 0,   -- arrivals: what an intention is checked against
  next_seq    INTEGER NOT NULL DEFAULT 1,
  last_at     REAL    NOT NULL,             -- of the last entry
  due         REAL,                         -- claimed when this has come; null: no instant is waited for
  turn_gate   TEXT    NOT NULL DEFAULT '',
  speech_gate TEXT    NOT NULL DEFAULT '',
  since       REAL    NOT NULL DEFAULT 0,   -- of the last release: its place in the queue before its gates
  attempts    INTEGER NOT NULL DEFAULT 0,   -- claims since the last fact, as far as the process ended in them
  floor       INTEGER NOT NULL DEFAULT 0,   -- the smallest seq that a worker still needs
  suspect     INTEGER GENERATED ALWAYS AS (attempts >= 2) VIRTUAL,
  UNIQUE (account, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX conversation_due ON conversation (account, suspect, due) WHERE owner IS NULL AND due IS NOT NULL;
CREATE INDEX conversation_turn_gate ON conversation (account, turn_gate, suspect, since) WHERE owner IS NULL AND turn_gate <> '';
CREATE INDEX conversation_speech_gate ON conversation (account, speech_gate, suspect, since) WHERE owner IS NULL AND speech_gate <> '';
CREATE INDEX conversation_owner ON conversation (owner) WHERE owner IS NOT NULL;
CREATE INDEX conversation_alone ON conversation (attempts) WHERE owner IS NOT NULL AND attempts >= 3;
CREATE INDEX conversation_last_at ON conversation (last_at);

CREATE TABLE entry (
  conversation TEXT    NOT NULL,
  seq          INTEGER NOT NULL,
  epoch        INTEGER NOT NULL,            -- of the lease that wrote it; 0 from outside
  at           REAL    NOT NULL,
  dedupe       TEXT,                        -- the platform's event; null from a worker
  body         TEXT    NOT NULL,            -- core.entries
  kind         TEXT    GENERATED ALWAYS AS (json_extract(body, '$.kind')) VIRTUAL,
  PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX entry_dedupe ON entry (dedupe) WHERE dedupe IS NOT NULL;

CREATE TABLE cursor (
  account  TEXT NOT NULL PRIMARY KEY,
  identity TEXT NOT NULL,                   -- the platform's own name of the account
  value    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE timer (
  key          TEXT NOT NULL PRIMARY KEY,
  at           REAL NOT NULL,
  conversation TEXT NOT NULL,
  account      TEXT NOT NULL,
  address      TEXT NOT NULL,
  body         TEXT NOT NULL                -- of the entry from outside that it makes
) STRICT, WITHOUT ROWID;

CREATE INDEX timer_at ON timer (at);

CREATE TABLE gate (
  name        TEXT    NOT NULL PRIMARY KEY,
  fingerprint TEXT    NOT NULL,
  until       REAL    NOT NULL,
  streak      INTEGER NOT NULL,
  since       REAL    NOT NULL,
  last_ok     REAL    NOT NULL,
  why         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_list (
  server      TEXT NOT NULL PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  body        TEXT NOT NULL                 -- the tool host's own JSON
) STRICT, WITHOUT ROWID;
