-- Timers that come again, and those of one conversation.

ALTER TABLE timer ADD COLUMN every_s REAL NOT NULL DEFAULT 0;  -- 0: not again

CREATE INDEX timer_conversation ON timer (conversation, at);
