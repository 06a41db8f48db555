"""What servers ask in the middle of a call: of a person, and of the model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.entries import Call, Usage
from holdfast.core.request import Assistant, Request, User
from holdfast.errors import Temporary
from holdfast.ports import NOBODY, Answer, Caller, ToolOutcome
from holdfast.testing.tool_rig import SystemClock, a_free_port, eventually, running, supervised
from holdfast.tools import asking, mcp
from holdfast.tools.mcp import McpHost
from holdfast.tools.settings import Address, Command, ServerSettings

ASKING, SDK_SERVER = (str(Path(__file__).parent / name) for name in ("asking_server.py", "sdk_server.py"))


class Person:
    """Somebody who says these things, one after the other; None: nobody answers. With nothing left to say they think for ever."""

    conversation, account, address, author = "web:local:c", "web", "c", "ann"

    def __init__(self, *says: str | None, model: str = "", tokens: int = 0) -> None:
        self.says = list(says)
        self.asked: list[tuple[str, tuple[str, ...], bool]] = []
        self.thinking = 0
        self.told: list[str] = []
        self.samples: list[Request] = []
        self.model, self.tokens = model, tokens

    def progress(self, text: str) -> None:
        self.told.append(text)

    async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:
        self.asked.append((text, options, free))
        self.thinking += 1
        try:
            if not self.says:
                await asyncio.Event().wait()
            return self.says.pop(0)
        finally:
            self.thinking -= 1

    async def sample(self, request: Request) -> Answer:
        self.samples.append(request)
        if not self.model:
            raise Temporary("No model can be asked just now.")
        return Answer(self.model, usage=Usage(output_tokens=self.tokens))


async def forget(_tool_list: object) -> None: ...


@asynccontextmanager
async def serving(*options: str, **settings: Any) -> AsyncIterator[McpHost]:
    host = McpHost([ServerSettings("shop", Command((sys.executable, ASKING, *options)), **settings)], forget, {}, SystemClock())
    async with supervised(host):
        await host.ready()
        yield host


@pytest.fixture(params=["handshake", "modern"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[McpHost]:
    async with serving(request.param) as host:
        yield host


@pytest.fixture
async def old() -> AsyncIterator[McpHost]:
    """Of the years up to 2025, when servers sent requests of their own."""
    async with serving("handshake") as host:
        yield host


async def call(host: McpHost, tool: str, caller: Caller = NOBODY, **arguments: Any) -> ToolOutcome:
    return await host.call(Call(id="call_1_0", tool=f"shop__{tool}", arguments=json.dumps(arguments)), caller)


def form(required: Iterable[str] = (), message: str = "Which one?", **properties: Any) -> dict[str, Any]:
    return {"mode": "form", "message": message, "requestedSchema": {"type": "object", "properties": properties, "required": [*required]}}


async def told(host: McpHost, person: Person, params: dict[str, Any]) -> Any:
    """What the server was told."""
    outcome = await call(host, "ask", person, params=params)
    assert outcome.outcome == "ok", outcome
    (answer,) = json.loads(outcome.text)
    answer.pop("resultType", None)
    return answer


def accepted(**content: Any) -> dict[str, Any]:
    return {"action": "accept", "content": content}


# --- forms ----------------------------------------------------------------------------------------------------------------------------


async def test_one_yes_or_no_is_asked_with_two_options(host: McpHost) -> None:
    person = Person("yes")
    params = form(["sure"], message="Order 12 socks?", sure={"type": "boolean", "title": "Sure"})
    assert await told(host, person, params) == accepted(sure=True)
    assert person.asked == [("shop asks: Order 12 socks?\nSure", ("yes", "no", "decline"), False)]
    assert await told(host, Person("no"), params) == accepted(sure=False)


async def test_a_form_without_fields_is_a_mere_confirmation(host: McpHost) -> None:
    person = Person("ok")
    assert await told(host, person, form()) == accepted()
    assert person.asked[0][1] == ("ok", "decline")
    assert await told(host, Person("decline"), form()) == {"action": "decline"}


@pytest.mark.parametrize(
    ("schema", "shown", "said", "value"),
    [
        ({"type": "string", "enum": ["s", "m"]}, ("s", "m"), "m", "m"),
        ({"type": "string", "enum": ["s", "m"], "enumNames": ["Small", "Middle"]}, ("Small", "Middle"), "Middle", "m"),
        (
            {"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "m", "title": "Middle"}]},
            ("Small", "Middle"),
            "Small",
            "s",
        ),
        ({"type": "string", "enum": ["decline", "go"]}, ("decline (1)", "go"), "decline (1)", "decline"),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["Same", "Same"]}, ("Same", "Same (2)"), "Same (2)", "b"),
        ({"type": "string", "enum": ["\u202egnp.exe"]}, ("\\u202egnp.exe",), "\\u202egnp.exe", "\u202egnp.exe"),
    ],
)
async def test_a_choice_is_asked_with_its_titles_and_told_by_its_values(
    old: McpHost, schema: dict[str, Any], shown: tuple[str, ...], said: str, value: str
) -> None:
    person = Person(said)
    assert await told(old, person, form(["size"], size=schema)) == accepted(size=value)
    assert person.asked[0][1:] == ((*shown, "decline"), False)


async def test_words_and_numbers_are_asked_for_in_free_words(host: McpHost) -> None:
    person = Person("Ann of Kiel", "3")
    params = form(
        ["name", "count"],
        message="Who buys?",
        name={"type": "string", "title": "Name", "description": "as on the letter box"},
        count={"type": "integer", "minimum": 1},
    )
    assert await told(host, person, params) == accepted(name="Ann of Kiel", count=3)
    first = "shop asks: Who buys?\nName: as on the letter box (1 of 2)", ("decline",), True
    assert person.asked == [first, ("shop asks: Who buys?\ncount (2 of 2)", ("decline",), True)]


@pytest.mark.parametrize(
    ("schema", "wrong", "because", "right", "value"),
    [
        ({"type": "integer"}, "many", "“many” is no whole number.", "12", 12),
        ({"type": "number", "maximum": 2.5}, "2.6", "“2.6” is too much: it takes at most 2.5.", "2.5", 2.5),
        ({"type": "number"}, "nan", "“nan” is no number.", "-1e3", -1000.0),
        ({"type": "string", "minLength": 3}, "ab", "“ab” is too little: it takes at least 3 characters.", "abc", "abc"),
        ({"type": "string", "format": "email"}, "ann", "“ann” is no email.", "ann@example.org", "ann@example.org"),
        ({"type": "string", "format": "date"}, "tomorrow", "“tomorrow” is no date.", "2026-09-28", "2026-09-28"),
        ({"type": "string", "format": "uri"}, "here", "“here” is no uri.", "https://example.org", "https://example.org"),
        (
            {"type": "array", "items": {"type": "string", "enum": ["red", "blue", "green"]}, "maxItems": 2},
            "red, pink",
            "“pink” is none of: red, blue, green.",
            "blue, red",
            ["blue", "red"],
        ),
    ],
)
async def test_what_does_not_fit_is_said_and_asked_again(
    old: McpHost, schema: dict[str, Any], wrong: str, because: str, right: str, value: object
) -> None:
    person = Person(wrong, right)
    assert await told(old, person, form(["it"], it=schema)) == accepted(it=value)
    assert person.asked[1][0] == f"{because} {person.asked[0][0]}"


async def test_after_three_wrong_answers_nobody_is_asked_again(host: McpHost) -> None:
    person = Person("a", "b", "c", "7")
    assert await told(host, person, form(["n"], n={"type": "integer"})) == {"action": "cancel"}
    assert len(person.asked) == asking.TRIES_MAX


async def test_what_need_not_be_said_can_be_skipped_and_a_default_stands_for_it(old: McpHost) -> None:
    person = Person("skip", "Skip", "skip")
    optional = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    params = form(["n"], note=optional, n={"type": "integer", "default": 3}, plain={"type": "boolean"})
    assert await told(old, person, params) == accepted(n=3)
    assert [options for _, options, _ in person.asked] == [("skip", "decline"), ("skip", "decline"), ("yes", "no", "skip", "decline")]
    assert "(skip means: 3)" in person.asked[1][0]


@pytest.mark.parametrize(("said", "action"), [("decline", "decline"), ("Decline ", "decline"), (None, "cancel")])
async def test_declining_and_not_answering_are_told_apart_and_end_the_form(host: McpHost, said: str | None, action: str) -> None:
    person = Person("first", said)
    assert await told(host, person, form(a={"type": "string"}, b={"type": "string"}, c={"type": "string"})) == {"action": action}
    assert len(person.asked) == 2


@pytest.mark.parametrize(
    "properties",
    [
        {"it": {"type": "object", "properties": {}}},
        {"it": {"type": "array", "items": {"type": "string"}}},
        {"it": 3},
        {"it": {"type": "string", "enum": [str(number) for number in range(60)]}},
        {f"f{number}": {"type": "string"} for number in range(30)},
    ],
)
async def test_a_form_that_no_person_can_fill_in_is_refused_in_a_sentence(old: McpHost, properties: dict[str, Any]) -> None:
    person = Person()
    answer = await told(old, person, form(**properties))
    assert answer["message"].endswith(".") and not person.asked


async def test_what_a_server_says_is_shown_as_its_words_with_nothing_hidden_and_not_without_end(old: McpHost) -> None:
    person = Person("ok")
    await told(old, person, form(message="Pay \u202e001$\u202c?\u200b\x07" + "x" * 9000))
    (text, _, _) = person.asked[0]
    assert text.startswith("shop asks: Pay \\u202e001$\\u202c?\\u200b\\u0007xxx")
    assert len(text) < asking.MESSAGE_CHARS_MAX + 100


# --- pages ----------------------------------------------------------------------------------------------------------------------------


def page(url: str) -> dict[str, Any]:
    return {"mode": "url", "message": "Please log in.", "url": url, "elicitationId": "e1"}


async def test_an_address_is_shown_in_full_with_its_host(host: McpHost) -> None:
    person = Person("done")
    url = "https://login.example.org/oauth?state=" + "x" * 1000
    assert await told(host, person, page(url)) == {"action": "accept"}
    text = f"shop asks: Please log in.\nPlease open this page, which is on login.example.org:\n{url}\nIs it done?"
    assert person.asked == [(text, ("done", "decline"), False)]
    assert await told(host, Person("decline"), page(url)) == {"action": "decline"}
    assert await told(host, Person(None), page(url)) == {"action": "cancel"}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://bank.example@evil.example/",
        "https://b\u0430nk.example/",
        "https://bank.example/\u202e",
        "https://bank.example/ x",
        "https://bank.example\\@evil.example",
        "https://",
        "https://[::1",
        "https://example.org/" + "x" * 3000,
    ],
)
async def test_an_address_that_could_mislead_is_shown_to_nobody(old: McpHost, url: str) -> None:
    person = Person()
    answer = await told(old, person, page(url))
    assert "http://" in answer["message"] and not person.asked


async def test_a_call_that_needs_pages_first_is_made_again_when_they_were_opened(old: McpHost) -> None:
    pages = [page("https://one.example/"), page("https://two.example/")]
    assert await call(old, "pages", Person("done", "done"), pages=pages) == ToolOutcome("ok", "logged in")
    person = Person("done", "decline")
    assert await call(old, "pages", person, pages=[*pages, page("https://three.example/")]) == ToolOutcome("error", "Log in first.")
    assert len(person.asked) == 2
    for_ever = Person(*["done"] * 100)
    assert (await call(old, "pages", for_ever, pages=pages, for_ever=True)).outcome == "error"
    assert len(for_ever.asked) == asking.QUESTIONS_MAX
    assert (await call(old, "pages", Person(), pages="none")).outcome == "error"


# --- whose call it is, and for how long ----------------------------------------------------------------------------------------------


async def test_with_two_calls_under_way_over_stdio_nobody_is_asked_since_nothing_says_for_which(old: McpHost) -> None:
    one, other = Person(), Person()
    waiting = asyncio.create_task(call(old, "ask", one, params=form()))
    await eventually(lambda: one.thinking == 1)
    answer = await told(old, other, form())
    assert "one call at a time" in answer["message"] and not other.asked
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_on_the_newest_protocol_each_call_asks_for_itself() -> None:
    async with serving("modern") as host:
        people = [Person("yes"), Person("no")]
        answers = await asyncio.gather(*(told(host, person, form(["x"], x={"type": "boolean"})) for person in people))
        assert answers == [accepted(x=True), accepted(x=False)]


async def test_a_question_outside_of_any_call_is_refused(old: McpHost, tmp_path: Path) -> None:
    person, heard = Person(), tmp_path / "heard"
    assert (await call(old, "late", person, params=form(), file=str(heard))).outcome == "ok"
    await eventually(lambda: heard.exists() and bool(heard.read_text()))
    assert "No call is under way" in heard.read_text() and not person.asked


@pytest.mark.parametrize("keeps_telling", [False, True])
async def test_the_time_out_rests_while_a_person_is_asked_and_counts_again_after(keeps_telling: bool) -> None:
    async with serving(timeout_s=0.6) as host:
        person = Person()
        going = asyncio.create_task(call(host, "ask", person, params=form(), keeps_telling=keeps_telling, then_s=10))
        await eventually(lambda: person.thinking == 1)
        await asyncio.sleep(1.5)  # longer than the server may be silent
        assert not going.done()
        person.says.append("ok")
        going.cancel()
        await asyncio.wait([going])
        assert person.thinking == 0
        person = Person("ok")
        outcome = await call(host, "ask", person, params=form(), then_s=10)
        assert outcome == ToolOutcome("unknown", "the tool was silent for 0.6 s and was given up; it may or may not have happened")


async def test_calls_that_ask_people_hold_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """People may think for an hour: that long nobody else's calls wait."""
    monkeypatch.setattr(mcp, "CALLS_AT_ONCE_MAX", 2)
    async with serving("modern") as host:
        people = [Person() for _ in range(5)]
        asking_them = [asyncio.create_task(call(host, "ask", person, params=form())) for person in people]
        await eventually(lambda: all(person.thinking for person in people))
        assert (await asyncio.wait_for(call(host, "offers"), 20)).outcome == "ok"
        for task in asking_them:
            task.cancel()
        await asyncio.wait(asking_them)


async def test_a_call_that_is_cancelled_asks_no_more_and_its_server_is_told(host: McpHost) -> None:
    person = Person()
    going = asyncio.create_task(call(host, "ask", person, params=form()))
    await eventually(lambda: person.thinking == 1)
    going.cancel()
    await asyncio.wait([going])
    assert going.cancelled() and person.thinking == 0
    assert await told(host, Person("ok"), form()) == accepted()


async def test_a_question_that_its_server_takes_back_is_withdrawn(old: McpHost) -> None:
    class Twice(Person):
        async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:
            if self.asked:
                self.says.append("ok")
            return await super().ask(text, options, free=free)

    person = Twice()
    outcome = await call(old, "give_up", person, params=form())
    assert json.loads(outcome.text) == ["gave up", accepted()]
    assert person.thinking == 0 and len(person.asked) == 2


async def test_many_questions_at_once_are_put_one_after_the_other_and_not_without_end(old: McpHost) -> None:
    class Slow(Person):
        most = 0

        async def ask(self, text: str, options: tuple[str, ...], *, free: bool = False) -> str | None:
            self.most = max(self.most, self.thinking + 1)
            return await super().ask(text, options, free=free)

    person = Slow(*["ok"] * 100)
    answers = json.loads((await call(old, "flood", person, params=form(), again=60)).text)
    assert len(person.asked) == asking.QUESTIONS_MAX and person.most == 1
    assert sum(answer == accepted() for answer in answers) == asking.QUESTIONS_MAX
    assert sum("nobody is asked any more" in answer.get("message", "") for answer in answers) == 40


async def test_a_server_that_is_lost_while_a_person_is_asked_leaves_the_outcome_unknown_and_asks_no_more(old: McpHost) -> None:
    person = Person()
    going = asyncio.create_task(call(old, "ask", person, params=form()))
    await eventually(lambda: person.thinking == 1)
    pid = old.servers()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert (await going).outcome == "unknown"
    assert person.thinking == 0


async def test_where_nobody_can_be_asked_the_server_is_told_so(host: McpHost) -> None:
    outcome = await call(host, "ask", NOBODY, params=form())
    assert json.loads(outcome.text)[0]["action"] == "cancel"


async def test_a_server_may_ask_to_be_called_again_without_asking_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.tools import session  # noqa: PLC0415 the SDK is imported late

    monkeypatch.setattr(session, "AGAIN_S", 0.05)
    async with serving("modern", timeout_s=0.5) as host:
        assert await call(host, "state", again=3) == ToolOutcome("ok", "3")
        assert (await call(host, "state", again=10_000)).outcome == "unknown"


# --- servers of others -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_over_http_the_stream_says_which_call_asks(era: str) -> None:
    port = a_free_port()
    host = McpHost([ServerSettings("shop", Address(f"http://127.0.0.1:{port}/mcp"))], forget, {}, SystemClock())
    async with running(port, sys.executable, SDK_SERVER, str(port), era), supervised(host):
        await host.ready()
        things = {"door": "red", "gate": "blue", "roof": "green"}
        people = {thing: Person(colour) for thing, colour in things.items()}
        outcomes = await asyncio.gather(*(call(host, "paint", people[thing], thing=thing) for thing in things))
        assert [outcome.text for outcome in outcomes] == [f"{thing}: {colour}" for thing, colour in things.items()]
        for thing, person in people.items():
            assert [text for text, _, _ in person.asked] == [f"shop asks: Which colour for the {thing}?\nColour"]
        if era == "handshake":
            assert (await call(host, "shout", Person("ok"), thing="dog")).text == "dog: accept"


async def test_a_server_of_another_making_is_answered() -> None:
    program = shutil.which("mcp-server-everything")
    if program is None:
        pytest.skip("mcp-server-everything is not installed: `npm install -g @modelcontextprotocol/server-everything`, and this test runs.")
    host = McpHost([ServerSettings("shop", Command((program,)), connect_timeout_s=20.0, sampling=True)], forget, {}, SystemClock())
    async with supervised(host):
        person = Person("Ann", "yes", *["skip"] * 11, "done", model="Hello.")
        outcome = await call(host, "trigger-elicitation-request", person)
        assert "User provided the requested information" in outcome.text and '"name": "Ann"' in outcome.text
        assert "(skip means: Superman)" in person.asked[10][0] and "(skip means: Tuna)" in person.asked[11][0]
        outcome = await call(host, "trigger-url-elicitation", person, url="https://example.org/x", message="Log in.")
        assert "User completed" in outcome.text
        assert "Hello." in (await call(host, "trigger-sampling-request", person, prompt="Say hello.")).text


# --- the model ------------------------------------------------------------------------------------------------------------------------


def sample(*texts: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": {"type": "text", "text": text}} for i, text in enumerate(texts)]
    return {"messages": messages, "maxTokens": 100, **more}


async def test_the_model_is_asked_only_where_the_owner_allows_it(host: McpHost) -> None:
    person = Person(model="Yes.")
    assert "sampling" not in json.loads((await call(host, "offers")).text)
    outcome = await call(host, "sample", person, params=sample("Is it?"))
    assert "not supported" in outcome.text or "sampling = true in [tools.shop]" in outcome.text
    assert not person.samples


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_the_model_is_asked_in_words_and_its_answer_is_bounded(era: str) -> None:
    async with serving(era, sampling=True) as host:
        assert "sampling" in json.loads((await call(host, "offers")).text)
        person = Person(model="word " * 500)
        outcome = await call(host, "sample", person, params=sample("One.", "Two.", "Three.", systemPrompt="Be brief."))
        (answer,) = json.loads(outcome.text)
        talk = (User("One."), Assistant("Two."), User("Three."))
        assert person.samples == [Request("Be brief.", talk, user="web:ann", answer_tokens_max=asking.SAMPLE_TOKENS_MIN)]
        assert (len(answer["content"]["text"]), answer["stopReason"]) == (400, "maxTokens")


@pytest.mark.parametrize(("asked", "given"), [(1, asking.SAMPLE_TOKENS_MIN), (2000, 2000), (10**6, asking.SAMPLE_TOKENS_MAX)])
async def test_the_model_is_given_the_limit_so_that_nobody_pays_for_what_is_cut_off(asked: int, given: int) -> None:
    async with serving(sampling=True) as host:
        person = Person(model="Yes.", tokens=given)
        (answer,) = json.loads((await call(host, "sample", person, params=sample("Is it?", maxTokens=asked))).text)
        assert person.samples[0].answer_tokens_max == given
        assert answer["stopReason"] == "maxTokens", "it used all that it had"


@pytest.mark.parametrize(
    "params",
    [
        sample(),
        sample("One.", "Two."),
        {"messages": [{"role": "user", "content": {"type": "image", "data": "AAAA", "mimeType": "image/png"}}], "maxTokens": 1},
        sample("x" * 200_000),
    ],
)
async def test_what_the_model_can_not_be_asked_is_refused_in_a_sentence(params: dict[str, Any]) -> None:
    async with serving(sampling=True) as host:
        person = Person(model="Yes.")
        (answer,) = json.loads((await call(host, "sample", person, params=params)).text)
        assert answer["message"].startswith("The model is asked") and not person.samples


async def test_a_model_that_is_away_is_said_and_a_server_can_not_ask_without_end() -> None:
    async with serving(sampling=True) as host:
        (answer,) = json.loads((await call(host, "sample", Person(), params=sample("Well?"))).text)
        assert answer["message"] == "No model can be asked just now."
        person = Person(model="Yes.")
        answers = json.loads((await call(host, "sample", person, params=sample("Well?"), again=30)).text)
        assert len(person.samples) == asking.QUESTIONS_MAX and "any more" in answers[-1]["message"]
