-- Every query of the journal. `-- name --` begins one; the line below it says what it is for.

-- find_arrival --
-- Where a platform's event is recorded already.
SELECT conversation, seq FROM entry WHERE dedupe = ?1;

-- begins --
-- Where a conversation begins that was forgotten.
SELECT begins FROM conversation WHERE key = ?1;

-- conversation_at --
-- The conversation that a platform's address is of.
SELECT key FROM conversation WHERE account = ?1 AND address = ?2;

-- wake_conversation --
-- Give an arrival its seq and make its conversation due; begins the conversation if there is none.
INSERT INTO conversation (key, account, address, wakes, next_seq, last_at, due, owes_since) VALUES (?1, ?2, ?3, 1, 2, ?4, ?4, ?4)
ON CONFLICT (key) DO UPDATE SET
  wakes = wakes + 1, next_seq = next_seq + 1, last_at = max(last_at, excluded.last_at), due = min(ifnull(due, excluded.due), excluded.due),
  owes_since = ifnull(owes_since, excluded.owes_since)
RETURNING next_seq - 1;

-- add_entry --
-- Append one entry.
INSERT INTO entry (conversation, seq, epoch, at, dedupe, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- adopt_conversation --
-- Begin a conversation that has a past, at rest.
INSERT INTO conversation (key, account, address, epoch, next_seq, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING;

-- cursor --
-- How far an account has been received.
SELECT identity, value FROM cursor WHERE account = ?1;

-- put_cursor --
-- Move an account's cursor.
INSERT INTO cursor (account, identity, value) VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE SET value = excluded.value;

-- move_chat --
-- The conversations of a chat that has another id now get their new addresses, but for those whose new one is another's already.
UPDATE OR IGNORE conversation SET address = ?3 || substr(address, length(?2) + 1)
WHERE account = ?1 AND address >= ?2 AND address < ?2 || '!' AND (address = ?2 OR address >= ?2 || ' ');  -- '!' comes after the space

-- keep_unread --
-- Keep what could not be read.
INSERT INTO unread (account, at, raw) VALUES (?1, unixepoch('subsec'), ?2);

-- forget_unread --
-- Of what could not be read only the newest is kept.
DELETE FROM unread WHERE n <= (SELECT max(n) FROM unread) - ?1;

-- suspects_running --
-- Whether a conversation is running that was claimed with two or more attempts.
SELECT EXISTS (SELECT 1 FROM conversation WHERE owner IS NOT NULL AND attempts >= 3);

-- due --
-- The oldest due conversations of an account, suspects or the others.
SELECT due, key FROM conversation WHERE owner IS NULL AND account = ?1 AND suspect = ?2 AND due <= ?3 ORDER BY due, key LIMIT ?4;

-- earliest_due --
-- The earliest instant that a conversation of an account waits for, suspect or not.
SELECT due FROM conversation WHERE owner IS NULL AND due IS NOT NULL AND account = ?1 AND suspect = ?2 ORDER BY due LIMIT 1;

-- next_turn_gate --
-- The next account and gate at which a turn waits, after these.
SELECT account, turn_gate FROM conversation
WHERE owner IS NULL AND turn_gate <> '' AND (account, turn_gate) > (?1, ?2) ORDER BY account, turn_gate LIMIT 1;

-- next_speech_gate --
-- The next account and gate at which speech waits, after these.
SELECT account, speech_gate FROM conversation
WHERE owner IS NULL AND speech_gate <> '' AND (account, speech_gate) > (?1, ?2) ORDER BY account, speech_gate LIMIT 1;

-- at_turn_gate --
-- Those whose turn has waited longest at a gate, suspects or the others.
SELECT since, key FROM conversation
WHERE owner IS NULL AND turn_gate <> '' AND account = ?1 AND turn_gate = ?2 AND suspect = ?3 ORDER BY since, key LIMIT ?4;

-- at_speech_gate --
-- Those whose speech has waited longest at a gate, suspects or the others.
SELECT since, key FROM conversation
WHERE owner IS NULL AND speech_gate <> '' AND account = ?1 AND speech_gate = ?2 AND suspect = ?3 ORDER BY since, key LIMIT ?4;

-- claim --
-- Take a conversation: a new epoch, and one more attempt.
UPDATE conversation SET owner = ?2, epoch = epoch + 1, attempts = attempts + 1 WHERE key = ?1
RETURNING account, address, epoch, attempts, floor;

-- lease --
-- What a lease is checked against, and what an append goes on from.
SELECT owner, epoch, wakes, next_seq, attempts FROM conversation WHERE key = ?1;

-- advance --
-- After entries of a worker: the next seq, and the attempts.
UPDATE conversation SET next_seq = ?2, last_at = max(last_at, ?3), attempts = ?4 WHERE key = ?1;

-- release --
-- Let a conversation go, to wait at an instant, at gates, or for an arrival.
UPDATE conversation
SET owner = NULL, due = ?2, turn_gate = ?3, speech_gate = ?4, since = ?5, floor = ?6, attempts = max(attempts - ?7, 0), asks = ?8,
  owes_since = iif(?2 IS NULL AND ?3 = '' AND ?4 = '' AND NOT ?8, NULL, owes_since)
WHERE key = ?1;

-- read --
-- A conversation's wakes with its entries after a seq, of one moment.
SELECT c.wakes, e.seq, e.at, e.epoch, e.body
FROM conversation AS c LEFT JOIN entry AS e ON e.conversation = c.key AND e.seq > ?2 AND e.seq >= c.begins WHERE c.key = ?1 ORDER BY e.seq LIMIT ?3;

-- page --
-- A conversation's last entries before a seq, the last first.
SELECT seq, at, epoch, body FROM entry
WHERE conversation = ?1 AND seq < ?2 AND seq >= (SELECT begins FROM conversation WHERE key = ?1) ORDER BY seq DESC LIMIT ?3;

-- title --
-- What a conversation is called: by its newest /title, or at least how it began; one that began with a note to the owner has its own name.
SELECT (
  SELECT json_extract(body, '$.args') FROM entry
  WHERE conversation = ?1 AND json_extract(body, '$.kind') = 'command/1' AND json_extract(body, '$.name') = 'title'
    AND seq >= (SELECT begins FROM conversation WHERE key = ?1)
  ORDER BY seq DESC LIMIT 1
), (
  SELECT iif(kind = 'note/1', '', json_extract(body, '$.text')) FROM entry
  WHERE conversation = ?1 AND seq >= (SELECT begins FROM conversation WHERE key = ?1) AND seq < 100 + max((SELECT begins FROM conversation WHERE key = ?1), 1)
    AND kind IN ('user/1', 'note/1') AND json_extract(body, '$.text') <> ''
  ORDER BY seq LIMIT 1
);

-- newest_with --
-- The newest message or answer of a conversation in which one of these texts stands.
SELECT seq, json_extract(body, '$.text') AS text FROM entry
WHERE conversation = ?1 AND seq >= (SELECT begins FROM conversation WHERE key = ?1) AND kind IN ('user/1', 'answer/1')
  AND (text LIKE ?2 ESCAPE '\' OR text LIKE ?3 ESCAPE '\' OR text LIKE ?4 ESCAPE '\')
ORDER BY seq DESC LIMIT 1;

-- next_owner --
-- The next owner of running conversations, after this one.
SELECT owner FROM conversation WHERE owner IS NOT NULL AND owner > ?1 ORDER BY owner LIMIT 1;

-- disown --
-- Conversations whose owner is gone become due.
UPDATE conversation SET owner = NULL, due = min(ifnull(due, ?2), ?2)
WHERE key IN (SELECT key FROM conversation WHERE owner = ?1 ORDER BY key LIMIT ?3);

-- hasten --
-- Conversations that wait for an instant become due now.
UPDATE conversation SET due = ?1
WHERE key IN (SELECT key FROM conversation INDEXED BY conversation_due WHERE owner IS NULL AND due > ?1 LIMIT ?2);

-- forgive --
-- No attempt is counted against what this owner still has.
UPDATE conversation SET attempts = 0 WHERE owner = ?1;

-- conversation --
-- One conversation at a glance.
SELECT key, account, next_seq - 1, last_at, owner IS NOT NULL, due, turn_gate, speech_gate, attempts, asks, address,
  ifnull(owes_since, 0) FROM conversation WHERE key = ?1;

-- conversations --
-- Conversations at a glance, the most recently changed first, from a place in that order.
SELECT key, account, next_seq - 1, last_at, owner IS NOT NULL, due, turn_gate, speech_gate, attempts, asks, address,
  ifnull(owes_since, 0) FROM conversation
WHERE (last_at, key) < (?1, ?2) ORDER BY last_at DESC, key DESC LIMIT ?3;

-- owing --
-- Where something is owed, the longest first.
SELECT key FROM conversation WHERE owes_since IS NOT NULL ORDER BY owes_since, key LIMIT ?1;

-- counts --
-- How those stand where something is owed: worked on, about to be, waiting, asking. Of so many at most; those of other accounts wait.
SELECT count(*) FILTER (WHERE stands = 'running'), count(*) FILTER (WHERE stands = 'due'), count(*) FILTER (WHERE stands = 'waiting'),
  count(*) FILTER (WHERE stands = 'asking')
FROM (
  SELECT CASE
    WHEN owner IS NOT NULL THEN 'running'
    WHEN ?3 IS NOT NULL AND account NOT IN (SELECT value FROM json_each(?3)) THEN 'waiting'
    WHEN due <= ?1 THEN 'due'
    WHEN asks THEN 'asking'
    ELSE 'waiting'
  END AS stands
  FROM conversation WHERE owes_since IS NOT NULL ORDER BY owes_since LIMIT ?2
);

-- gates --
-- The weather of all routes and accounts.
SELECT name, fingerprint, until, streak, since, last_ok, why, kind, tried FROM gate ORDER BY name;

-- put_gate --
-- Record the weather of one route or account.
INSERT INTO gate (name, fingerprint, until, streak, since, last_ok, why, kind, tried) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (name) DO UPDATE SET
  fingerprint = excluded.fingerprint, until = excluded.until, streak = excluded.streak, since = excluded.since, last_ok = excluded.last_ok,
  why = excluded.why, kind = excluded.kind, tried = excluded.tried;

-- put_timer --
-- Set a timer, or set it anew.
INSERT INTO timer (key, at, conversation, account, address, body, every_s, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (key) DO UPDATE SET
  at = excluded.at, conversation = excluded.conversation, account = excluded.account, address = excluded.address, body = excluded.body,
  every_s = excluded.every_s, since = excluded.since;

-- due_timers --
-- The timers whose instant has come, earliest first.
SELECT key, at, conversation, account, address, body, every_s, since FROM timer WHERE at <= ?1 ORDER BY at, key LIMIT ?2;

-- timers_of --
-- The timers of one conversation, earliest first.
SELECT key, at, conversation, account, address, body, every_s, since FROM timer WHERE conversation = ?1 ORDER BY at;

-- earliest_timer --
-- When the next timer fires.
SELECT at FROM timer ORDER BY at LIMIT 1;

-- timer_at --
-- When a timer fires.
SELECT at FROM timer WHERE key = ?1;

-- move_timer --
-- A timer that fired goes on to its next occurrence.
UPDATE timer SET at = ?2 WHERE key = ?1;

-- drop_timer --
-- A timer that fired for the last time.
DELETE FROM timer WHERE key = ?1;

-- tool_lists --
-- The tools of all servers as last seen.
SELECT server, fingerprint, body FROM tool_list ORDER BY server;

-- put_tool_list --
-- Record the tools of one server.
INSERT INTO tool_list (server, fingerprint, body) VALUES (?1, ?2, ?3)
ON CONFLICT (server) DO UPDATE SET fingerprint = excluded.fingerprint, body = excluded.body;

-- people --
-- All who were let in, or wait for that.
SELECT account, id, name, address, code, expires, since, handle FROM person ORDER BY account, id;

-- put_person --
-- Record a person.
INSERT INTO person (account, id, name, address, code, expires, since, handle) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (account, id) DO UPDATE SET
  name = excluded.name, address = excluded.address, code = excluded.code, expires = excluded.expires, since = excluded.since,
  handle = excluded.handle;

-- drop_person --
-- A person who is let in no more.
DELETE FROM person WHERE account = ?1 AND id = ?2;

-- addresses --
-- Where an account has conversations, when a chat system lists none of its own.

SELECT address FROM conversation WHERE account = ?1 ORDER BY last_at DESC, key LIMIT ?2;

-- lives --
-- The newest lives of the gateway first.

SELECT began, alive, ended, safe FROM life ORDER BY began DESC LIMIT ?1;

-- put_life --
-- Keep a life as it is now.

INSERT INTO life (began, alive, ended, safe) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (began) DO UPDATE SET alive = excluded.alive, ended = excluded.ended, safe = excluded.safe;

-- forget_lives --
-- Lives of long ago.

DELETE FROM life WHERE began < (SELECT began FROM life ORDER BY began DESC LIMIT 1 OFFSET ?1);

-- unread --
-- What could not be read, the newest first.
SELECT account, at, raw FROM unread ORDER BY n DESC LIMIT ?1;

-- unsaid --
-- How many conversations of each account wait to say something.
SELECT account, count(*) FROM conversation WHERE owner IS NULL AND speech_gate <> '' GROUP BY account;

-- unread_of --
-- Of how many updates of each account it is kept that they could not be read.
SELECT account, count(*) FROM unread GROUP BY account;

-- used --
-- What each route answered in that time, to tools in mid-call too, and for whom. Only conversations (CROSS: that way round) that were changed since then count.
SELECT coalesce(json_extract(one.value, '$.route'), ''), c.account, coalesce(json_extract(e.body, '$.author'), ''), count(*),
  coalesce(sum(json_extract(one.value, '$.usage.input_tokens')), 0), coalesce(sum(json_extract(one.value, '$.usage.output_tokens')), 0)
FROM conversation c CROSS JOIN entry e ON e.conversation = c.key CROSS JOIN json_each(CASE e.kind
  WHEN 'answer/1' THEN json_array(json_object('route', e.body ->> '$.route', 'usage', json(coalesce(e.body -> '$.usage', '{}'))))
  ELSE coalesce(e.body -> '$.sampled', '[]') END) one
WHERE c.last_at >= :since AND e.at >= :since AND e.at < :before AND e.seq >= c.begins AND e.kind IN ('answer/1', 'result/1')
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- find_forgotten --
-- Where a platform's event was that has been erased.
SELECT conversation, seq FROM forgotten WHERE event = ?1;

-- to_forget --
-- What of a conversation outlives its being forgotten: the next seq, where it is, and the number of its last answer.
SELECT next_seq, account, address, ifnull((
  SELECT json_extract(body, '$.n') FROM entry WHERE conversation = ?1 AND kind IN ('answer/1', 'forgotten/1') ORDER BY seq DESC LIMIT 1
), 0) FROM conversation WHERE key = ?1;

-- next_to_erase --
-- A conversation that was forgotten and is not erased to its end.
SELECT key, begins FROM conversation WHERE erasing = 1 ORDER BY key LIMIT 1;

-- some_to_erase --
-- Some of what is to be erased.
SELECT seq, dedupe, body FROM entry WHERE conversation = ?1 AND seq < ?2 ORDER BY seq LIMIT ?3;

-- remember_event --
-- Know a platform's event again, without a word of it.
INSERT INTO forgotten (event, conversation, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING;

-- erase_entries --
-- Erase entries up to a seq.
DELETE FROM entry WHERE conversation = ?1 AND seq <= ?2;

-- erased --
-- A conversation that was forgotten is erased to its end.
UPDATE conversation SET erasing = 0 WHERE key = ?1;

-- erase_timers --
-- Erase what was to come in a conversation.
DELETE FROM timer WHERE conversation = ?1;

-- erase_unread --
-- Erase what could not be read and names a chat: it may be of it.
DELETE FROM unread WHERE account = ?1 AND instr(raw, ?2);

-- begin_anew --
-- The conversation begins with its one line, with nothing due, and no worker that had it may write; what was before is to be erased.
UPDATE conversation SET owner = NULL, epoch = epoch + 1, wakes = wakes + 1, next_seq = ?2 + 1, last_at = ?3, due = NULL, turn_gate = '', speech_gate = '',
  attempts = 0, asks = 0, owes_since = NULL, floor = ?2, begins = ?2, erasing = 1 WHERE key = ?1;

-- doom --
-- A file is to be deleted unless others have it.
INSERT INTO doomed (sha256) VALUES (?1) ON CONFLICT DO NOTHING;

-- doomed --
-- The files that are to be deleted unless others have them.
SELECT sha256 FROM doomed ORDER BY sha256;

-- spare --
-- A file has been looked after.
DELETE FROM doomed WHERE sha256 = ?1;

-- naming_files --
-- What may name a file: entries since then, and those that a conversation which is not at rest may still need.
SELECT e.body FROM conversation c CROSS JOIN entry e ON e.conversation = c.key
WHERE (c.last_at >= ?1 OR c.owner IS NOT NULL OR c.due IS NOT NULL OR c.turn_gate <> '' OR c.speech_gate <> '' OR c.asks)
  AND (instr(e.body, '"sha256":') OR instr(e.body, '"source":'))
  AND (e.at >= ?1 OR ((c.owner IS NOT NULL OR c.due IS NOT NULL OR c.turn_gate <> '' OR c.speech_gate <> '' OR c.asks) AND e.seq >= c.floor))
  AND e.seq >= c.begins;
