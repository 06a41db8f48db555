-- Timers that come again, and those of one conversation.

ALTER TABLE timer ADD COLUMN every_s REAL NOT NULL DEFAULT 0;  -- 0: not again
ALTER TABLE timer ADD COLUMN since REAL NOT NULL DEFAULT 0;    -- the first time, from which the others are counted

CREATE INDEX timer_conversation ON timer (conversation, at);
