"""The slices of the world that are walked. Together they cover every row of the table; each is small enough to be walked whole or deep."""

from __future__ import annotations

from walk import TICK, Scenario

from holdfast.core.text import LENGTH_MIN
from holdfast.core.world import Budget

TWO_PARTS = "t{n}\n\n" + "x" * (LENGTH_MIN - 2) + "{n}"

SCENARIOS = {
    "a turn with tools": Scenario(answers=((), ("n",), ("r", "n")), alphabet=("message", "stop"), depth=14),
    "retry, stop and new": Scenario(alphabet=("message", "stop", "new", "retry"), depth=14),
    "approvals": Scenario(alphabet=("message", "choice", "stop"), answers=((), ("p", "n")), depth=14),
    "approvals in a group": Scenario(alphabet=("message", "other's message", "choice"), answers=((), ("p",)), depth=14),
    "approvals that nobody needs any more": Scenario(
        alphabet=("choice", "message", "stop"), answers=((), ("p",), ("p", "p")), ticks=1, allowing=True, mute=True, answers_max=2, depth=20
    ),
    "approvals that stand": Scenario(
        arrivals=2,
        alphabet=("other's message", "choice"),
        answers=((), ("p",)),
        crashes=0,
        ticks=1,
        stands=True,
        mute=True,
        answers_max=4,
        depth=24,
    ),
    "a tool that asks": Scenario(
        alphabet=("message", "choice", "stop"), answers=((), ("na",), ("ra",)), ticks=2, mute=True, answers_max=2, depth=20
    ),
    "tools that ask side by side": Scenario(
        alphabet=("choice", "other's message"), answers=((), ("na", "ra")), ticks=1, mute=True, answers_max=2, depth=20
    ),
    "unknown outcomes": Scenario(arrivals=3, alphabet=("message", "choice", "stop"), depth=14, answers_max=4),
    "one unknown outcome": Scenario(arrivals=2, alphabet=("choice",), depth=18, answers_max=4),
    "edits and deletions": Scenario(alphabet=("message", "edit", "delete"), depth=14),
    "queue": Scenario(arrivals=2, alphabet=("message", "stop", "delete"), busy="queue", depth=14),
    "queue with approvals": Scenario(alphabet=("message", "choice"), answers=((), ("p",)), busy="queue", depth=14),
    "interrupt": Scenario(alphabet=("message", "stop", "edit"), busy="interrupt", depth=14),
    "budget": Scenario(alphabet=("message", "choice", "other's message"), budget=Budget(steps=1), crashes=0, depth=16),
    "refused": Scenario(arrivals=2, alphabet=("message", "retry"), refuses=True, depth=14),
    "failures of its own": Scenario(arrivals=1, alphabet=("message", "choice"), own_failures=True, budget=Budget(failures=2), depth=14),
    "poison": Scenario(arrivals=2, alphabet=("message", "choice", "new"), answers=((),), crashes=5, poisoned=True, depth=16),
    "a route that closes": Scenario(route_flips=1, attachment=True, ticks=4, depth=14),
    "a wait that is said": Scenario(arrivals=1, answers=((),), route_flips=2, ticks=5, crashes=1, depth=18),
    "another model": Scenario(
        arrivals=2, answers=((), ("n",)), chains=True, route_flips=1, alphabet=("message", "model other", "model default"), depth=14
    ),
    "pictures": Scenario(pictures="seen", route_flips=1, alphabet=("message", "retry", "stop"), depth=14),
    "pictures that nobody sees": Scenario(pictures="unseen", alphabet=("message", "retry", "stop"), depth=14),
    "speech with keys": Scenario(
        answers=((),), text=TWO_PARTS, keyed=True, previews=True, account_flips=1, alphabet=("message", "stop"), depth=16
    ),
    "a stopped preview": Scenario(answers=((),), previews=True, crashes=0, depth=18),
    "a preview whose answer has no text": Scenario(
        arrivals=0, answers=((), ("n",)), previews=True, crashes=0, ticks=0, answers_max=2, depth=24
    ),
    "previews that fail": Scenario(
        arrivals=1, answers=((),), previews=True, previews_fail=True, account_flips=1, alphabet=("message", "stop"), crashes=1, depth=16
    ),
    "previews that fail, without keys": Scenario(
        arrivals=1, answers=((),), keyed=False, previews=True, previews_fail=True, alphabet=("message", "stop"), crashes=1, depth=16
    ),
    "previews beside what waits to be said": Scenario(
        arrivals=1,
        answers=((), ("n",)),
        text_with_calls=True,
        previews=True,
        sends_fail=("retry",),
        alphabet=("status",),
        crashes=1,
        ticks=1,
        answers_max=2,
        depth=18,
    ),
    "somebody is removed": Scenario(
        alphabet=("message", "other's message", "choice"), answers=((), ("p",), ("n",)), leaves=("ann",), ticks=1, mute=True, depth=16
    ),
    "somebody is removed who was asked": Scenario(
        arrivals=2, alphabet=("other's message", "choice"), budget=Budget(steps=1), leaves=("ann", "bob"), crashes=0, mute=True, depth=18
    ),
    "somebody has used up what they may": Scenario(
        arrivals=2, alphabet=("message", "other's message", "stop"), answers=((), ("n",)), limited=("ann",), mute=True, ticks=3, depth=16
    ),
    "ways of a conversation": Scenario(
        arrivals=3, alphabet=("message", "queue queue", "queue steer", "stop"), answers=((),), mute=True, ticks=0, depth=16
    ),
    "a quiet wait": Scenario(
        arrivals=2, alphabet=("quiet", "message"), answers=((),), route_flips=1, mute=True, ticks=3, crashes=0, depth=16
    ),
    "a word that sounds like a command": Scenario(
        arrivals=2, alphabet=("says stop", "message", "stop"), answers=((), ("n",)), mute=True, ticks=0, depth=18
    ),
    "speech without keys": Scenario(
        answers=((),), text=TWO_PARTS, keyed=False, previews=True, alphabet=("message", "stop"), arrivals=1, crashes=2, depth=18
    ),
    "speech that asks": Scenario(answers=((),), text=TWO_PARTS, keyed=False, unknown_send="ask", alphabet=("message", "choice"), depth=18),
    "speech that drops": Scenario(answers=((),), text=TWO_PARTS, keyed=False, unknown_send="drop", crashes=2, depth=16),
    "speech that looks": Scenario(answers=((),), text=TWO_PARTS, keyed=False, history=True, crashes=2, alphabet=("message",), depth=16),
    "previews that are looked for": Scenario(
        answers=((),), keyed=False, history=True, previews=True, previews_fail=True, alphabet=("message", "stop"), arrivals=2, depth=18
    ),
    "keys that are forgotten, and looked for": Scenario(
        answers=((),),
        text=TWO_PARTS,
        key_holds_s=TICK / 2,
        long_away=True,
        history=True,
        previews=True,
        alphabet=("message", "stop"),
        arrivals=1,
        depth=18,
    ),
    "keys that are forgotten": Scenario(
        answers=((),), text=TWO_PARTS, key_holds_s=TICK / 2, long_away=True, alphabet=("message", "stop"), arrivals=1, crashes=2, depth=18
    ),
    "a crash that takes long": Scenario(
        long_away=True, crashes=2, arrivals=1, answers=((), ("r",)), alphabet=("message", "quiet"), mute=True, ticks=0, depth=18
    ),
    "sends that fail, and somebody writes": Scenario(
        arrivals=2, answers=((),), keyed=False, sends_fail=("blocked",), crashes=0, ticks=0, alphabet=("message",), depth=14
    ),
    "sends that fail, and are looked for": Scenario(
        arrivals=1,
        answers=((),),
        text=TWO_PARTS,
        keyed=False,
        history=True,
        sends_fail=("retry", "unknown", "refused"),
        crashes=1,
        depth=14,
    ),
    "sends that fail": Scenario(
        arrivals=1, answers=((),), text=TWO_PARTS, keyed=False, sends_fail=("retry", "unknown", "refused", "blocked"), crashes=1, depth=14
    ),
    "text beside calls, deleted in mid-preview": Scenario(
        arrivals=2, answers=((), ("n",)), text_with_calls=True, previews=True, alphabet=("message", "delete"), crashes=0, depth=16
    ),
    "summaries": Scenario(
        arrivals=3, summaries=True, answers=((), ("n",)), alphabet=("message", "new"), crashes=1, answers_max=4, depth=18
    ),
}
