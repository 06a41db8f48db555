"""What the practice model says."""

from __future__ import annotations

import re
from typing import Final

INTRODUCTION: Final = (
    "I'm the practice model that comes with Holdfast. I am not an AI: I know a few answers by heart, so that you can try everything before you "
    "connect a real model.\n\n"
    "What you can ask of me:\n"
    "- what Holdfast is, what it keeps, what it promises, which commands there are\n"
    "- “what time is it?”, if a clock tool is configured\n"
    '- “use NAME {"key": "value"}”, to call any tool you have configured, also several: “use A {...} and B {...}”; or “use the NAME tool”\n'
    "- “tell me a long story”, to have something to interrupt"
)

CONNECT: Final = (
    "To connect a real model, run “holdfast init” in a terminal (“.venv/bin/holdfast init” in a clone): it finds what there is, tries it, and "
    "writes your configuration file. Then start Holdfast again. Or write the file yourself; this one is for Ollama on your own machine:\n\n"
    "    [agent]\n"
    '    chain = ["main"]\n\n'
    "    [routes.main]\n"
    '    dialect = "openai-chat"\n'
    '    base_url = "http://127.0.0.1:11434/v1"\n'
    '    model = "qwen3:8b"\n'
    '    # api_key = "env:MY_KEY"\n\n'
    "This conversation stays as it is, and the new model goes on with it."
)

NO_CLOCK: Final = (
    "I have no clock. To give me one, put this into your configuration file and start Holdfast again:\n\n"
    "    [tools.clock]\n"
    '    command = ["uvx", "mcp-server-time"]'
)

NO_CHECK: Final = "I have no tool to check that with."

NOTED: Final = {
    "done": "All right: I take it as done, and don't do it again.",
    "skip": "All right: I leave it as it is, and don't do it again.",
}
"""What is said when the user has chosen about a call whose outcome nobody knew."""

_WHAT: Final = (
    "Holdfast stands between the chat apps you use and an AI agent with tools, on your own machine. Its one aim is that a conversation is never "
    "lost: not to a provider that is down, not to a crash, not to a power cut, not to a wrong setting. The name is that of the root of a kelp, "
    "which no storm tears off its rock."
)

_KEPT: Final = (
    "Everything that happens in a conversation is kept: each message, each answer, each tool call with its result, each delivery. It is written "
    "to disk before anything is acknowledged, in one SQLite database in your data folder, and nothing in it is changed afterwards. It stays on "
    "your machine; only what a model needs to answer is sent to the model you have configured. “holdfast show” lists your conversations, and "
    "“holdfast show NAME” tells the story of one."
)

_PROMISES: Final = (
    "Four things:\n"
    "1. Accepted means kept. Once a message is taken, it is on disk, and it will be answered, or you are told what it waits for.\n"
    "2. Answers arrive in order, and once.\n"
    "3. A tool that must not run twice does not. Where that can't be known, you are told, and asked.\n"
    "4. Nothing that you did not order ends a conversation.\n\n"
    "You can test it: ask me for a long story, and kill the process in the middle. Start it again, and it goes on by itself."
)

_COMMANDS: Final = (
    "In a conversation: /stop stops what is being done, /new starts afresh (the history is kept, the model no longer sees it), /retry answers "
    "your last message again, /status says what is going on, and /help lists them all.\n\n"
    "In a terminal: “holdfast run” starts the gateway, “holdfast chat” talks to it, “holdfast show” lists the conversations, and "
    "“holdfast --help” tells more."
)

_TOOLS: Final = (
    "A tool server is a program that speaks MCP. Name it in your configuration file and start Holdfast again:\n\n"
    "    [tools.clock]\n"
    '    command = ["uvx", "mcp-server-time"]\n\n'
    'Then ask me what time it is, or write: use NAME {"key": "value"}. Each call is written down before it is made, so a crash in the middle '
    "never makes one happen twice unnoticed."
)

_GREETING: Final = f"Hello! {INTRODUCTION}"

_THANKS: Final = "You're welcome. I'm here whenever you want to try something."

TOPICS: Final = tuple(
    (re.compile(words, re.IGNORECASE), answer)
    for words, answer in (
        (r"\b(connect|configure|add|set ?up|use)\b.*\b(model|provider|api key|ollama|llm)\b|\breal model\b|\bapi key\b", CONNECT),
        (r"\b(commands?|slash|help)\b", _COMMANDS),
        (r"\b(promises?|guarantees?|crash(es)?|killed|power cut|restart(s|ed)?|lose|lost)\b", _PROMISES),
        (r"\b(kept|keep|saved?|stored?|where is my data|privacy|data folder|database)\b", _KEPT),
        (r"\b(tools?|mcp)\b", _TOOLS),
        (r"\b(who|what) are you\b|\bare you (an? )?(ai|real|human)\b|\bwhat can you do\b", f"{INTRODUCTION}\n\n{CONNECT}"),
        (r"\bholdfast\b", _WHAT),
        (r"^\s*(hi|hello|hey|good (morning|evening|day))\b", _GREETING),
        (r"\b(thanks?|thank you)\b", _THANKS),
    )
)
"""Asked in this order: the first whose words occur answers."""

_WATCHES: Final = (
    "rain came in flat from the west and the lamp had to be trimmed every hour",
    "a fishing boat without lights asked three times where the harbour was, and was told three times",
    "the fog was so thick that the keeper counted the waves to know that time went on",
    "two whales passed between the rocks and the shore, slowly, as if they were reading the names on the boats",
    "the glass of the lamp cracked, and she held the spare pane in place with her shoulder until morning",
    "nothing happened at all, and she wrote that down with the same care",
    "a letter came with the supply boat, asking whether anybody still read what she wrote",
    "the wind tore a shutter off and carried it to the island, where a child kept it as a sail",
)

_BEGINNING: Final = (
    "There was once a lighthouse on a rock that the charts called the Holdfast, and in it a keeper who wrote everything down. Before she lit the "
    "lamp she wrote that she would light it. When it burned she wrote that it burned. People on the shore smiled about that, but they slept well."
)

_END: Final = (
    "In the ninth night the storm took her in the middle of a word. The new keeper came with the morning tide, opened the book, read to the "
    "last line, and finished the word. Then she lit the lamp. On the shore nobody had noticed anything; it had only seemed to them that the light "
    "had blinked."
)

_NIGHTS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

LONG_STORY: Final = "\n\n".join(
    (
        _BEGINNING,
        *(
            f"In the {ordinal} night {watch}. When it was over she took the book, wrote one line about it, waited until the ink was dry, and only "
            f"then put out her hand for the next thing. The kelp around the rock rose and fell, {fathoms} fathoms of it, and let go of nothing."
            for fathoms, (ordinal, watch) in enumerate(zip(_NIGHTS, _WATCHES, strict=True), start=3)
        ),
        _END,
    )
)
