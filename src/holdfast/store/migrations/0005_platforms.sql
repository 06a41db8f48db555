-- Whom the owners let in, and what came from a platform and could not be read.

CREATE TABLE person (
  account TEXT NOT NULL,
  id      TEXT NOT NULL,                    -- the platform's own
  name    TEXT NOT NULL,
  address TEXT NOT NULL,                    -- where they wrote from
  code    TEXT NOT NULL,                    -- what an owner writes to let them in, until it expires
  expires REAL NOT NULL,
  since   REAL NOT NULL,                    -- when they were let in; 0: not yet
  handle  TEXT NOT NULL,                    -- let in for as long as a list names them so; '': an owner approved their code
  PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE unread (
  n       INTEGER NOT NULL PRIMARY KEY,     -- the order in which they came
  account TEXT    NOT NULL,
  at      REAL    NOT NULL,
  raw     TEXT    NOT NULL
) STRICT;
