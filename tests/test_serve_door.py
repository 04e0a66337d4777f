"""Who and what the service lets in, over a real socket: tokens, limits, hostile files and bodies, and what is logged of it."""

import hmac
import io
import json
import logging
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from served import Served, plain, png, serving

from crossattack.errors import UsageError
from crossattack.serve import reading
from crossattack.serve.guard import JsonLines, is_loopback
from crossattack.serve.rate import Rate, items_a_second
from crossattack.serve.refusals import Refusal
from crossattack.serve.tokens import Tokens

ALICE, BOB = "alice-token-0123456789", "bob-token-0123456789abc"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "state.sqlite") as running:
        yield running


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# who may ask\nalice:{ALICE}\n\nbob:{BOB}\n")
    path.chmod(0o600)
    return path


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(reply: Any) -> tuple[int, str]:
    """The status and the word of a refusal; its sentence is one line."""
    error = reply.json()["error"]
    assert error["message"]
    assert "\n" not in error["message"]
    return reply.status_code, error["code"]


def item_codes(reply: Any) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [result.get("error", {}).get("code", "answered") for result in reply.json()["results"]]


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge and whose data is a few thousand zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + chunk(b"IEND", b"")


def test_only_bearers_of_known_tokens_come_in_each_on_an_account_of_their_own(tmp_path: Path, token_file: Path) -> None:
    with serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served:
        assert served.http.get("/healthz").status_code == 200
        for headers in (
            {},
            bearer(ALICE[:-1]),
            {"Authorization": "Bearer"},
            {"Authorization": f"Basic {ALICE}"},
            {"Authorization": b"Bearer \xff\xfe"},
        ):
            for path in ("/v1/info", "/v1/stats", "/v1/items/0.png"):
                reply = served.http.get(path, headers=headers)
                assert refusal(reply)[0] == 401
                assert reply.headers["www-authenticate"] == "Bearer"
            assert served.texts(["red"], headers=headers).status_code == 401
        assert served.texts(["red"], keys=["a"], headers=bearer(ALICE)).status_code == 200
        assert "code" in served.texts(["blue"], keys=["a"], headers=bearer(BOB)).json()["results"][0]  # his own key "a"
        assert served.texts(["red", "blue"], headers=bearer(BOB)).status_code == 200
        assert served.stats(bearer(ALICE))["items"] == 1
        assert served.stats(bearer(BOB))["items"] == 3


def test_a_token_can_be_revoked_or_taken_away_while_the_service_runs(tmp_path: Path, token_file: Path) -> None:
    with serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served:
        assert served.texts(["red"], headers=bearer(ALICE)).status_code == 200
        token_file.write_text(f"!alice:{ALICE}\nbob:{BOB}\n")
        assert refusal(served.texts(["red"], headers=bearer(ALICE))) == (403, "token_revoked")
        token_file.write_text(f"bob:{BOB}\n")
        assert refusal(served.texts(["red"], headers=bearer(ALICE))) == (401, "unknown_token")
        token_file.write_text("nonsense\n")
        for _ in range(2):  # nobody gets in, also not by the list of before
            assert refusal(served.texts(["red"], headers=bearer(BOB))) == (503, "tokens_unreadable")
        token_file.write_text(f"bob:{BOB}\n#\n")
        assert served.texts(["red"], headers=bearer(BOB)).status_code == 200


def test_every_known_token_is_compared_in_constant_time(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    tokens = Tokens.from_file(token_file)
    assert tokens.owner(f"Bearer {ALICE}") == "alice"
    for nobody in ("Bearer x", None):
        with pytest.raises(Refusal):
            tokens.owner(nobody)
    assert compared == [(32, 32)] * 6  # two known tokens, three callers, digests of one length


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"alice:{ALICE}\n", 0o640, "run `chmod 600"),
        ("alice:short\n", 0o600, "line 1 of"),
        (f"ok:{BOB}\nalice {ALICE}\n", 0o600, "line 2 of"),
        (f"ok:{ALICE}\nalice:{ALICE}\n", 0o600, "every token once"),
        ("# nobody\n", 0o600, "at least one"),
    ],
)
def test_token_files_that_are_wrong_are_refused_without_repeating_a_token(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(UsageError) as error:
        Tokens.from_file(path)
    assert said in str(error.value)
    assert ALICE not in str(error.value)
    assert "short" not in str(error.value)


def test_tokens_of_the_environment_are_parted_by_spaces() -> None:
    tokens = Tokens.from_text(f"alice:{ALICE} !bob:{BOB}")
    assert tokens.are_wanted
    assert tokens.owner(f"bearer {ALICE}") == "alice"
    with pytest.raises(Refusal, match="revoked"):
        tokens.owner(f"Bearer {BOB}")


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


def test_a_request_is_one_line_of_json_without_token_text_or_query(
    tmp_path: Path, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        serving(tmp_path / "state.sqlite", tokens=Tokens.from_file(token_file)) as served,
    ):
        served.texts(["a secret wish", "x" * 3000], headers=bearer(ALICE), to="/v1/search/texts?k=3", keys=["hidden1", "hidden2"])
        served.texts(["red"], headers=bearer("wrong-token-0123456789"))
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "crossattack.serve"]
    told = [json.loads(line) for line in lines if '"request"' in line]
    fields = {"method": "POST", "path": "/v1/search/texts", "status": 200, "account": "alice", "items": 2, "replayed": 0, "refused": 1}
    assert fields.items() <= told[0].items()
    assert (told[1]["status"], "account" in told[1]) == (401, False)
    logged = "\n".join(lines + [record.getMessage() for record in caplog.records if record.name.startswith(("crossattack", "uvicorn"))])
    for secret in (ALICE, "wrong-token", "secret wish", "hidden1", "k=3"):
        assert secret not in logged


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
