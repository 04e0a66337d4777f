"""A remote target over real sockets: whatever the service does wrong, the bill is right and so are the answers."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from faulty_service import code_of
from services import Running, service
from torch import Tensor

from crossattack.datasets import Pairs
from crossattack.errors import BudgetRefused, ConfigError, CrossattackError, TargetError, UsageError
from crossattack.ledger import Bill, Ledger
from crossattack.oracle import Oracle, Referee
from crossattack.progress import Silent
from crossattack.targets._http_client import Pace, retry_after
from crossattack.targets._http_wire import as_png
from crossattack.targets.http import Http, RemoteTarget

QUICK: dict[str, Any] = {"rate": 1e6, "backoff": 0.002, "longest_wait": 0.02, "read_seconds": 10.0, "total_seconds": 20.0, "attempts": 40}
QUICK |= {"reply_bytes": 1 << 20, "batch": 8}
BUSY_AND_LOST = {"busy": 0.2, "lost": 0.2}
EVERYTHING = {
    **BUSY_AND_LOST,
    **{
        "slow": 0.02,
        "truncated": 0.07,
        "malformed": 0.07,
        "bits": 0.07,
        "values": 0.07,
        "fewer": 0.03,
        "oversized": 0.05,
        "unavailable": 0.05,
    },
}
DIGEST = "0123456789abcdef"


def pictures(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


TEXTS = [f"a red square number {number}" for number in range(40)]


@dataclass
class Doors:
    """What a run has of a service."""

    ledger: Ledger
    oracle: Oracle
    referee: Referee

    def ask_everything(self) -> Tensor:
        """200 items through both doors, a few of them twice."""
        mined = [self.oracle.query_images(pictures(100), phase="mining").codes, self.oracle.query_texts(TEXTS, phase="mining").codes]
        judged = [
            self.referee.query_images(pictures(50)[:40], phase="clean").codes,
            self.referee.query_texts(TEXTS[:20], phase="clean").codes,
        ]
        again = self.oracle.query_images(pictures(10), phase="attack").codes
        return torch.cat([*mined, *judged, again])

    def bills(self) -> tuple[Bill, Bill]:
        return self.ledger.bill("attacker"), self.ledger.bill("referee")

    def spent(self) -> int:
        return sum(bill.spent for bill in self.bills())


def load(url: str, **settings: Any) -> RemoteTarget:
    """The service at `url`, once it has said what it is."""
    nothing = Pairs(pictures(0), (), torch.zeros(0, 1, dtype=torch.bool), torch.zeros(0, dtype=torch.int64), ("none",))
    return Http(url=url, **{**QUICK, **settings}).load(nothing, device="cpu", progress=Silent())


@contextmanager
def doors(folder: Path, url: str, budget: int = 1000, per_item: int | None = None, **settings: Any) -> Iterator[Doors]:
    """Both doors to the service at `url`, on the ledger in `folder`."""
    folder.mkdir(exist_ok=True)
    target = load(url, **settings)
    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger, target.connect() as endpoint:
        yield Doors(ledger, Oracle(ledger, endpoint, budget=budget, per_item=per_item), Referee(ledger, endpoint, cap=1000))


def true_codes() -> Tensor:
    images = torch.tensor([code_of(as_png(pictures(100), place), 16) for place in range(100)], dtype=torch.int8)
    texts = torch.tensor([code_of(f'"{text}"'.encode(), 16) for text in TEXTS], dtype=torch.int8)
    return torch.cat([images, texts, images[:40], texts[:20], images[:10]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_codes_are_the_services_own_in_the_order_that_was_asked(folder: Path) -> None:
    with service(folder / "count") as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert running.counted() == {"images": 140, "texts": 60}
        assert both.spent() == 200


@pytest.mark.parametrize(("faults", "seed"), [(BUSY_AND_LOST, 1), (BUSY_AND_LOST, 2), (EVERYTHING, 3), (EVERYTHING, 4)])
def test_faults_change_neither_answers_nor_bill(faults: dict[str, float], seed: int, folder: Path) -> None:
    with service(folder / "calm") as calm, doors(folder / "one", calm.url) as both:
        wanted, digest = both.ask_everything(), both.ledger.digest()
    with (
        service(folder / "faulty", faults=faults, seed=seed, slow=0.6) as running,
        doors(folder / "two", running.url, read_seconds=0.4) as both,
    ):
        assert torch.equal(both.ask_everything(), wanted)
        assert both.ledger.digest() == digest
        assert both.spent() == running.total() == 200  # not one item twice
        assert [bill.resent for bill in both.bills()] == [0, 0]


def test_a_service_that_crashes_in_mid_run_loses_and_doubles_nothing(folder: Path) -> None:
    with service(folder / "count", faults=BUSY_AND_LOST, exit_after=7) as running:
        with doors(folder / "run", running.url, longest_wait=0.2, backoff=0.02) as both:
            assert torch.equal(both.ask_everything(), true_codes())
            assert both.spent() == running.total() == 200
        assert running.lives > 3


def test_the_audit_can_fail_a_service_that_ignores_keys_bills_more(folder: Path) -> None:
    with service(folder / "count", faults=BUSY_AND_LOST, seed=1, boasts=True) as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert both.spent() == 200 < running.total() - 20


@pytest.mark.parametrize("faults", [BUSY_AND_LOST, {name: share for name, share in EVERYTHING.items() if name != "slow"}])
def test_a_service_without_idempotency_is_charged_per_attempt(faults: dict[str, float], folder: Path) -> None:
    with service(folder / "count", faults=faults, seed=5, no_idempotency=True) as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        attacker, referee = both.bills()
        assert both.spent() == running.total() > 220
        assert attacker.resent + referee.resent == both.spent() - 200
        assert both.oracle.remaining == 1000 - attacker.spent
        assert sum(attacker.phases.values()) == attacker.spent == attacker.images + attacker.texts
    Ledger.open(folder / "run/ledger.sqlite", target_digest=DIGEST).close()  # its rows still add up


def test_attempts_that_the_budget_does_not_cover_are_not_made(folder: Path) -> None:
    with service(folder / "count", faults={"lost": 0.5}, seed=2, no_idempotency=True) as running:
        with doors(folder / "run", running.url, budget=60) as both:
            with pytest.raises(BudgetRefused):
                both.oracle.query_images(pictures(60), phase="mining")
            assert both.spent() == 60 >= running.total()
        with doors(folder / "more", running.url, per_item=1) as both:
            with pytest.raises(BudgetRefused, match="per_item"):
                both.oracle.query_images(pictures(60), phase="attack", items=range(60))
            assert both.spent() == 60


def test_what_is_in_doubt_when_a_run_is_resumed_is_paid_for_again_only_where_it_was_forgotten(folder: Path) -> None:
    for no_idempotency, spent in ((False, 8), (True, 16)):
        name = f"forgetful-{no_idempotency}"
        options: dict[str, Any] = {"no_idempotency": True} if no_idempotency else {}
        with (
            service(folder / name, faults={"lost": 1.0}, **options) as running,
            doors(folder / f"run-{name}", running.url, attempts=1) as both,
            pytest.raises(TargetError, match="none got in 1 attempts"),
        ):
            both.oracle.query_images(pictures(8), phase="mining")
        with service(folder / name, **options) as running, doors(folder / f"run-{name}", running.url) as both:
            both.oracle.query_images(pictures(8), phase="mining")
            assert both.spent() == running.total() == spent


def test_what_is_in_doubt_for_longer_than_the_service_remembers_is_paid_for_again(folder: Path) -> None:
    options: dict[str, Any] = {"info": {"idempotency_seconds": 100}}
    with service(folder / "count", faults={"lost": 1.0}, **options) as running, doors(folder / "run", running.url, attempts=1) as both:
        for spent in (8, 8):  # at once, it is still known
            with pytest.raises(TargetError, match="none got in 1 attempts"):
                both.oracle.query_images(pictures(8), phase="mining")
            assert both.spent() == spent
        both.ledger._db.execute("UPDATE charge SET time = time - 101")
        with pytest.raises(TargetError, match="none got in 1 attempts"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.spent() == 16


def test_giving_up_keeps_what_was_answered_and_says_how_often_it_asked(folder: Path) -> None:
    with (
        service(folder / "count", forbid_after=1000, faults={"busy": 1.0}) as running,
        doors(folder / "run", running.url, attempts=3) as both,
    ):
        with pytest.raises(TargetError, match=r"none got in 3 attempts in .* s, the last: an answer wanted, 429 got \(refused: too many"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.spent() == 8
        assert running.total() == 0


def test_total_time_ends_it_too(folder: Path) -> None:
    began = time.monotonic()
    settings = {"attempts": 1000, "total_seconds": 0.5, "longest_wait": 0.2}
    with service(folder / "count", faults={"busy": 1.0}) as running, doors(folder / "run", running.url, **settings) as both:
        with pytest.raises(TargetError, match="none got in"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert running.total() == 0
    assert time.monotonic() - began < 15


def test_403_stops_at_once_keeps_everything_and_a_resumed_run_goes_on(folder: Path) -> None:
    with service(folder / "count", forbid_after=5) as running, doors(folder / "run", running.url) as both:
        with pytest.raises(TargetError, match=r"leave to ask .* wanted, 403 got \(refused: not any more .*\); stopped at once") as caught:
            both.ask_everything()
        assert caught.value.exit_code == 1
        assert running.total() == 40  # five requests of eight, and none after the refusal
    with service(folder / "count") as running, doors(folder / "run", running.url) as both:
        assert torch.equal(both.ask_everything(), true_codes())
        assert both.spent() == running.total() == 200


def test_a_redirect_is_not_followed(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        there = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        with service(folder / "count", faults={"redirect": 1.0}, elsewhere=there) as running, doors(folder / "run", running.url) as both:
            with pytest.raises(TargetError, match="307 got, a redirect elsewhere, which is not followed"):
                both.oracle.query_images(pictures(1), phase="mining")
            assert running.total() == 0
        with pytest.raises(TimeoutError):
            elsewhere.accept()


@pytest.mark.parametrize("bad", ["bits", "values", "fewer", "oversized", "malformed", "truncated", "slow", "unavailable"])
def test_a_reply_that_is_always_bad_is_never_kept(bad: str, folder: Path) -> None:
    settings = {"attempts": 3, "read_seconds": 0.3 if bad == "slow" else 10.0}
    with service(folder / "count", faults={bad: 1.0}) as running, doors(folder / "run", running.url, **settings) as both:
        with pytest.raises(TargetError, match="none got in 3 attempts") as caught:
            both.oracle.query_images(pictures(1), phase="mining")
        assert "\n" not in str(caught.value)
        assert both.spent() == running.total() == 1
        assert both.ledger._db.execute("SELECT count(*) FROM answer").fetchone() == (0,)


def test_good_items_of_a_bad_reply_are_kept(folder: Path) -> None:
    with service(folder / "count", faults={"bits": 1.0}) as running, doors(folder / "run", running.url, attempts=1) as both:
        with pytest.raises(TargetError, match="16 bits wanted, 15 got"):
            both.oracle.query_images(pictures(8), phase="mining")
        assert both.ledger._db.execute("SELECT count(*) FROM answer").fetchone() == (7,)


# At the door


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
