from __future__ import annotations

from typing import Any

from holdfast.core.entries import UserMessage


async def test_the_socket_alone_makes_links_and_they_open_the_port(rig: Any, site: Any) -> None:
    assert (await rig.client.post("/v1/login/codes")).status_code == 503  # no page is served for it
    rig.login.address = site.origin
    made = await rig.client.post("/v1/login/codes")
    assert made.status_code == 200
    assert made.json()["link"] == f"{site.origin}/#login={made.json()['code']}"
    assert rig.login.redeem(made.json()["code"])
    await site.log_in()
    assert (await site.client.post("/v1/login/codes", headers=site.own)).status_code == 404


async def test_the_socket_needs_no_login_and_gives_none(rig: Any) -> None:
    assert (await rig.client.get("/v1/status")).status_code == 200
    for path in ("/v1/login", "/v1/logout"):
        assert (await rig.client.post(path, json={"code": "x"})).status_code == 404


async def test_both_doors_have_the_same_api(rig: Any, site: Any) -> None:
    await site.log_in()
    for one in (rig, site):
        own = {"headers": site.own} if one is site else {}
        saved = await one.client.post("/v1/conversations/x/messages", json={"key": "k", "text": "Hello"}, **own)
        assert saved.json() == {"seq": 1, "new": True, "saved": True}
        (entry,) = one.gateway.transcripts["web:local:x"]
        assert entry.body == UserMessage(author="local", id="k", text="Hello")
        one.gateway.gates = {"route:main"}
        assert (await one.client.post("/v1/gates/route:main/retry", **own)).status_code == 200
        assert [row["name"] for row in (await one.client.get("/v1/conversations")).json()] == ["x"]


async def test_outside_the_demo_nothing_can_be_broken(site: Any) -> None:
    await site.log_in()
    assert (await site.client.get("/v1/status")).json()["demo"] is None
    assert (await site.client.post("/v1/demo/kill-tool", headers=site.own)).status_code == 404
