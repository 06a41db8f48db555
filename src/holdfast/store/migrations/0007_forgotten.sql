-- What was erased by a person's order.

CREATE TABLE forgotten (
  event        BLOB    NOT NULL PRIMARY KEY,  -- the hash of a platform's event that was erased: told again, it is known, and stays forgotten
  conversation TEXT    NOT NULL,
  seq          INTEGER NOT NULL               -- of the line that says so
) STRICT, WITHOUT ROWID;

CREATE TABLE doomed (
  sha256 TEXT NOT NULL PRIMARY KEY            -- a file of what was erased, to be deleted unless others have it too
) STRICT, WITHOUT ROWID;
