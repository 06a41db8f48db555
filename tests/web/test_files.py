from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import httpx2
import pytest

from holdfast.core.files import FILE_BYTES_MAX
from holdfast.web import files

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"
POLYGLOT = b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//"


async def _put(rig: Any, data: Any, name: str = "a") -> httpx2.Response:
    response: httpx2.Response = await rig.client.post("/v1/files", params={"name": name}, content=data)
    return response


async def test_a_file_is_kept_under_what_it_is_made_of(rig: Any) -> None:
    response = await _put(rig, PNG, "../../x.html")
    sha256 = hashlib.sha256(PNG).hexdigest()
    assert response.json() == {"sha256": sha256, "media_type": "image/png", "size": len(PNG)}
    assert rig.gateway.files.kept == {sha256: PNG}


@pytest.mark.parametrize(
    ("data", "name", "served_as"),
    [
        (PNG, "a.png", "image/png"),
        (PNG, "a.html", "image/png"),
        (HTML, "a.png", "application/octet-stream"),
        (HTML, "a.html", "application/octet-stream"),
        (SVG, "a.svg", "application/octet-stream"),
        (POLYGLOT, "a.js", "image/gif"),
        (b"%PDF-1.7 ...", "a.pdf", "application/octet-stream"),
        (b"just words", "a.txt", "application/octet-stream"),
        (b"", "a.html", "application/octet-stream"),
    ],
)
async def test_a_file_is_given_back_so_that_no_browser_runs_it(rig: Any, data: bytes, name: str, served_as: str) -> None:
    sha256 = (await _put(rig, data, name)).json()["sha256"]
    response = await rig.client.get(f"/v1/files/{sha256}", params={"name": name})
    assert response.content == data
    assert response.headers["content-type"] == served_as
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert response.headers["content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("台所 ü.png", "attachment; filename=\"__ _.png\"; filename*=UTF-8''%E5%8F%B0%E6%89%80%20%C3%BC.png"),
        ('a";b\r\nset-cookie: x=1', "attachment; filename=\"a__b set-cookie_ x_1\"; filename*=UTF-8''a%22%3Bb%20set-cookie%3A%20x%3D1"),
        ("../../login.key", "attachment; filename=\"login.key\"; filename*=UTF-8''login.key"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''file"),
    ],
)
async def test_a_name_is_only_a_name(rig: Any, name: str, expected: str) -> None:
    sha256 = (await _put(rig, PNG)).json()["sha256"]
    response = await rig.client.get(f"/v1/files/{sha256}", params={"name": name})
    assert response.headers["content-disposition"] == expected
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "path", ["0" * 64, "..", "%2e%2e", "..%2flogin.key", "%2e%2e%2flogin.key", "..%5clogin.key", "%00", "login.key", "A" * 64]
)
async def test_no_path_leads_to_another_file(rig: Any, path: str) -> None:
    response = await rig.client.get(f"/v1/files/{path}")
    assert response.status_code in {400, 404}
    assert "error" in response.json()


async def test_a_browser_that_has_a_file_asks_whether_it_may_still_show_it(site: Any) -> None:
    await site.log_in()
    sha256 = (await site.client.post("/v1/files", content=PNG, headers=site.own)).json()["sha256"]
    first = await site.client.get(f"/v1/files/{sha256}")
    assert first.headers["cache-control"] == "private, no-cache"
    again = {"if-none-match": first.headers["etag"]}
    assert (await site.client.get(f"/v1/files/{sha256}", headers=again)).status_code == 304
    del site.gateway.files.kept[sha256]
    assert (await site.client.get(f"/v1/files/{sha256}", headers=again)).status_code == 400
    site.client.cookies.clear()
    assert (await site.client.get(f"/v1/files/{sha256}", headers=again)).status_code == 401


async def test_a_file_over_the_limit_is_refused_before_it_is_sent(rig: Any) -> None:
    reader, writer = await asyncio.open_unix_connection(rig.path)
    writer.write(b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (FILE_BYTES_MAX + 1))
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger than 25 MB" in answer
    writer.close()


async def _endless(chunks: int) -> Any:
    for _ in range(chunks):
        yield b"x" * 65536


async def test_a_file_that_does_not_say_how_long_it_is_is_read_to_the_limit_and_no_further(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes while the sender still sends; what it goes on sending is thrown away."""
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 1024 * 1024)
    await site.log_in()
    response = await site.client.post("/v1/files", content=_endless(100), headers=site.own)
    assert response.status_code == 413
    assert site.gateway.files.kept == {}
    assert (await site.client.post("/v1/files", content=_endless(16), headers=site.own)).status_code == 200
