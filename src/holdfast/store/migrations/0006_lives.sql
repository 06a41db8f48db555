-- The lives of the gateway, to know a loop of crashes.

CREATE TABLE life (
  began REAL    NOT NULL PRIMARY KEY,
  alive REAL    NOT NULL,             -- when it last said so
  ended INTEGER NOT NULL,             -- in order
  safe  INTEGER NOT NULL              -- in safe mode
) STRICT, WITHOUT ROWID;
