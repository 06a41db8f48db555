-- A long conversation is erased a little at a time, so that nobody waits for it.

ALTER TABLE conversation ADD COLUMN begins INTEGER NOT NULL DEFAULT 0;   -- entries before this seq are forgotten: nobody sees them
ALTER TABLE conversation ADD COLUMN erasing INTEGER NOT NULL DEFAULT 0;  -- some of these are still to be erased

CREATE INDEX conversation_erasing ON conversation (key) WHERE erasing = 1;
