"""What events say: pure, so without a server."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.entries import Attachment
from holdfast.core.incoming import Deleted, Edited, Incoming, Place, Wrote
from holdfast.platforms.matrix.reading import Original, Room, Us, about, media_of, read

US = Us("@bot:example.org", "Holdfast")
ANN = "@ann:example.org"


def room(*others: str) -> Room:
    return Room("!room", {US.id: "Holdfast", ANN: "Ann Example", **dict.fromkeys(others, "")})


def message(content: dict[str, Any], sender: str = ANN, **more: Any) -> dict[str, Any]:
    return {"type": "m.room.message", "event_id": "$1", "sender": sender, "content": {"msgtype": "m.text"} | content} | more


def incoming(event: dict[str, Any], *others: str, before: Original | None = None, threads: dict[str, str] | None = None) -> Incoming | None:
    return read(event, room(*others), US, before or Original(), threads or {})


def wrote(content: dict[str, Any], *others: str, before: Original | None = None) -> Wrote:
    found = incoming(message(content), *others, before=before)
    assert found is not None
    assert isinstance(found.did, Wrote)
    return found.did


def to_us(content: dict[str, Any], before: Original | None = None) -> bool:
    found = incoming(message(content), "@bob:example.org", before=before)
    assert found is not None
    assert found.group
    return found.to_us


def test_a_message_says_who_wrote_it_and_where() -> None:
    assert incoming(message({"body": "Hello"})) == Incoming(
        place=Place("!room"), id="$1", author=ANN, did=Wrote("Hello"), name="Ann Example", group=False, to_us=True
    )


def test_a_person_without_a_name_is_called_by_their_id() -> None:
    found = incoming(message({"body": "Hello"}, sender="@bob:example.org"), "@bob:example.org")
    assert found is not None
    assert found.name == "bob"


@pytest.mark.parametrize(
    "event",
    [
        message({"body": "mine"}, sender=US.id),
        message({"msgtype": "m.notice", "body": "beep"}),
        message({"msgtype": "m.location", "body": "here"}),
        {"type": "m.room.message", "event_id": "$1", "sender": ANN, "content": {}},
        {"type": "m.room.message", "event_id": "$1", "sender": ANN, "content": {"msgtype": "m.text", "body": 7, "m.relates_to": "?"}}
        | {"sender": ""},
        {"type": "m.reaction", "event_id": "$1", "sender": ANN, "content": {}},
        {"type": "m.room.redaction", "event_id": "$1", "sender": ANN, "content": {}},
        message({"body": "* x", "m.relates_to": {"rel_type": "m.replace"}, "m.new_content": {"msgtype": "m.text", "body": "x"}}),
    ],
)
def test_what_is_no_matter_of_ours_is_nothing(event: dict[str, Any]) -> None:
    assert incoming(event) is None


def test_what_is_not_as_it_should_be_does_no_harm() -> None:
    assert wrote({"body": 7, "m.relates_to": [], "m.mentions": "no", "formatted_body": None}) == Wrote("")


class TestInAGroupAMessageIsToUs:
    def test_if_it_mentions_us(self) -> None:
        assert to_us({"body": "you there?", "m.mentions": {"user_ids": [US.id]}})

    def test_if_it_has_our_id(self) -> None:
        assert to_us({"body": f"ask {US.id} about it"})

    def test_if_it_has_a_link_to_us(self) -> None:
        assert to_us({"body": "ask them", "formatted_body": 'ask <a href="https://matrix.to/#/%40bot%3Aexample.org">them</a>'})

    @pytest.mark.parametrize("text", ["Holdfast: hello", "thanks, holdfast!", "@Holdfast what?"])
    def test_if_it_has_our_name(self, text: str) -> None:
        assert to_us({"body": text})

    def test_if_it_replies_to_us(self) -> None:
        assert to_us({"body": "why?", "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}, Original(US.id, "so"))

    @pytest.mark.parametrize("text", ["hello all", "the holdfasts of kelp"])
    def test_and_else_not(self, text: str) -> None:
        assert not to_us({"body": text, "m.mentions": {}})

    def test_nor_if_only_what_it_replies_to_names_us(self) -> None:
        content = {
            "body": f"> <@bob:example.org> {US.id} said\n\nyes",
            "formatted_body": f'<mx-reply><a href="https://matrix.to/#/{US.id}">x</a></mx-reply>yes',
            "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}},
        }
        assert not to_us(content, Original("@bob:example.org", "text"))


class TestAReply:
    def test_brings_what_it_replies_to(self) -> None:
        content = {"body": "why?", "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
        assert about(message(content)) == "$0"
        assert wrote(content, before=Original(ANN, "so it is")) == Wrote("why?", quote="Ann Example: so it is")

    def test_of_an_older_client_is_told_by_its_text_if_the_original_is_gone(self) -> None:
        content = {"body": f"> <{ANN}> so\n> it is\n\nwhy?", "m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
        assert wrote(content) == Wrote("why?", quote="Ann Example: so\nit is")

    def test_in_a_thread_is_none_if_it_is_there_for_old_clients_alone(self) -> None:
        relation = {"rel_type": "m.thread", "event_id": "$root", "is_falling_back": True, "m.in_reply_to": {"event_id": "$0"}}
        found = incoming(message({"body": "on", "m.relates_to": relation}))
        assert about(message({"body": "on", "m.relates_to": relation})) == ""
        assert found is not None
        assert found.place == Place("!room", "$root")


class TestAnEdit:
    EDIT = message(
        {
            "body": "* new",
            "m.new_content": {"msgtype": "m.text", "body": "new"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
        }
    )

    def test_has_the_new_text_and_is_in_the_thread_of_the_message(self) -> None:
        found = incoming(self.EDIT, before=Original(ANN, "old", "$root"))
        assert found is not None
        assert (found.place, found.id, found.did) == (Place("!room", "$root"), "$0", Edited("new", version="$1"))

    def test_of_what_another_person_wrote_is_nothing(self) -> None:
        assert incoming(self.EDIT, before=Original("@bob:example.org", "old")) is None
        assert incoming(self.EDIT) is None


@pytest.mark.parametrize("more", [{"redacts": "$0"}, {"content": {"redacts": "$0"}}])
def test_a_redaction_deletes_in_the_thread_of_the_message(more: dict[str, Any]) -> None:
    found = incoming({"type": "m.room.redaction", "event_id": "$1", "sender": ANN, "content": {}} | more, threads={"$0": "$root"})
    assert found is not None
    assert (found.place, found.id, found.did) == (Place("!room", "$root"), "$0", Deleted())


class TestAFile:
    def test_has_a_name_and_a_source(self) -> None:
        content = {"msgtype": "m.image", "body": "cat.png", "url": "mxc://example.org/abc", "info": {"mimetype": "image/png"}}
        assert wrote(content) == Wrote("", (Attachment(id="$1", name="cat.png", media_type="image/png", source="mxc://example.org/abc"),))

    def test_may_have_a_text(self) -> None:
        content = {"msgtype": "m.file", "body": "see page 3", "filename": "a.pdf", "url": "mxc://example.org/abc"}
        assert wrote(content) == Wrote("see page 3", (Attachment(id="$1", name="a.pdf", source="mxc://example.org/abc"),))

    def test_without_a_source_is_none(self) -> None:
        assert wrote({"msgtype": "m.file", "body": "a.pdf"}) == Wrote("")

    @pytest.mark.parametrize("address", ["https://example.org/x", "mxc://", "mxc://a", "mxc://a/b/c", ""])
    def test_is_not_anywhere_else(self, address: str) -> None:
        assert media_of(address) is None

    def test_is_on_a_server(self) -> None:
        assert media_of("mxc://example.org:8448/abc") == ("example.org:8448", "abc")


class TestACommand:
    @pytest.mark.parametrize(
        "text", ["/stop", "!stop", " !stop", "Holdfast: !stop", "@holdfast /stop", f"{US.id} !stop", "holdfast, /stop"]
    )
    def test_is_written_with_a_slash_or_an_exclamation_mark_and_perhaps_behind_our_name(self, text: str) -> None:
        assert wrote({"body": text}).text == "/stop"

    @pytest.mark.parametrize("text", ["!important", "!", "Holdfast: hello", "Holdfast, stop", "hey Holdfast !stop"])
    def test_is_not_anything_else(self, text: str) -> None:
        assert wrote({"body": text}).text == text

    def test_keeps_what_is_written_after_it(self) -> None:
        assert wrote({"body": "!choose 41 go on"}).text == "/choose 41 go on"


def test_an_emote_reads_as_one() -> None:
    assert wrote({"msgtype": "m.emote", "body": "waves"}).text == "* waves"
