-- Since when something is owed in a conversation: what is waited for, the longest first, is found without looking at what is at rest.

ALTER TABLE conversation ADD COLUMN owes_since REAL;  -- null: nothing is owed

UPDATE conversation SET owes_since = last_at
WHERE owner IS NOT NULL OR due IS NOT NULL OR turn_gate <> '' OR speech_gate <> '' OR asks;

CREATE INDEX conversation_owes ON conversation (owes_since) WHERE owes_since IS NOT NULL;
