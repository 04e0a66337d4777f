"""Trials and the checks that rest on them: each holds for an honest target and fails for one that was made to fail it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crossattack.attacks import AttackContext, WhiteBox
from crossattack.attacks.mi_fgsm import MiFgsm
from crossattack.attacks.tags import Tags
from crossattack.checks import _copies, _trials
from crossattack.codes import harden
from crossattack.datasets import Pairs
from crossattack.encoding import encode
from crossattack.ledger import Ledger
from crossattack.oracle import LocalEndpoint, Oracle, Referee, Reveals
from crossattack.perturbing import untouched
from crossattack.progress import Silent
from crossattack.rankings import Ranking
from crossattack.streams import Streams
from crossattack.targets import Similarity
from crossattack.trials import ASKED_TWICE, Trials, copies_of, downhill, saturation, tried, try_out
from surrogates.texts import Texts

KINDS, BITS, SHAPE, EPS = 4, 12, (3, 6, 6), 8 / 255
CEILING = MiFgsm(eps=EPS, steps=10)
CLAIMS = (
    "a larger radius is at least as strong",
    "without a radius the best possible codes are reached",
    "gradients are not masked",
    "tanh is not saturated",
    "the target repeats its answers",
)
Encoding = Callable[["Linear", Tensor], Tensor]


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pictures(items: int, seed: int) -> tuple[Tensor, Tensor]:
    """uint8 pictures of four kinds, a little noise around each kind's own, and which kind each is of."""
    kinds, templates = torch.arange(items) % KINDS, 128 + 25 * drawn(KINDS, *SHAPE, seed=0)
    return (templates[kinds] + 6 * drawn(items, *SHAPE, seed=seed)).clamp(0, 255).byte(), kinds


def honest(target: "Linear", images: Tensor) -> Tensor:
    return torch.tanh(target.project(images))


def sharp(target: "Linear", images: Tensor) -> Tensor:
    return torch.tanh(100 * target.project(images))


def rounded(target: "Linear", images: Tensor) -> Tensor:
    return torch.tanh(target.project((images * 64).round() / 64))


def noisy(target: "Linear", images: Tensor) -> Tensor:
    return torch.tanh(target.project(images + 0.1 * torch.randn_like(images)))


def watchful(target: "Linear", images: Tensor) -> Tensor:
    """Takes what is farther than 1.5 eps from a picture that it knows for that picture."""
    far = (images[:, None] - target.known[None]).abs().flatten(2).amax(2)  # (items, known)
    nearest = target.known[far.argmin(1)]
    return torch.tanh(target.project(torch.where((far.amin(1) > 1.5 * EPS)[:, None, None, None], nearest, images)))


def hard(target: "Linear", images: Tensor) -> Tensor:
    relaxed = target.project(images)
    return harden(relaxed).float() + 0 * relaxed


@dataclass(frozen=True)
class Linear:
    """A linear hashing of pictures, relaxed by a function of a test; a text is its kind's number."""

    encoding: Encoding
    known: Tensor
    dim: int = BITS
    similarity: Similarity = Similarity.HAMMING
    digest: str = "a" * 16
    vocabulary: tuple[str, ...] = ()

    def project(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - 0.5) @ drawn(108, BITS, seed=1) / 2

    def encode_images(self, images: Tensor) -> Tensor:
        return self.encoding(self, images)

    def encode_texts(self, texts: Texts) -> Tensor:
        templates, _ = pictures(KINDS, seed=2)
        return torch.tanh(self.project(templates / 255))[torch.tensor([int(str(text)) for text in texts])]


def pairs(items: int, seed: int) -> Pairs:
    images, kinds = pictures(items, seed)
    return Pairs(
        images, [str(int(kind)) for kind in kinds], torch.eye(KINDS, dtype=torch.bool)[kinds], torch.arange(items), ("a", "b", "c", "d")
    )


def trials_of(folder: Path, encoding: Encoding = honest, *, opened: bool = True, cap: int = 1000, ceiling: Any = CEILING) -> dict[str, Any]:
    """`trials` of results.json, of 20 pictures and their texts against such a target; `bill` is the referee's."""
    query, database = pairs(20, seed=3), pairs(60, seed=4)
    target = Linear(encoding, query.pixels() / 255)
    with Ledger.open(folder / "ledger.sqlite", target_digest=target.digest) as ledger:
        oracle = Oracle(ledger, LocalEndpoint(target), budget=0)
        referee = Referee(ledger, LocalEndpoint(target, Reveals.CODES), cap=cap)
        images, texts = (harden(encode(target, side, items)) for side, items in (("images", database.images), ("texts", database.texts)))
        box = WhiteBox(target, images, texts, database.labels, query.labels, query.labels)
        wanted = {"images": torch.zeros(20, dtype=torch.int64), "texts": torch.zeros(20, dtype=torch.int64)}
        context = AttackContext(oracle, query.pixels(), tuple(query.texts), Streams(0), "cpu", Silent(), folder, 20, wanted, white_box=box)
        clean = untouched(query)
        attacked = ceiling.fit(context)(clean["images"].items).items.values if isinstance(ceiling, MiFgsm) else query.pixels()
        relevant = (query.labels.int() @ database.labels.int().T > 0).numpy()
        answers = {
            "clean": referee.query_images(query.pixels(), phase="clean").codes,
            "ceiling": harden(encode(target, "images", attacked)),
        }
        asked = {"clean": referee.query_texts(query.texts, phase="clean").codes}
        rankings = {
            "image_to_text": Ranking(answers, texts, relevant, np.arange(20)),
            "text_to_image": Ranking(asked, images, relevant, np.arange(20)),
        }
        found = try_out(ceiling, context if opened else None, referee, clean, rankings, query, database=database)
        return {**tried(found, rankings), "bill": ledger.bill("referee").phases}


def verdicts(trials: dict[str, Any]) -> dict[str, bool | None]:
    """Of pictures, by claim."""
    found = {check.name: check.ok for check in _trials({"trials": trials})}
    return {name.removeprefix("image_to_text: "): ok for name, ok in found.items() if name.startswith("image_to_text")}


def test_an_honest_target_passes_everything_and_costs_nothing(tmp_path: Path) -> None:
    trials = trials_of(tmp_path)
    assert verdicts(trials) == dict.fromkeys(CLAIMS, True)
    found = trials["directions"]["image_to_text"]
    assert found["map"]["unbounded"] == pytest.approx(found["map"]["opposite_code"], abs=0.02)
    assert found["map"]["clean"] > found["map"]["ceiling"] + 0.2
    assert (found["items"], found["asked_twice"], found["paid"], found["differed"]) == (20, 20, False, 0)
    assert trials["bill"] == {"clean": 20 + KINDS}
    texts = trials["directions"]["text_to_image"]
    assert (texts["differed"], texts["downhill"], texts["map"]) == (0, None, None), "no bags of words, so nothing to move"


@pytest.mark.parametrize(
    ("encoding", "broken"),
    [
        (sharp, {"tanh is not saturated", "gradients are not masked"}),
        (rounded, {"gradients are not masked"}),
        (hard, {"gradients are not masked", "tanh is not saturated"}),
        (noisy, {"the target repeats its answers"}),
        (watchful, {"a larger radius is at least as strong", "without a radius the best possible codes are reached"}),
    ],
)
def test_a_target_that_was_made_to_fail_a_check_fails_it(encoding: Encoding, broken: set[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    found = verdicts(trials_of(tmp_path, encoding))
    assert {claim for claim, ok in found.items() if ok is False} >= broken
    if encoding in (noisy, watchful):
        assert found["tanh is not saturated"]


def test_a_closed_target_is_asked_for_fresh_answers_which_the_referee_pays_for(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, opened=False)
    assert verdicts(trials) == {"the target repeats its answers": True}
    assert trials["bill"] == {"clean": 20 + KINDS, "asked twice": 2 * ASKED_TWICE}
    found = trials["directions"]["image_to_text"]
    assert (found["asked_twice"], found["paid"], found["saturated"], found["map"]) == (ASKED_TWICE, True, None, None)
    torch.manual_seed(1)
    (tmp_path / "noisy").mkdir()
    assert verdicts(trials_of(tmp_path / "noisy", noisy, opened=False)) == {"the target repeats its answers": False}


def test_where_the_cap_is_spent_nothing_is_asked_twice_and_it_is_said(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, opened=False, cap=20 + KINDS)
    assert verdicts(trials) == {"the target repeats its answers": None}
    assert trials["bill"] == {"clean": 20 + KINDS}


def test_a_ceiling_without_strides_has_no_radius_to_vary(tmp_path: Path) -> None:
    found = verdicts(trials_of(tmp_path, ceiling=Tags()))
    assert set(found) == set(CLAIMS[2:])


def test_without_a_radius_a_ball_by_l2_holds_every_picture_too(tmp_path: Path) -> None:
    trials = trials_of(tmp_path, ceiling=MiFgsm(norm="l2", eps=0.4, steps=10))
    assert verdicts(trials) == dict.fromkeys(CLAIMS, True)
    scores = trials["directions"]["image_to_text"]["map"]
    assert scores["clean"] > scores["ceiling"] > scores["wider"]
    assert scores["unbounded"] == pytest.approx(scores["opposite_code"], abs=0.02)


def test_slopes_that_are_noise_lead_down_for_about_half_of_the_items() -> None:
    rng = np.random.default_rng(0)
    found = torch.from_numpy(rng.random((2000, 4)))
    assert downhill(found) == pytest.approx(0.5, abs=0.05)
    assert downhill(torch.tensor([[1.0, 0.5, 0.6, 1], [1.0, 0.6, 0.6, 0]])) == 0.5, "where neither is lower, it does not lead down"


def test_saturation_counts_bits_whose_slope_is_below_a_thousandth() -> None:
    edge = (1 - 1e-3) ** 0.5  # 1 - tanh^2 = 0.001
    assert saturation(torch.tensor([[1.0, -1.0, edge + 1e-6, edge - 1e-6]], dtype=torch.float64)) == 0.75


def test_pictures_in_another_role_are_counted_byte_by_byte() -> None:
    query, database = pairs(20, seed=3), pairs(60, seed=4)
    assert copies_of(query, database=database) == {"database": 0}
    leaking = replace(database, images=torch.cat([database.images[:57], query.images[:3]]))
    copies = copies_of(query, database=leaking, attacker=query)
    assert copies == {"database": 3, "attacker": 20}
    for held, ok in ((copies, False), ({"database": 0}, True)):
        (check,) = _copies({"trials": tried(Trials({}, False, held), {})})
        assert check.ok is ok
    assert check.detail == "attacked pictures that are byte by byte 0 of the database's"
