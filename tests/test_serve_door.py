"""What the service lets in, over a real socket: limits, hostile files and bodies, pages of other sites."""

import io
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from served import Served, bomb, item_codes, plain, png, refusal, serving

from crossattack.errors import UsageError
from crossattack.serve import reading
from crossattack.serve.guard import JsonLines, is_loopback
from crossattack.serve.rate import Rate, items_a_second


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "state.sqlite") as running:
        yield running


def test_a_rate_limit_says_when_to_come_again_and_costs_nothing(tmp_path: Path) -> None:
    now = [0.0]
    with serving(tmp_path / "state.sqlite", rate=Rate(4.0, burst=8, clock=lambda: now[0])) as served:
        assert served.texts(["red"] * 8).status_code == 200
        refused = served.texts(["red"] * 6)
        assert refusal(refused) == (429, "too_fast")
        assert refused.headers["retry-after"] == "2"
        assert served.stats()["items"] == 8
        now[0] += 2
        assert served.texts(["red"] * 6).status_code == 200
        assert served.stats()["items"] == 14


def test_rates_are_written_as_people_say_them() -> None:
    assert [items_a_second(text) for text in ("50/s", "50", "600/min", "7.2/h")] == [50, 50, 10, 0.002]
    for text in ("fast", "0/s", "-1/s", "1/day"):
        with pytest.raises(UsageError, match="such as 50/s"):
            items_a_second(text)


def test_hostile_files_are_refused_one_by_one_and_not_counted(served: Served) -> None:
    good = png(served.query.images[0])
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    animated, tagged = io.BytesIO(), good[:8] + b"\0\0\0\0" + good[12:]
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    hostile = {
        "too_many_pixels": [bomb(30_000, 30_000), bomb(12_000, 9_000), bomb(5_000, 5_000), plain(4_001, 4_000)],
        "unsupported_format": [plain(16, 16, format="GIF"), plain(16, 16, format="BMP"), plain(16, 16, format="TIFF"), b"", b"<svg/>"],
        "damaged_picture": [good[:-40], good[: len(good) // 2], bomb(4_000, 4_000), plain(64, 64, format="JPEG")[:-100]],
        "animated_picture": [animated.getvalue()],
        "unsupported_depth": [plain(16, 16, "I;16")],
    }
    sent = [(code, file) for code, files in hostile.items() for file in files]
    reply = served.images([good, *(file for _, file in sent), good, tagged])
    assert item_codes(reply)[:-1] == ["answered", *(code for code, _ in sent), "answered"]
    assert item_codes(reply)[-1] in ("damaged_picture", "unsupported_format")
    assert served.stats() == {"items": 2, "images": 2, "texts": 0, "replayed": 0}


def test_texts_that_nobody_types_are_refused_one_by_one(served: Served) -> None:
    reply = served.texts(["red", "x" * 2001, ["w"] * 257, ["x" * 1001] * 2, "x" * 2000])
    assert item_codes(reply) == ["answered", "text_too_long", "text_too_long", "text_too_long", "answered"]
    assert served.stats()["items"] == 2


MALFORMED = [
    *(b"", b"{", b"[]", b"null", b'{"items": "red"}', b'{"items": [1]}', b'{"items": [null]}', b'{"items": ["a"], "more": 1}'),
    *(b'{"items": []}', b'{"items": ["\\ud800"]}', b'{"items": ["\xff"]}', b"[" * 100_000, b'{"items": [["a", ["b"]]]}'),
    *(b'{"items": ["a"], "keys": []}', b'{"items": ["a"], "keys": ["x", "y"]}', b'{"items": ["a"], "keys": [7]}'),
    *(b'{"items": ["a"], "keys": [""]}', b'{"items": ["a"], "keys": ["' + b"k" * 201 + b'"]}', b'{"items": ["a"], "keys": "x"}'),
]


def test_malformed_json_is_a_sentence(served: Served) -> None:
    def send(body: bytes) -> Any:
        return served.http.post("/v1/encode/texts", content=body, headers={"Content-Type": "application/json; charset=utf-8"})

    assert send(b'{"items": ["a"], "keys": ["' + b"k" * 200 + b'"]}').status_code == 200
    for body in MALFORMED:
        assert refusal(send(body))[0] == 422, body[:60]
    assert served.stats()["items"] == 1


def test_malformed_multipart_is_a_sentence(served: Served) -> None:
    good = png(served.query.images[0])
    whole = b'--x\r\nContent-Disposition: form-data; name="items"; filename="a"\r\n\r\n' + good + b"\r\n--x--\r\n"

    def send(body: bytes, boundary: str = "; boundary=x") -> Any:
        return served.http.post("/v1/encode/images", content=body, headers={"Content-Type": f"multipart/form-data{boundary}"})

    assert send(whole).status_code == 200
    bad = [whole[:-8], whole.replace(b"items", b"other"), whole.replace(b'; filename="a"', b""), b"--x--", b"", b"nonsense --", whole[3:]]
    for body in bad:
        assert refusal(send(body))[0] == 422
    assert refusal(send(whole, ""))[0] == 422
    for keys in ("{", "[1]", '["a", "b"]', '"a"', "[]"):
        assert refusal(served.images([good], keys=keys))[0] == 422
    assert served.stats()["items"] == 1


def test_a_key_in_the_header_is_for_a_single_item(served: Served) -> None:
    header = {"Idempotency-Key": "a"}
    assert refusal(served.texts(["red", "blue"], headers=header)) == (422, "keys")
    assert refusal(served.texts(["red"], keys=["b"], headers=header)) == (422, "keys")
    assert refusal(served.texts(["red"], headers={"Idempotency-Key": ""}))[0] == 422


def test_other_media_types_methods_and_addresses_are_refused(served: Served) -> None:
    assert refusal(served.http.post("/v1/encode/texts", content=b"{}", headers={"Content-Type": "text/plain"}))[0] == 415
    assert refusal(served.http.post("/v1/encode/images", json={"items": []}))[0] == 415
    assert refusal(served.http.post("/v1/encode/texts", content=b""))[0] == 415
    assert refusal(served.http.get("/v1/encode/texts")) == (405, "wrong_method")
    assert refusal(served.http.get("/v1/nothing")) == (404, "not_found")
    assert refusal(served.http.get("/page/../app.py")) == (404, "not_found")
    for k in ("0", "-1", "x", "1e3", "100000"):
        assert refusal(served.texts(["a"], to=f"/v1/search/texts?k={k}")) == (422, "malformed")


def test_too_many_items_are_refused_whole(served: Served) -> None:
    assert refusal(served.texts(["red"] * 65)) == (413, "batch_too_large")
    assert refusal(served.images([png(served.query.images[0])] * 65)) == (413, "batch_too_large")
    assert refusal(served.images([b"x"] * 5000)) == (413, "batch_too_large")
    assert served.texts(["red"] * 64).status_code == 200
    assert served.stats()["items"] == 64


@pytest.mark.parametrize(("modality", "media"), reading.MEDIA.items())
def test_a_body_without_end_is_refused_while_it_is_read(served: Served, modality: str, media: str) -> None:
    most, sent = reading.MOST_BYTES[modality], 0

    def endless() -> Iterator[bytes]:  # chunked: there is no Content-Length to trust or to doubt
        nonlocal sent
        while sent < 2 * most:
            sent += 1 << 16
            yield b"x" * (1 << 16)

    reply = served.http.post(f"/v1/encode/{modality}", content=endless(), headers={"Content-Type": f"{media}; boundary=x"})
    assert refusal(reply) == (413, "body_too_large")
    assert served.http.get("/healthz").status_code == 200


def test_a_body_that_never_comes_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.2)
    monkeypatch.setattr(reading, "LINGER", (0.2, 1 << 20))
    host, _, port = served.url.removeprefix("http://").partition(":")
    for promised in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = b"POST /v1/encode/texts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + promised + b"\r\n\r\n"
            connection.sendall(head)
            assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_without_tokens_pages_of_other_sites_get_nothing(served: Served) -> None:
    for headers in ({"Host": "evil.example"}, {"Host": "localhost.evil.example:80"}, {"Host": ""}):
        assert refusal(served.http.get("/v1/info", headers=headers)) == (403, "strange_host")
    for site in ("cross-site", "same-site"):
        assert refusal(served.texts(["red"], headers={"Sec-Fetch-Site": site})) == (403, "other_site")
    assert served.http.get("/v1/info", headers={"Host": "LOCALHOST:1", "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert served.stats()["items"] == 0


def test_hosts_of_this_machine_are_told_from_others() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "", "127.0.0.1.evil.example"))


def test_every_reply_has_the_strict_headers(served: Served) -> None:
    for path in ("/", "/docs", "/healthz", "/v1/info", "/v1/items/0.png", "/nothing"):
        headers = served.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "server" not in headers


def test_a_fault_of_ours_is_a_sentence_and_a_traceback_in_the_log(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret insides")

    monkeypatch.setattr(type(served.service), "_codes", broken)
    with caplog.at_level(logging.INFO, "crossattack.serve"):
        reply = served.texts(["red"])
    assert refusal(reply) == (500, "internal")
    assert "insides" not in reply.text
    assert "default-src" in reply.headers["content-security-policy"]
    line = JsonLines().format(next(record for record in caplog.records if record.exc_info))
    assert "ZeroDivisionError: secret insides" in json.loads(line)["error"]
    assert served.stats()["items"] == 0


def test_the_openapi_page_lists_every_address_and_fetches_nothing(served: Served) -> None:
    schema = served.http.get("/openapi.json").json()
    page = served.http.get("/docs").text
    for path in (
        "/healthz",
        "/v1/info",
        "/v1/stats",
        "/v1/items/{item}.png",
        *(f"/v1/{do}/{what}" for do in ("encode", "search") for what in ("images", "texts")),
    ):
        assert path in schema["paths"]
        assert path in page
    assert "multipart/form-data" in schema["paths"]["/v1/encode/images"]["post"]["requestBody"]["content"]
    assert "HTTPBearer" in schema["components"]["securitySchemes"]
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
