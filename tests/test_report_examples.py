"""Examples of a run: which are drawn, what they say of before and after, and that it is what the run's files say."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from remote_runs import DATABASE, LISTS, settings
from reported import FEATURES, WORDS, drawn, ran, taken
from services import service

from crossattack.codes import nearest_ids
from crossattack.datasets import Credit, Pairs
from crossattack.datasets.faces import Faces
from crossattack.datasets.market1501 import Market1501
from crossattack.datasets.scenes import Scenes
from crossattack.errors import UsageError
from crossattack.evidence import Evidence
from crossattack.metrics.ranking import average_precision, random_average_precision
from crossattack.progress import Silent
from crossattack.rankings import Similar
from crossattack.report._hits import TOP
from crossattack.report.examples import BYTES, examples
from crossattack.report.finished import PRIVATE, Wish, results_of, shown_of
from crossattack.report.page import Shown, page

# Of runs


@pytest.fixture(scope="module")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose attack edits words as well as pictures."""
    folder = tmp_path_factory.mktemp("words") / "run"
    ran(folder, *WORDS)
    return folder


@pytest.fixture(scope="module")
def words(words_folder: Path) -> tuple[Evidence, Pairs]:
    return taken(words_folder)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Pairs]:
    folder = tmp_path_factory.mktemp("features") / "run"
    ran(folder, *FEATURES)
    return taken(folder)


def test_what_is_told_of_an_item_is_what_its_codes_say(words: tuple[Evidence, Pairs]) -> None:
    """Naively, from codes.h5 and the data set alone: order, distances, what is right, AP, bits."""
    evidence, pairs = words
    for its in examples(evidence, pairs, pictures=True, count=6, seed=0):
        ranking = evidence.rankings[its.direction]
        database = ranking.database  # type: ignore[union-attr]
        floor = random_average_precision(ranking.relevant.sum(1), len(database))
        assert len(its.shown) == 6
        for one in its.shown:
            for name, hits, place in zip(("clean", "attacked"), (one.found.before, one.found.after), one.found.first, strict=True):
                code = ranking.queries[name][one.item]
                order = nearest_ids(code[None], database, len(database))[0]
                right = ranking.relevant[one.item, order]
                assert [hit.item for hit in hits] == order[:TOP].tolist()
                assert [hit.place for hit in hits] == list(range(1, TOP + 1))
                assert [hit.distance for hit in hits] == [str(int((database[item] != code).sum())) for item in order[:TOP]]
                assert [hit.verdict == "right" for hit in hits] == right[:TOP].tolist()
                assert place == right.argmax() + 1
                own = evidence.split.database[order[:TOP]].tolist()
                if its.direction == "image_to_text":
                    assert [hit.text for hit in hits] == [pairs.texts[pair] for pair in own]
                else:
                    assert all(torch.equal(drawn(hit.picture or ""), pairs.images[pair]) for hit, pair in zip(hits, own, strict=True))
            assert [hit.stayed for hit in one.found.after] == [
                hit.item in {hit.item for hit in one.found.before} for hit in one.found.after
            ]
            row = slice(one.item, one.item + 1)
            for name, told in (("clean", one.before), ("attacked", one.after)):
                assert told == pytest.approx(average_precision(ranking.queries[name][row], database, ranking.relevant[row])[0])
            assert one.floor == pytest.approx(floor[one.item])
            assert one.verdict == ("succeeded" if (one.after or 0) <= (one.floor or 0) else "failed")
            turned = int((ranking.queries["clean"][one.item] != ranking.queries["attacked"][one.item]).sum())
            assert one.bits == (turned, database.shape[1])


def test_what_was_asked_is_what_the_items_say(words: tuple[Evidence, Pairs]) -> None:
    evidence, pairs = words
    pictures, texts = examples(evidence, pairs, pictures=True, count=6, seed=0)
    for one in pictures.shown:
        clean, attacked = (evidence.conditions[name]["images"].items.values[one.item] for name in ("clean", "attacked"))
        assert one.asked.pictures
        shown = [drawn(address).int() for address in one.asked.pictures]
        assert torch.equal(shown[0], clean.int())  # type: ignore[union-attr]
        assert torch.equal(shown[1], attacked.int())  # type: ignore[union-attr]
        assert torch.equal(shown[2], 128 + pictures.times * (shown[1] - shown[0]))
    assert any(kind == "ins" for one in texts.shown for kind, _ in one.asked.pieces)
    for one in texts.shown:
        clean, attacked = (evidence.conditions[name]["texts"].items.values[one.item] for name in ("clean", "attacked"))
        kept = [[words for kind, words in one.asked.pieces if kind != gone] for gone in ("ins", "del")]
        assert [" ".join(each) for each in kept] == [one.asked.text, " ".join(attacked.split())]  # type: ignore[union-attr]
        assert one.asked.text == clean
        assert one.labels == ", ".join(np.array(pairs.label_names)[pairs.labels[evidence.split.query[one.item]]].tolist())


def test_the_seed_says_which_and_no_pictures_means_none(words: tuple[Evidence, Pairs]) -> None:
    drawn = [[one.item for one in examples(*words, pictures=False, count=5, seed=seed)[0].shown] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    hidden = [one for its in examples(*words, pictures=False, count=5, seed=0) for one in its.shown]
    assert {one.asked.pictures for one in hidden} == {None}
    assert {hit.picture for one in hidden for hit in (*one.found.before, *one.found.after)} == {None}


def test_without_the_data_set_there_are_numbers(words: tuple[Evidence, Pairs]) -> None:
    for its in examples(words[0], None, pictures=True, count=3, seed=0):
        for one in its.shown:
            assert one.labels == ""
            assert {(hit.text, hit.picture, hit.labels) for hit in one.found.before} == {(None, None, "")}


def test_examples_take_no_more_than_their_part_of_a_page(words: tuple[Evidence, Pairs], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = examples(*words, pictures=True, count=8, seed=0)
    total = sum(one.size() for its in whole for one in its.shown)
    assert 0 < total < BYTES
    monkeypatch.setattr("crossattack.report.examples.BYTES", total // 2)
    fewer = examples(*words, pictures=True, count=8, seed=0)
    assert 0 < sum(one.size() for its in fewer for one in its.shown) <= total // 2
    assert {one.item for one in fewer[1].shown} < {one.item for one in whole[1].shown}


@pytest.mark.parametrize("pictures", [True, False])
def test_the_size_of_an_example_is_what_it_adds_to_the_page(words: tuple[Evidence, Pairs], pictures: bool) -> None:
    shown = examples(*words, pictures=pictures, count=8, seed=0)
    sizes = [len(page({}, Shown([replace(its, shown=own) for its in shown for own in (its.shown[:some],)])).encode()) for some in (2, 8)]
    told = sum(one.size() for its in shown for one in its.shown[2:])
    assert 0.85 < told / (sizes[1] - sizes[0]) < 1.25


def test_of_features_distances_are_cosines_and_junk_counts_neither_way(features: tuple[Evidence, Pairs]) -> None:
    evidence, pairs = features
    ranking = evidence.rankings["image_to_image"]
    assert isinstance(ranking, Similar)
    junk = np.zeros_like(ranking.relevant)
    junk[np.arange(len(junk)), ranking.top("clean", 1)[:, 0]] = True
    own = replace(evidence, rankings={"image_to_image": replace(ranking, junk=junk)})
    (its,) = examples(own, pairs, pictures=True, count=4, seed=0)
    for one in its.shown:
        asked = torch.nn.functional.normalize(ranking.queries["clean"][one.item], dim=0)
        stored = torch.nn.functional.normalize(ranking.database[[hit.item for hit in one.found.before]], dim=1)
        assert [float(hit.distance or "") for hit in one.found.before] == pytest.approx((1 - stored @ asked).tolist(), abs=6e-4)
        assert one.found.before[0].verdict == "junk"
        assert (one.found.first[0] or 0) > 1
        assert one.bits is None


def test_credits_are_those_of_the_pictures_that_are_shown(features: tuple[Evidence, Pairs]) -> None:
    evidence, pairs = features
    numbered = replace(pairs, credits=tuple(Credit(f"drawer {item}", "CC0") for item in range(len(pairs))))
    (its,) = examples(evidence, numbered, pictures=True, count=2, seed=0)
    asked = {int(evidence.split.query[one.item]) for one in its.shown}
    found = {int(evidence.split.database[hit.item]) for one in its.shown for hit in (*one.found.before, *one.found.after)}
    assert {credit.source for credit in its.credits} == {f"drawer {item}" for item in asked | found}
    assert examples(evidence, numbered, pictures=False, count=2, seed=0)[0].credits == frozenset()


def test_of_lists_there_are_no_distances_and_what_is_not_listed_is_not_known(tmp_path: Path) -> None:
    """A service that shows the heads of its lists: no codes, no AP, and so no verdict."""
    with service(tmp_path / "count", database=DATABASE, top_k=12) as running:
        results = ran(tmp_path / "run", *settings(running.url, *LISTS))
    shown = shown_of(tmp_path / "run", results, Wish(count=4), Silent())
    (its,) = shown.directions
    ranking = taken(tmp_path / "run")[0].rankings[its.direction]
    assert (its.direction, len(its.shown), shown.notes) == ("image_to_text", 4, [])
    for one in its.shown:
        assert (one.verdict, one.before, one.after, one.bits) == ("unknown", None, None, None)
        assert [hit.item for hit in one.found.after] == ranking.queries["attacked"][one.item, :TOP].tolist()
        assert {hit.distance for hit in one.found.after} == {None}
        right = np.flatnonzero(ranking.relevant[one.item, ranking.queries["clean"][one.item]])
        assert one.found.first[0] == (right[0] + 1 if len(right) else None)
    text = page(results, shown)
    assert "How well retrieval works after the attack is not measurable here" in text
    assert "– not measurable" in text


# Of a folder


@pytest.fixture
def folder(words_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(words_folder, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))


def told(folder: Path, wish: Wish | None = None) -> Shown:
    return shown_of(folder, results_of(folder), wish or Wish(count=2), Silent())


def test_what_is_missing_of_a_run_is_said_on_its_page(folder: Path) -> None:
    assert told(folder).notes == []
    results = json.loads((folder / "results.json").read_text())
    results["dataset"]["split_digest"] = "0" * 16
    (folder / "results.json").write_text(json.dumps(results))
    (note,) = told(folder).notes
    assert re.fullmatch("What was found has numbers .*: the data set with split 0{16} wanted, .* got; it has changed since the run.", note)
    assert len(told(folder).directions) == 2
    (folder / "codes.h5").unlink()
    (note,) = told(folder).notes
    assert note.startswith("There are no examples: items.h5 and codes.h5 of a finished run wanted")
    assert note in html.unescape(page(results, told(folder)))
    (folder / "results.json").write_text("{")
    with pytest.raises(UsageError, match=r"results\.json of a finished run wanted"):
        told(folder)


def test_pictures_of_real_people_are_shown_only_where_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scenes, "real_people", True, raising=False)
    shown = told(folder)
    assert shown.notes == [PRIVATE]
    assert page(results_of(folder), shown).count("data:image") == 0
    assert html.unescape(page(results_of(folder), shown)).count(PRIVATE) == 1
    asked = told(folder, Wish(count=2, pictures=True))
    assert asked.notes == []
    assert page(results_of(folder), asked).count("data:image") == 2 * 3 + 2 * 2 * TOP


# Of real people


@pytest.mark.parametrize("plugin", [Faces, Market1501])
def test_data_of_real_people_says_so(plugin: type) -> None:
    assert plugin.real_people is True  # type: ignore[attr-defined]
