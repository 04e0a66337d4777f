"""At the door of a service: tokens, addresses, descriptions that make no sense, leave, and manners."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from remote import doors, load, pictures
from services import Running, service

from crossattack.errors import ConfigError, CrossattackError, TargetError, UsageError
from crossattack.targets._http_client import Pace, retry_after
from crossattack.targets.http import Http


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_token_opens_the_door_and_is_in_no_message(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with service(folder / "count", token="s3cret-token", forbid_after=1) as running:
        with pytest.raises(TargetError, match=r"401 got .*; put a token that it knows into CROSSATTACK_TOKEN\."):
            load(running.url)
        monkeypatch.setenv("CROSSATTACK_TOKEN", "wr0ng-token")
        with pytest.raises(TargetError, match="401 got") as caught:
            load(running.url)
        assert "wr0ng" not in str(caught.value)
        monkeypatch.setenv("CROSSATTACK_TOKEN", "s3cret-token\n")
        with doors(folder / "run", running.url) as both:
            both.oracle.query_images(pictures(1), phase="mining")
            with pytest.raises(TargetError, match=r"403 got \(refused: not any more Bearer \*\*\*\)"):
                both.oracle.query_texts(["more"], phase="mining")
    monkeypatch.setenv("CROSSATTACK_TOKEN", "two words")
    with pytest.raises(UsageError, match=r"a token in one word of ASCII wanted, something else got"):
        load("http://127.0.0.1:9")


def test_nobody_there_is_said_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetError, match=r"none got in 4 attempts in .* s, the last: no connection \(.*refused.*\)") as caught:
        load(f"http://127.0.0.1:{port}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"page": True}, "a service's JSON wanted of .*/v1/info, a web page got; check `target.url`"),
        ({"info": {"api": 2}}, "a service of api 1 wanted at .*, api 2 got"),
        ({"info": {"digest": "DROP TABLE"}}, "`digest` of 16 hexadecimal digits wanted"),
        ({"info": {"dim": 0}}, "a sensible count `dim` wanted"),
        ({"info": {"dim": True}}, "a sensible count `dim` wanted"),
        ({"info": {"batch": None}}, "a sensible count `batch` wanted"),
        ({"info": {"database": [1]}}, "a sensible count `images` wanted"),
        ({"info": {"reveals": "everything"}}, "`reveals` codes or ranking wanted in .*, 'everything' got"),
        ({"info": {"reveals": "ranking", "dim": None}}, "`top_k` of 1 to .* wanted in .* of a ranking, None got"),
        ({"info": {"reveals": "features"}}, "a service that reveals codes or its ranking wanted, .* reveals features"),
        ({"info": {"idempotency_seconds": -1}}, "`idempotency_seconds` of 0 or more wanted"),
        ({"info": {"api": {"x": "y\n" * 100}}}, "a service of api 1 wanted"),
    ],
)
def test_what_is_no_service_of_ours_is_refused_in_a_line(options: dict[str, Any], says: str, folder: Path) -> None:
    with service(folder / "count", **options) as running, pytest.raises(TargetError, match=says) as caught:
        load(running.url)
    assert "\n" not in str(caught.value)


def test_another_path_is_refused(folder: Path) -> None:
    with service(folder / "count") as running, pytest.raises(TargetError, match=r"404 got \(not_found: no such path\); check `target.url`"):
        load(f"{running.url}/elsewhere")


def test_a_service_of_another_model_is_another_ledger(folder: Path) -> None:
    with service(folder / "count") as running, doors(folder / "run", running.url) as both:
        both.oracle.query_images(pictures(1), phase="mining")
    says = "is the ledger of target 0123456789abcdef, one of target ffff"
    with service(folder / "count", info={"digest": "f" * 16}) as running, pytest.raises(CrossattackError, match=says):
        doors(folder / "run", running.url).__enter__()


# Settings


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@127.0.0.1:1", "me:hunter2@127.0.0.1", "http://127.0.0.1/?key=hunter2", "http://127.0.0.1/#hunter2"]
)
def test_credentials_in_an_address_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="CROSSATTACK_TOKEN") as caught:
        Http(url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1", "http://127.0.0.1/a b"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="`url` of http: the address of a service such as"):
        Http(url=url)


@pytest.mark.parametrize(
    "host", ["search.example.com", "192.168.0.7", "127.0.0.1.example.com", "0.0.0.0", "[2001:db8::1]", "localhost.example.com"]
)
def test_other_machines_need_leave(host: str) -> None:
    with pytest.raises(ConfigError, match=r"leave to test .* wanted, none got; say `--i-am-authorised`"):
        Http(url=f"https://{host}")
    assert Http(url=f"https://{host}", authorised=True).authorised


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.9.9.9"])
def test_this_machine_needs_none(host: str) -> None:
    assert not Http(url=f"http://{host}:8000").authorised


# Manners


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("", 0, 0), ("soon", 0, 0), ("-3", 0, 0), ("9" * 400, 0, float("inf")), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str, low: float, high: float) -> None:
    assert low <= retry_after(header) <= high


def test_a_retry_after_of_an_hour_is_capped(folder: Path) -> None:
    import email.utils

    assert 3500 < retry_after(email.utils.formatdate(time.time() + 3600, usegmt=True)) <= 3600


def test_items_leave_at_the_pace_that_was_set(folder: Path) -> None:
    pace, began = Pace(100.0), time.monotonic()
    for _ in range(4):
        pace.keep(10)
    assert 0.3 <= time.monotonic() - began < 5
    with service(folder / "count") as running, doors(folder / "run", running.url, rate=100.0) as both:
        began = time.monotonic()
        both.oracle.query_images(pictures(40), phase="mining")
        assert time.monotonic() - began >= 0.3


def test_running_knows_its_count(folder: Path) -> None:
    assert Running(folder / "nothing").total() == 0
