from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web

from rooms.errors import Code, RoomError
from server.http.errors import STATUS
from server.http.middleware import client_address
from tests.server.http.client import http_client


async def ok(request: web.Request) -> web.Response:
    return web.Response(text=request.remote or "")


def raising(error: Exception) -> list[web.RouteDef]:
    async def handler(_: web.Request) -> web.Response:
        raise error

    return [web.get("/broken", handler)]


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/nowhere", "/static/room-ABCDEFGH.js", "/metrics"]
)
async def test_every_answer_tells_browsers_what_it_may_do(tmp_path: Path, path: str) -> None:
    async with http_client(tmp_path) as client:
        headers = (await client.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "camera=(self)" in headers["Permissions-Policy"]
        assert "Server" not in headers
        assert headers["X-Request-Id"]


async def test_policy_names_the_other_nodes_and_no_one_else(tmp_path: Path) -> None:
    async with http_client(
        tmp_path, public_url="https://gz.example", origins="https://sf.example:8443"
    ) as client:
        headers = (await client.get("/")).headers
        connect = re.search(r"connect-src ([^;]+)", headers["Content-Security-Policy"])
        assert connect is not None
        host = f"{client.host}:{client.port}"
        assert set(connect[1].split()) == {
            "'self'",
            *(f"{scheme}://{host}" for scheme in ("ws", "wss")),
            *(f"{scheme}://gz.example" for scheme in ("https", "wss")),
            *(f"{scheme}://sf.example:8443" for scheme in ("https", "wss")),
        }
        assert "Strict-Transport-Security" in headers


async def test_host_header_cannot_widen_the_policy(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        headers = {"Host": "x; script-src *"}
        policy = (await client.get("/", headers=headers)).headers["Content-Security-Policy"]
        assert "script-src *" not in policy


@pytest.mark.parametrize("code", list(Code))
async def test_refusal_becomes_its_status_with_cause_and_code(tmp_path: Path, code: Code) -> None:
    error = RoomError(code, "Because. Do this.", retry_after_s=1.5)
    async with http_client(tmp_path, routes=raising(error)) as client:
        answer = await client.get("/broken")
        assert answer.status == STATUS[code]
        assert await answer.json() == {
            "error": {"code": str(code), "message": "Because. Do this.", "retry_after_s": 1.5}
        }
        assert answer.headers["Retry-After"] == "2"
        assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)


async def test_bug_is_a_500_that_gives_nothing_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_client(tmp_path, routes=raising(KeyError("inner-detail"))) as client:
        answer = await client.get("/broken")
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == "internal"
        assert "inner-detail" not in await answer.text()
        page = await client.get("/broken", headers={"Accept": "text/html"})
        assert page.status == 500
        assert 'data-test="error-page"' in await page.text()
        assert "inner-detail" not in await page.text()


async def test_handlers_own_timeout_is_a_bug_not_the_callers_fault(tmp_path: Path) -> None:
    async with http_client(tmp_path, routes=raising(TimeoutError())) as client:
        assert (await client.get("/broken")).status == 500


async def test_wrong_method_names_the_right_ones(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.delete("/healthz", headers={"Authorization": "Bearer x"})
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert (await answer.json())["error"]["code"] == "bad_command"


async def test_request_id_of_a_proxy_is_kept_and_a_forged_one_is_not(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        given = await client.get("/healthz", headers={"X-Request-Id": "abcdef-0123"})
        assert given.headers["X-Request-Id"] == "abcdef-0123"
        for forged in ("short", "x" * 65, "a b c d e f g h", "<script>aaaa"):
            other = await client.get("/healthz", headers={"X-Request-Id": forged})
            assert other.headers["X-Request-Id"] != forged


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8080.evil.example"}, 403),
        ({"Origin": "https://localhost:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://evil.example", "Authorization": "Bearer x"}, 200),
    ],
    ids=str,
)
async def test_foreign_page_changes_nothing(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with http_client(tmp_path, routes=[web.post("/act", ok)]) as client:
        answer = await client.post("/act", headers=headers)
        assert answer.status == status
        if status == 403:
            assert (await answer.json())["error"]["code"] == "forbidden"


async def test_foreign_page_may_read_what_is_public(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        answer = await client.get("/healthz", headers={"Origin": "http://evil.example"})
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_body_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.http.middleware.BODY_TIMEOUT_S", 0.05)

    async def read(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async with http_client(tmp_path, routes=[web.post("/act", read)]) as client:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"POST /act HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_body_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    async def read(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async with http_client(tmp_path, routes=[web.post("/act", read)]) as client:
        answer = await client.post("/act", data=b"x" * (129 * 1024))
        assert answer.status == 413
        assert (await answer.json())["error"]["code"] == "too_large"


async def test_requests_are_counted_by_route_not_by_address(tmp_path: Path) -> None:
    async with http_client(tmp_path) as client:
        for room in ("one", "two", "three"):
            await client.get(f"/rooms/{room}")
        await client.get("/nowhere/at/all")
        text = await (await client.get("/metrics")).text()
        assert (
            'yunhai_http_requests_total{method="GET",route="/rooms/{room}",status="200"} 3.0'
            in text
        )
        assert 'route="unmatched",status="404"} 1.0' in text
        assert "two" not in text


@pytest.mark.parametrize(
    ("forwarded", "proxies", "found"),
    [
        ([], 1, "10.0.0.1"),
        (["203.0.113.5"], 1, "203.0.113.5"),
        (["6.6.6.6, 203.0.113.5"], 1, "203.0.113.5"),
        (["6.6.6.6", "203.0.113.5, 10.0.0.2"], 2, "203.0.113.5"),
        (["203.0.113.5"], 2, "10.0.0.1"),
        (["nonsense"], 1, "10.0.0.1"),
        (["2001:db8::5"], 1, "2001:db8::5"),
    ],
)
def test_address_behind_proxies_is_counted_from_the_trusted_end(
    forwarded: list[str], proxies: int, found: str
) -> None:
    assert client_address(forwarded, "10.0.0.1", proxies) == found


async def test_forwarded_address_is_believed_only_behind_a_proxy(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "203.0.113.5"}
    async with http_client(tmp_path, routes=[web.get("/who", ok)]) as client:
        assert await (await client.get("/who", headers=headers)).text() == "127.0.0.1"
    async with http_client(tmp_path / "b", routes=[web.get("/who", ok)], proxies="1") as client:
        answer = await client.get("/who", headers=headers)
        assert await answer.text() == "203.0.113.5"
        page = await client.get("/", headers=headers)
        nonce = re.search(r'nonce="([^"]+)"', await page.text())
        assert nonce is not None
        assert nonce[1] in page.headers["Content-Security-Policy"]
