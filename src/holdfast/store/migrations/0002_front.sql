-- What the lists show: who waits for a person, and what a conversation is called.

ALTER TABLE conversation ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;  -- an open question held it up when it was let go

CREATE INDEX entry_title ON entry (conversation, seq)
WHERE json_extract(body, '$.kind') = 'command/1' AND json_extract(body, '$.name') = 'title';
