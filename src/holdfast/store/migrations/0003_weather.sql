-- The weather knows why a gate is closed, and when it was tried last.

ALTER TABLE gate ADD COLUMN kind TEXT NOT NULL DEFAULT '';   -- the class of the last failure
ALTER TABLE gate ADD COLUMN tried REAL NOT NULL DEFAULT 0;
