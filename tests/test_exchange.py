"""Codes from elsewhere: files in the field's keys and formats, and every metric of what is in them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from field_files import hdf5, mat5
from sklearn.metrics import average_precision_score

from crossattack.cli import main
from crossattack.code_measures import measured
from crossattack.codes import hamming, pack
from crossattack.errors import DataError, UsageError
from crossattack.exchange import DCMH, KEYS, CodeSet, read_codes, write_codes
from crossattack.metrics.ranking import share_a_label


def arrays(queries: int = 20, items: int = 90, bits: int = 16, seed: int = 0) -> dict[str, np.ndarray]:
    """Codes that know something of six labels, under kalenforn's keys."""
    rng = np.random.default_rng(seed)
    labels = [(rng.random((count, 6)) < 0.25).astype(np.uint8) for count in (queries, items)]
    for own in labels:
        own[np.arange(len(own)), rng.integers(6, size=len(own))] = 1
    projections = rng.normal(size=(2, 6, bits))
    codes = {f"{side}_{kind}": np.where((own @ projections[number] + rng.normal(0, 0.8, (len(own), bits))) >= 0, 1, -1)
             for side, own in zip("qr", labels, strict=True) for number, kind in enumerate(("img", "txt"))}  # fmt: skip
    return {**codes, "q_l": labels[0], "r_l": labels[1]}


def under_dcmhs_keys(held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {DCMH[role]: held[names[0]] for role, names in KEYS.items()}


def test_every_format_and_every_key_is_the_same_set_of_codes(tmp_path: Path) -> None:
    held = arrays()
    np.savez(tmp_path / "c.npz", **held)  # type: ignore[arg-type]
    files = [
        mat5(tmp_path / "a.mat", {key: value.astype(float) for key, value in held.items()}),
        hdf5(tmp_path / "b.mat", held, matlab=True),
        tmp_path / "c.npz",
        mat5(tmp_path / "d.mat", under_dcmhs_keys(held)),
        hdf5(tmp_path / "e.h5", {key: value if key.endswith("_l") else value > 0 for key, value in held.items()}),
    ]
    for path in files:
        found = read_codes(path)
        assert found.zeros == 0
        for side, names in KEYS.items():
            if not side.endswith("labels"):
                assert np.array_equal(found.codes[side].numpy(), held[names[0]]), path  # type: ignore[index]
        assert np.array_equal(found.query_labels.numpy(), held["q_l"] > 0)
        assert np.array_equal(found.database_labels.numpy(), held["r_l"] > 0)


@pytest.mark.parametrize(("name", "dcmh"), [("out.mat", False), ("out.mat", True), ("out.npz", False), ("out.npz", True)])
def test_what_is_written_is_read_again_and_scipy_reads_it_too(name: str, dcmh: bool, tmp_path: Path) -> None:
    held = read_codes(mat5(tmp_path / "in.mat", arrays()))
    write_codes(tmp_path / name, held, dcmh=dcmh)
    again = read_codes(tmp_path / name)
    assert all(torch.equal(again.codes[side], codes) for side, codes in held.codes.items())
    assert torch.equal(again.query_labels, held.query_labels)
    if name.endswith(".mat"):
        assert np.array_equal(scipy.io.loadmat(tmp_path / name)["qBX" if dcmh else "q_img"], arrays()["q_img"])
    with pytest.raises(UsageError, match=r"ends in \.mat or \.npz wanted, codes\.txt got"):
        write_codes(tmp_path / "codes.txt", held)
    assert not (tmp_path / "codes.txt").exists()


def test_zeros_of_a_signed_file_count_as_one_and_are_told(tmp_path: Path) -> None:
    held = arrays()
    held["q_img"][0, :3] = 0
    found = read_codes(mat5(tmp_path / "codes.mat", held))
    assert found.zeros == 3
    assert found.codes["query_images"][0, :3].tolist() == [1, 1, 1]


def test_labels_may_come_from_another_file(tmp_path: Path) -> None:
    held = arrays()
    codes = mat5(tmp_path / "codes.mat", {key: value for key, value in held.items() if not key.endswith("_l")})
    with pytest.raises(DataError, match=r"labels q_l and r_l wanted, not there; .*--labels"):
        read_codes(codes)
    labels = mat5(tmp_path / "labels.mat", {"query_L": held["q_l"], "retrieval_L": held["r_l"]})
    assert torch.equal(read_codes(codes, labels).query_labels, torch.from_numpy(held["q_l"] > 0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"q_img": None, "q_txt": None}, r"codes of queries and of a database wanted .* r_img, r_txt, q_l, r_l got"),
        ({"q_img": np.full((20, 16), 0.37)}, "0.37 got in q_img; take their sign first"),
        ({"q_img": np.full((20, 16), np.nan)}, "nan got in q_img"),
        ({"q_l": np.full((20, 6), 2)}, "labels of 0 and 1 wanted"),
        ({"q_l": np.ones((19, 6))}, "a row of labels a code wanted, 19 for 20 of q_img"),
        ({"r_l": np.ones((90, 7))}, "labels of one set of concepts wanted"),
        ({"r_txt": np.ones((90, 17))}, "codes of one length wanted"),
        ({"qBX": np.ones((20, 16))}, "one of q_img and qBX wanted, both got"),
        ({"q_img": np.ones((2, 2, 4))}, r"an array of shape \(2, 2, 4\) got"),
    ],
)
def test_codes_that_are_none_are_refused_in_a_line(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    held = {key: value for key, value in {**arrays(), **change}.items() if value is not None}
    with pytest.raises(DataError, match=said) as refused:
        read_codes(mat5(tmp_path / "codes.mat", held))
    assert "\n" not in str(refused.value)


def test_the_measures_agree_with_scikit_learn_where_nothing_ties() -> None:
    """Codes of 64 bits; queries all of whose distances differ are few, so distances are made different by construction."""
    queries = torch.ones(1, 64, dtype=torch.int8)
    database = torch.ones(40, 64, dtype=torch.int8)
    for item in range(40):
        database[item, : (item * 7) % 41] = -1
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.random((40, 3)) < 0.4)
    held = CodeSet({"query_images": queries, "database_texts": database}, torch.tensor([[True, True, False]]), labels)
    told = measured(held)["directions"]["image_to_text"]
    relevant = share_a_label(held.query_labels, labels)[0]
    expected = average_precision_score(relevant, -hamming(pack(queries), pack(database))[0].astype(float))
    assert told["map"] == pytest.approx(dict.fromkeys(("expected", "stable", "best", "worst"), expected), abs=1e-12)
    assert told["opposite_code"] <= told["map"]["expected"]


def test_the_measures_are_those_of_brute_force() -> None:
    codes = {key: torch.from_numpy(value.astype(np.int8)) for key, value in arrays().items()}
    held = CodeSet(
        {"query_images": codes["q_img"], "query_texts": codes["q_txt"], "database_texts": codes["r_txt"]},
        codes["q_l"] > 0,
        codes["r_l"] > 0,
    )
    told = measured(held, (10,))
    assert list(told["directions"]) == ["image_to_text", "text_to_text"]
    distance = (codes["q_img"][:, None] != codes["r_txt"][None]).sum(2).numpy()
    relevant = ((codes["q_l"][:, None].int() * codes["r_l"][None].int()).sum(2) > 0).numpy()
    ball = distance <= 2
    share = [(relevant[query] & ball[query]).sum() / max(1, ball[query].sum()) for query in range(20)]
    direction = told["directions"]["image_to_text"]
    assert direction["precision_radius_2"] == pytest.approx(np.mean(share))
    assert direction["precision_at"].keys() == direction["recall_at"].keys() == direction["ndcg_at"].keys() == {"1", "10"}
    assert direction["by_radius"]["precision"][2] == direction["precision_radius_2"]
    for radius in range(17):
        ball = distance <= radius
        recalls = [(relevant[query] & ball[query]).sum() / relevant[query].sum() for query in range(20)]
        assert direction["by_radius"]["recall"][radius] == pytest.approx(np.mean(recalls))
        assert direction["by_radius"]["pooled_recall"][radius] == pytest.approx((relevant & ball).sum() / relevant.sum())
        whole = (relevant & ball).sum() / ball.sum() if ball.any() else None
        assert direction["by_radius"]["pooled_precision"][radius] == (whole if whole is None else pytest.approx(whole))
    shared = (codes["q_l"][:, None].int() * codes["r_l"][None].int()).sum(2).numpy()
    draws = []
    for seed in range(300):  # of the orders of the ties
        order = np.lexsort((np.random.default_rng(seed).random(90) * np.ones((20, 1)), distance))[:, :10]
        gains = np.take_along_axis(2.0**shared - 1, order, 1) / np.log2(np.arange(10) + 2)
        ideal = np.sort(2.0**shared - 1, axis=1)[:, ::-1][:, :10] / np.log2(np.arange(10) + 2)
        draws.append((gains.sum(1) / ideal.sum(1)).mean())
    assert direction["ndcg_at"]["10"] == pytest.approx(np.mean(draws), abs=5 * np.std(draws) / 300**0.5)
    assert direction["map"]["worst"] < direction["map"]["expected"] < direction["map"]["best"]
    assert direction["floor"] < direction["map"]["expected"]
    assert told["agreement"] == {"query_bits": pytest.approx(float((codes["q_img"] == codes["q_txt"]).double().mean()))}


def test_the_command_prints_all_of_it_with_no_model_at_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = mat5(tmp_path / "codes.mat", arrays())
    assert main(["evaluate", str(path), "--at", "10", "--at", "30"]) == 0
    out = capfd.readouterr().out
    assert out.startswith("20 queries, 90 items, 16 bits, 6 labels\n\npictures ask for texts\n")
    for said in (
        "mAP, ties in every order (to be quoted)",
        "MAP@10: the first 10 relevant",
        "MAP@30: of all hits",
        "recall of 1.0",
        "NDCG at 10",
        "recall at 10",
        "all pairs at once",
    ):
        assert said in out
    assert main(["evaluate", str(path), "--json", "--out", str(tmp_path / "again.npz")]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told == measured(read_codes(path))
    assert f"{told['directions']['image_to_text']['map']['expected']:.4f}" in out
    assert main(["evaluate", str(tmp_path / "again.npz"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == told
    assert main(["evaluate", str(tmp_path / "nowhere.mat")]) == 1
    refused = capfd.readouterr()
    assert (refused.out, refused.err.count("\n")) == ("", 1)


def test_queries_to_which_nothing_is_relevant_are_left_out_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = arrays()
    held["q_l"][:4] = 0
    assert main(["evaluate", str(mat5(tmp_path / "codes.mat", held))]) == 0
    assert "4 queries to which nothing is relevant are left out" in capfd.readouterr().out
    held["q_l"][:] = 0
    assert main(["evaluate", str(mat5(tmp_path / "codes.mat", held)), "--json"]) == 0
    direction = json.loads(capfd.readouterr().out)["directions"]["image_to_text"]
    assert (direction["map"]["expected"], direction["pr_curve"], direction["scored"]) == (None, None, 0)
