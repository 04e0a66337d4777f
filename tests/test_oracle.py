"""The oracle: what an attacker may see, what it pays, and what stays closed to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear import BITS, LinearTarget, pictures
from torch import Tensor

from crossattack.endpoint import Request, Reveals, Terms
from crossattack.errors import BudgetRefused, LedgerError, TargetError, UsageError
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle, Referee
from crossattack.targets import Similarity
from surrogates.texts import Bags


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger.open(tmp_path / "ledger.sqlite", target_digest=LinearTarget().digest) as opened:
        yield opened


def test_an_answer_is_the_targets_code_in_the_order_that_was_asked(ledger: Ledger) -> None:
    target = LinearTarget()
    oracle = Oracle(ledger, LocalEndpoint(target), budget=20)
    images = pictures(5)
    wanted = torch.where(target.encode_images(images.float() / 255) >= 0, 1, -1)
    assert oracle.query_images(images, phase="mining").codes.dtype is torch.int8
    shuffled = torch.tensor([3, 0, 0, 4])
    assert (oracle.query_images(images[shuffled], phase="mining").codes == wanted[shuffled]).all()
    words = [["red", "square"], "a red square"]
    wanted = torch.where(target.encode_texts(words) >= 0, 1, -1)
    assert (oracle.query_texts(words, phase="mining").codes == wanted).all()
    assert ledger.bill("attacker").texts == 2


def test_only_what_is_new_reaches_the_target_in_batches_of_one_size(ledger: Ledger) -> None:
    target = LinearTarget()
    oracle = Oracle(ledger, LocalEndpoint(target, batch_size=4), budget=20)
    oracle.query_images(pictures(6), phase="mining")
    oracle.query_images(pictures(6), phase="mining")
    assert target.batches == [4, 4]
    assert (oracle.remaining, ledger.bill("attacker").repeats) == (14, 6)


def test_a_refused_batch_sends_nothing(ledger: Ledger) -> None:
    target = LinearTarget()
    oracle = Oracle(ledger, LocalEndpoint(target), budget=5)
    for _ in range(3):
        with pytest.raises(BudgetRefused, match="6 queries wanted, 5 of 5 left; nothing was sent"):
            oracle.query_images(pictures(6), phase="mining")
    assert (target.batches, oracle.remaining) == ([], 5)


def test_a_cap_per_item_holds(ledger: Ledger) -> None:
    oracle = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=20, per_item=2)
    oracle.query_images(pictures(4), phase="attack", items=[0, 0, 1, 1])
    with pytest.raises(BudgetRefused, match="per_item"):
        oracle.query_images(pictures(2, seed=1), phase="attack", items=torch.tensor([2, 0]))
    with pytest.raises(UsageError, match="1 items for 2 queries"):
        oracle.query_images(pictures(2, seed=1), phase="attack", items=[2])
    assert (oracle.per_item, oracle.cap, oracle.remaining) == (2, 20, 16)


def test_a_fresh_query_reaches_the_target_every_time(ledger: Ledger) -> None:
    target = LinearTarget()
    oracle = Oracle(ledger, LocalEndpoint(target), budget=20)
    images = pictures(2)
    codes = [oracle.query_images(images, phase="mining", fresh=fresh).codes for fresh in (False, True, True)]
    assert all((code == codes[0]).all() for code in codes)
    assert (len(target.batches), oracle.remaining) == (3, 14)


def test_a_failing_target_leaves_rows_in_doubt_that_are_not_paid_twice(ledger: Ledger) -> None:
    target = LinearTarget(fails_at=1)
    oracle = Oracle(ledger, LocalEndpoint(target, batch_size=2), budget=6)
    with pytest.raises(TargetError, match="switched off"):
        oracle.query_images(pictures(6), phase="mining")
    assert oracle.remaining == 0
    whole = oracle.query_images(pictures(6), phase="mining")
    assert (oracle.remaining, target.batches) == (0, [2, 2, 2])
    assert (whole.codes == Referee(ledger, LocalEndpoint(LinearTarget()), cap=6).query_images(pictures(6), phase="clean").codes).all()


def test_the_referee_pays_for_itself(ledger: Ledger) -> None:
    target = LinearTarget()
    oracle, referee = Oracle(ledger, LocalEndpoint(target), budget=4), Referee(ledger, LocalEndpoint(target), cap=9)
    for door, phase in ((oracle, "mining"), (referee, "clean")):
        door.query_images(pictures(4), phase=phase)
    assert (oracle.remaining, referee.remaining, len(target.batches)) == (0, 5, 2)
    assert referee.query_texts([["a"]], phase="clean").codes.shape == (1, BITS)


def test_features_are_what_the_target_computes(ledger: Ledger) -> None:
    target = LinearTarget(similarity=Similarity.COSINE)
    oracle = Oracle(ledger, LocalEndpoint(target, Reveals.FEATURES), budget=9)
    answer = oracle.query_images(pictures(3), phase="mining")
    assert torch.allclose(answer.features, target.encode_images(pictures(3).float() / 255), atol=1e-6)
    with pytest.raises(UsageError, match="codes wanted, this target reveals features"):
        _ = answer.codes


@pytest.mark.parametrize(
    ("reveals", "says"),
    [(Reveals.RANKING, "a database to search wanted for a ranking"), (Reveals.SCORES, "codes or ranking or features, scores wanted")],
)
def test_what_a_local_target_cannot_reveal_is_bad_usage(reveals: Reveals, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        LocalEndpoint(LinearTarget(), reveals)


def test_codes_of_a_target_that_does_not_hash_are_bad_usage() -> None:
    with pytest.raises(UsageError, match="this one compares by cosine"):
        LocalEndpoint(LinearTarget(similarity=Similarity.COSINE))


def test_every_kind_of_answer_has_its_sentence() -> None:
    assert [Reveals(reveals.value) for reveals in Reveals] == list(Reveals)
    assert Reveals("codes").sentence == "the K bits of the item, each -1 or +1"


@pytest.mark.parametrize(
    ("images", "got"),
    [(pictures(2) / 255, "torch.float32"), (pictures(2)[0], r"torch.uint8 \(3, 4, 4\)"), (pictures(2)[:, :1], r"\(2, 1, 4, 4\)")],
)
def test_pictures_are_uint8_or_refused(ledger: Ledger, images: Tensor, got: str) -> None:
    oracle = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=9)
    with pytest.raises(UsageError, match=rf"uint8 pictures \(items, 3, height, width\) wanted, .*{got}"):
        oracle.query_images(images, phase="mining")
    assert oracle.remaining == 9


def test_one_text_is_no_list_of_texts(ledger: Ledger) -> None:
    oracle = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=9)
    with pytest.raises(UsageError, match="a list of texts wanted, one text 'a cat' got"):
        oracle.query_texts("a cat", phase="mining")


def test_asking_for_nothing_costs_nothing(ledger: Ledger) -> None:
    oracle = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=0)
    assert oracle.query_images(pictures(0), phase="mining").codes.shape == (0, BITS)
    assert oracle.query_texts([], phase="mining").codes.shape == (0, BITS)


def test_a_ledger_of_another_target_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="a ledger of target fedcba wanted"):
        Oracle(ledger, LocalEndpoint(LinearTarget(digest="fedcba")), budget=9)


def test_the_attackers_door_shows_neither_target_nor_ledger(ledger: Ledger) -> None:
    oracle = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=9)
    assert {name for name in dir(oracle) if not name.startswith("_")} == {
        *("reveals", "target_digest", "remaining", "cap", "per_item", "query_images", "query_texts", "shown_images", "shown_texts")
    }
    for name in ("remaining", "cap", "per_item", "reveals", "target_digest"):
        with pytest.raises(AttributeError):
            setattr(oracle, name, 10**6)


def test_answers_can_be_trained_on(ledger: Ledger) -> None:
    codes = Oracle(ledger, LocalEndpoint(LinearTarget()), budget=9).query_images(pictures(3), phase="mining").codes
    weights = torch.ones(BITS, requires_grad=True)
    (codes.float() * weights).sum().backward()
    codes += 1  # ours to change; the ledger keeps its own


# Endpoints that misbehave


@dataclass
class ScriptedEndpoint:
    """A far side that answers what it is told to; it notes the keys it was sent."""

    script: Callable[[int], Any]
    keys: list[str] = field(default_factory=list)

    @property
    def terms(self) -> Terms:
        return Terms(digest=LinearTarget().digest, reveals=Reveals.CODES, dim=4, batch_size=8, takes_bags=False)

    def answer(self, request: Request) -> Sequence[Any]:
        self.keys += request.idempotency_keys
        return [answer for answer in map(self.script, range(len(request.items))) if answer is not None]


GOOD = np.ones(4, np.int8)


@pytest.mark.parametrize(
    "bad", [np.ones(5, np.int8), np.ones(4, np.int64), np.zeros(4, np.int8), np.ones((1, 4), np.int8), np.full(4, -128, np.int8)]
)
def test_an_answer_that_is_no_code_is_not_kept(ledger: Ledger, bad: np.ndarray) -> None:
    oracle = Oracle(ledger, ScriptedEndpoint(lambda _: bad), budget=9)
    with pytest.raises(TargetError, match="this answer was not kept"):
        oracle.query_images(pictures(2), phase="mining")
    assert (
        Oracle(ledger, ScriptedEndpoint(lambda _: GOOD), budget=9).query_images(pictures(2), phase="mining").codes.tolist() == [[1] * 4] * 2
    )
    assert oracle.remaining == 7


def test_a_reply_of_the_wrong_length_is_not_kept(ledger: Ledger) -> None:
    oracle = Oracle(ledger, ScriptedEndpoint(lambda item: GOOD if item else None), budget=9)
    with pytest.raises(TargetError, match="3 answers wanted, 2 got"):
        oracle.query_images(pictures(3), phase="mining")


def test_what_failed_item_by_item_is_sent_again_alone_and_under_its_key(ledger: Ledger) -> None:
    flaky = ScriptedEndpoint(lambda item: TargetError("lost") if item == 1 else GOOD)
    oracle = Oracle(ledger, flaky, budget=3)
    with pytest.raises(TargetError, match="lost"):
        oracle.query_images(pictures(3), phase="mining")
    assert oracle.query_images(pictures(3), phase="mining").codes.shape == (3, 4)
    assert flaky.keys == [*flaky.keys[:3], flaky.keys[1]]


def test_a_service_takes_no_bags_and_charges_nothing_for_the_question(ledger: Ledger) -> None:
    oracle = Oracle(ledger, ScriptedEndpoint(lambda _: GOOD), budget=3)
    with pytest.raises(UsageError, match="bags of words got; a service takes strings"):
        oracle.query_texts(Bags(("cat",), torch.ones(1, 1)), phase="attack")
    assert oracle.remaining == 3


def test_an_output_that_is_no_number_is_an_error_and_not_a_code(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinearTarget, "encode_images", lambda self, images: torch.full((len(images), BITS), torch.nan))
    with pytest.raises(TargetError, match="finite outputs wanted"):
        Oracle(ledger, LocalEndpoint(LinearTarget()), budget=3).query_images(pictures(1), phase="mining")
