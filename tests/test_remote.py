"""The real client against the real service over a real socket: what is learned, billed and judged is what a run in one process gives."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from remote_runs import ATTACK, DATABASE
from served import Served, png, serving
from worlds import scenes

from crossattack.cli import main
from crossattack.endpoint import Reveals
from crossattack.ledger import Ledger
from crossattack.metrics.ranking import average_precision
from crossattack.oracle import Oracle
from crossattack.progress import Silent
from crossattack.replay import replay
from crossattack.serve.accounts import Accounts
from crossattack.targets._http_endpoint import HttpEndpoint
from crossattack.targets._http_shown import Shown, read_png
from crossattack.targets._http_wire import read_list
from crossattack.targets._trained import NetworkTarget
from crossattack.targets.dcmh import Dcmh
from crossattack.targets.http import Http
from crossattack.trials import ASKED_TWICE

RECIPE = ["target.image_tower=convnet", "target.epochs=2", "target.bits=16", "ceiling.steps=2"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSATTACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def target(cache: None) -> NetworkTarget:
    pairs, split = scenes()
    return Dcmh(image_tower="convnet", epochs=2, bits=16).load(pairs.take(split.train), device="cpu", progress=Silent())


def ran(folder: Path, *settings: str) -> dict[str, Any]:
    """What a run from the command line leaves in this folder."""
    sets = [part for each in (*ATTACK, *settings) for part in ("--set", each)]
    assert main(["run", "--quiet", "--runs", str(folder.parent), "--name", folder.name, *sets]) == 0
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def remote(served: Served, *more: str) -> list[str]:
    return ["target=http", f"target.url={served.url}", "target.rate=1e6", "target.backoff=0.01", "target.attempts=3", *more]


def counted(served: Served, state: Path) -> int:
    """What the service has on its disk."""
    accounts = Accounts(state, target_digest=served.service.target.digest)
    try:
        return accounts.count("anyone").items
    finally:
        accounts.close()


def checks(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in results["checks"]}


def test_codes_over_http_give_the_run_in_one_process_and_its_replay(tmp_path: Path, target: NetworkTarget) -> None:
    local = ran(tmp_path / "local", *RECIPE)
    with serving(tmp_path / "state", target=target) as served:
        found = ran(tmp_path / "remote", *remote(served))
    assert counted(served, tmp_path / "state") == found["budget"]["spent"] + found["budget"]["evaluation"]
    assert checks(found)["the service counted the same"]["ok"]
    for direction, conditions in (("image_to_text", ("clean", "noise", "attacked", "floor")), ("text_to_image", ("clean", "floor"))):
        ours, theirs = local["directions"][direction]["map"], found["directions"][direction]["map"]
        assert [theirs[name] for name in conditions] == [ours[name] for name in conditions]
    assert (found["surrogates"], found["distortion"]) == (local["surrogates"], local["distortion"])
    differences, replayed = replay(tmp_path / "remote")
    assert differences == []
    assert replayed > 150


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    """The folder of a finished run against a service that shows codes."""
    with serving(tmp_path_factory.mktemp("state") / "state") as served:
        folder = tmp_path_factory.mktemp("runs") / "asked"
        ran(folder, *remote(served))
    return folder


def flip_a_bit(file: h5py.File) -> None:
    file["text_to_image/database"][7, 3] *= -1


def forget_whose_codes_they_are(file: h5py.File) -> None:
    del file["text_to_image/keys"]


def exchange_two(file: h5py.File) -> None:
    codes = file["image_to_text/database"]
    other = next(row for row in range(1, len(codes)) if (codes[row] != codes[0]).any())
    codes[0] = codes[other]


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (flip_a_bit, "codes.h5/text_to_image/database[7]: kept "),
        (forget_whose_codes_they_are, f"codes.h5/text_to_image/database: kept {DATABASE} codes, recomputed 0 items"),
        (exchange_two, "codes.h5/image_to_text/database[0]: kept "),
    ],
)
def test_a_code_of_a_services_database_is_held_against_what_was_paid_for(
    tamper: Callable[[h5py.File], None], says: str, asked: Path, tmp_path: Path
) -> None:
    assert replay(asked)[0] == []
    copied = Path(shutil.copytree(asked, tmp_path / "copied"))
    with h5py.File(copied / "codes.h5", "r+") as file:
        tamper(file)
    (found,) = [difference for difference in map(str, replay(copied)[0]) if difference.startswith("codes.h5")]
    assert found.startswith(says)


@pytest.mark.parametrize("top_k", [12, DATABASE])
def test_lists_over_http_teach_and_cost_what_they_do_in_one_process(top_k: int, tmp_path: Path, target: NetworkTarget) -> None:
    lists = ["oracle.reveals=ranking", f"oracle.top_k={'all' if top_k == DATABASE else top_k}"]
    local = ran(tmp_path / "local", *RECIPE, *lists)
    with serving(tmp_path / "state", target=target, reveals=Reveals.RANKING, top_k=top_k) as served:
        found = ran(tmp_path / "remote", *remote(served), *lists)
    assert counted(served, tmp_path / "state") == found["budget"]["spent"] + found["budget"]["evaluation"]
    assert found["budget"]["spent"] == local["budget"]["spent"] > 60
    assert found["budget"]["evaluation"] == 3 * 12 + len(set(served.query.texts[:12])) + 2 * ASKED_TWICE  # no database, no held-back pairs
    assert checks(found)["the service counted the same"]["ok"]
    assert found["distortion"] == local["distortion"]  # so the surrogate learned the very same
    assert {key: found["threat_model"][key] for key in ("reveals", "top_k", "whole_database")} == {
        **{"reveals": "ranking", "top_k": top_k, "whole_database": top_k == DATABASE}
    }
    ours, theirs = local["directions"]["image_to_text"], found["directions"]["image_to_text"]
    assert theirs["metrics"]["top10_gone"] == ours["metrics"]["top10_gone"]
    assert found["directions"]["text_to_image"]["metrics"]["top10_gone"] is None  # bags of words, which nobody can send
    assert theirs["map"]["floor"] == ours["map"]["floor"]
    assert (theirs["metrics"]["bits_flipped"], theirs["map"]["ceiling"], theirs["recovered"], found["target"]["dim"]) == (None,) * 4
    if top_k < DATABASE:
        assert [theirs["map"][name] for name in ("clean", "noise", "attacked")] == [None] * 3
        assert (theirs["success"]["referee"], theirs["success"]["referee_clean"]) == (None, None)
        assert "its top 12 only, so every mAP" in checks(found)["image_to_text: mAP"]["detail"]
    else:
        for name in ("clean", "noise", "attacked"):
            assert theirs["map"][name] == pytest.approx(in_stable_order(tmp_path / "local", name), abs=1e-12)
        assert "ties in its own order" in checks(found)["image_to_text: mAP and ties"]["detail"]
    assert replay(tmp_path / "remote")[0] == []


def test_a_verified_attack_over_lists_pays_two_queries_an_item_and_knows_how_each_ended(tmp_path: Path, target: NetworkTarget) -> None:
    verified = ["oracle.reveals=ranking", "oracle.top_k=12", "attack.verify=true"]
    local = ran(tmp_path / "local", *RECIPE, *verified)
    with serving(tmp_path / "state", target=target, reveals=Reveals.RANKING, top_k=12) as served:
        found = ran(tmp_path / "remote", *remote(served), *verified)
    bill, pictures = found["budget"], found["directions"]["image_to_text"]
    assert bill["phases"] == local["budget"]["phases"]
    assert bill["phases"]["attack"] == 2 * 12  # before and after
    assert bill["phases"]["mining"] in (80 - 24 - 1, 80 - 24)
    assert bill["evaluation"] == 3 * 12 + len(set(served.query.texts[:12])) + 2 * ASKED_TWICE
    assert counted(served, tmp_path / "state") == bill["spent"] + bill["evaluation"]
    with Ledger.read(tmp_path / "remote/ledger.sqlite") as ledger:
        assert {line.in_doubt for line in ledger.statement()} == {0}
    assert pictures["status"]["succeeded"] + pictures["status"]["failed"] == 12
    assert pictures["status"] == local["directions"]["image_to_text"]["status"]
    assert pictures["success"]["attacker"] == pictures["status"]["succeeded"] / 12 == pictures["metrics"]["top10_gone"]
    texts = found["directions"]["text_to_image"]  # bags of words, which nobody can send
    assert (texts["status"]["unverified"], texts["success"]["attacker"]) == (12, None)
    assert replay(tmp_path / "remote")[0] == []


def in_stable_order(folder: Path, name: str) -> float:
    """mAP of a run's codes with ties in the order of the database."""
    with h5py.File(folder / "codes.h5") as file:
        group = file["image_to_text"]
        queries, database = (torch.from_numpy(codes[()]) for codes in (group[f"queries/{name}"], group["database"]))
        return float(np.nanmean(average_precision(queries, database, group["relevant"][()], "stable")))


def test_what_lists_show_is_free_fetched_once_and_still_there_after_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "state", reveals=Reveals.RANKING, top_k=5) as served:
        database = served.service.database
        for session in range(2):
            loaded = Http(url=served.url, rate=1e6).load(database, device="cpu", progress=Silent())
            assert (loaded.info.dim, loaded.info.top_k) == (5, 5)
            shown = Shown(tmp_path / "shown.jsonl", (16, 16))
            with loaded.connect(shown) as endpoint, Ledger.open(tmp_path / "ledger.sqlite", target_digest=loaded.digest) as ledger:
                oracle = Oracle(ledger, endpoint, budget=6)
                texts = oracle.query_images(served.query.images[:3], phase="mining").ids[0].long()
                pictures = oracle.query_texts(served.query.texts[:3], phase="mining").ids[0].long()
                assert oracle.shown_texts(texts) == [database.texts[item] for item in texts.tolist()]
                assert torch.equal(oracle.shown_images(pictures), database.images[pictures])
                assert isinstance(endpoint, HttpEndpoint)
                endpoint.client = None  # type: ignore[assignment]
                assert torch.equal(oracle.shown_images(pictures), database.images[pictures])
                assert (oracle.remaining, session) in ((0, 0), (0, 1))
        assert served.stats()["items"] == 6


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ([], "ranking of the top 12 wanted, as the service shows, codes got; say `--set oracle.reveals=ranking --set oracle.top_k=12`"),
        (["oracle.reveals=ranking", "oracle.top_k=10"], "ranking of the top 12 wanted, as the service shows, ranking of the top 10 got"),
        (["oracle.reveals=ranking", "oracle.top_k=all"], f"the top 12 wanted, as the service shows, ranking of the top {DATABASE} got"),
    ],
)
def test_another_threat_model_than_the_services_is_refused_in_a_line(
    settings: list[str], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path / "state", reveals=Reveals.RANKING, top_k=12) as served:
        sets = [part for each in (*ATTACK, *remote(served), *settings) for part in ("--set", each)]
        assert main(["run", "--quiet", "--runs", str(tmp_path / "runs"), *sets]) == 2
        assert served.stats()["items"] == 0
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert line.startswith("error: oracle.reveals: ")
    assert says in line


def test_lists_asked_of_a_service_that_shows_codes_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "state") as served:
        lists = ("oracle.reveals=ranking", "oracle.top_k=10")
        sets = [part for each in (*ATTACK, *remote(served), *lists) for part in ("--set", each)]
        assert main(["run", "--quiet", "--runs", str(tmp_path / "runs"), *sets]) == 2
    assert "codes wanted, as the service shows, ranking of the top 10 got; say `--set oracle.reveals=codes" in capfd.readouterr().err


HIT = {"id": 3, "text": "a red square"}


@pytest.mark.parametrize(
    "hits",
    [
        *(None, [HIT], [HIT, HIT], [HIT, {**HIT, "id": -1}], [HIT, {**HIT, "id": 9}], [HIT, {**HIT, "id": True}], [HIT, 4]),
        *([HIT, {"id": 4}], [HIT, {"id": 4, "text": [1]}], [HIT, {"id": 4, "text": "x" * 20_001}]),
    ],
)
def test_a_list_that_is_none_is_asked_for_again(hits: Any) -> None:
    with pytest.raises(ValueError, match="wanted"):
        read_list({"hits": hits}, 2, 9)
    ids, texts = read_list({"hits": [HIT, {"id": 8, "text": ["a", "b"]}]}, 2, 9)
    assert (ids.tolist(), ids.dtype, texts) == ([3, 8], np.int32, {3: "a red square", 8: ("a", "b")})


def test_only_a_picture_of_the_right_size_is_decoded() -> None:
    picture = torch.randint(256, (3, 4, 6), dtype=torch.uint8)
    assert torch.equal(read_png(png(picture), (4, 6)), picture)
    for content, size in (
        (png(picture), (6, 4)),
        (png(picture)[:40], (4, 6)),
        (png(picture, "WEBP", lossless=True), (4, 6)),
        (b"", (4, 6)),
    ):
        with pytest.raises(ValueError, match="wanted"):
            read_png(content, size)


def test_texts_of_a_line_that_was_cut_off_are_forgotten_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    Shown(path, (4, 6)).keep({1: "one", 2: ("two", "words")})
    with path.open("a") as file:
        file.write('[3, "thr')
    Shown(path, (4, 6)).keep({3: "three", 1: "another"})
    assert Shown(path, (4, 6)).texts(torch.tensor([3, 2, 1])) == ["three", ("two", "words"), "one"]
