"""Your own pictures: a folder, a table, and everything that may be wrong with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from field_files import LABEL_NAMES, SIDE, own_folder, world

from crossattack.cli import main
from crossattack.datasets.folder import Folder
from crossattack.errors import ConfigError, DataError
from crossattack.progress import Silent


def test_each_row_is_a_pair_and_a_picture_has_the_labels_of_all_its_rows(tmp_path: Path) -> None:
    held = world()
    root = own_folder(tmp_path / "mine", held)
    pairs, split = Folder(root=str(root), height=SIDE, width=SIDE).load(Silent())
    assert len(pairs) == 96
    assert torch.bincount(pairs.groups).tolist() == [2] * 48
    assert pairs.label_names == LABEL_NAMES
    assert "number 11 says “2007”" in pairs.texts or any("number 11 says" in text for text in pairs.texts)
    for position, text in enumerate(pairs.texts):
        if str(text).startswith("number "):
            item = int(str(text).split()[1])
            assert np.array_equal(pairs.images[position].numpy(), held.images[item])
            assert np.array_equal(pairs.labels[position].numpy(), held.labels[item] > 0)
    lines, same = Folder(root=str(own_folder(tmp_path / "lines", held, lines=True)), height=SIDE, width=SIDE).load(Silent())
    assert lines.texts == pairs.texts
    assert torch.equal(lines.pixels(), pairs.pixels())
    assert same.digest() == split.digest()


def test_a_picture_keeps_all_its_texts_whichever_of_them_stands_for_it(tmp_path: Path) -> None:
    root = str(own_folder(tmp_path / "mine", world()))
    each, one, again, other, whole = (
        Folder(root=root, height=SIDE, width=SIDE, **settings).load(Silent())[0]  # type: ignore[arg-type]
        for settings in ({}, {"text": "one"}, {"text": "one"}, {"text": "one", "caption_seed": 1}, {"text": "all"})
    )
    assert (len(each), len(one), len(whole)) == (96, 48, 48)
    assert one.texts == again.texts != other.texts
    assert one.captions == other.captions == whole.captions
    assert all(
        len(set(held)) == 2 and text in held for pairs in (each, one, other) for held, text in zip(pairs.captions, pairs.texts, strict=True)
    )
    assert whole.texts == tuple(" ".join(held) for held in one.captions)
    places = [each.groups.tolist().index(group) for group in one.groups.tolist()]
    assert torch.equal(each.pixels()[places], one.pixels())
    assert torch.equal(each.labels[places], one.labels)
    assert len(set(one.groups.tolist())) == 48


def test_labels_of_several_rows_are_joined(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", world())
    table = root / "table.csv"
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    first = lines[1].split(",")[0]
    table.write_text("\n".join([*lines, f"{first},one more,{' ; '.join(('night', 'sea', 'night'))}"]), encoding="utf-8")
    pairs, _ = Folder(root=str(root), height=SIDE, width=SIDE).load(Silent())
    added = pairs.texts.index("one more")
    assert pairs.labels[added].nonzero().flatten().tolist() == [0, 3, 5]
    assert torch.equal(pairs.labels[pairs.groups == pairs.groups[added]], pairs.labels[added].expand(3, -1))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image,text\na.jpg,x\n", "no labels in image, text"),
        ("image,text,labels\n", "rows with image, text, labels wanted, none got"),
        ("image,text,labels\na.jpg,x,y\na.jpg,x,y\n", "table.csv, line 3: every text of a picture once wanted, that of line 2"),
        ("image,text,labels\na.jpg,x\n", "line 2: 3 fields wanted, others got"),
        ("image,text,labels\na.jpg,a, b,c\n", "line 2: 3 fields wanted, others got"),
        ("image,text,labels\n/etc/passwd,x,y\n", "a picture below the folder wanted, '/etc/passwd' got"),
        ("image,text,labels\n../x.jpg,x,y\n", "a picture below the folder wanted"),
        ("image,text,labels\na.jpg,x,y\0\n", "line 2: text wanted, a zero byte got"),
        ("image,text,labels\na.jpg, ,y\n", "a text wanted, none got"),
        ("image,text,labels\nnowhere.jpg,x,y\n", "nowhere.jpg and 0 more pictures wanted, not there"),
        ("image,text,labels\npictures/0/photo 0.jpg,x,\n", "a label of every picture wanted"),
        (b"image,text,labels\na.jpg,\xff\xfe,y\n", "UTF-8 wanted, other bytes got"),
        ('image,text,labels\na.jpg,"x,y\n', "CSV wanted, another line got"),
        ("image,text,labels\na.jpg," + "x" * 200_000 + ",y\n", "CSV wanted, another line got .field larger"),
    ],
)
def test_a_wrong_table_is_refused_in_a_line(table: str | bytes, said: str, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", world())
    (root / "table.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DataError, match=said) as refused:
        Folder(root=str(root)).load(Silent())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "a JSON object wanted, list got"),
        ("{" * 100_000, "a JSON object wanted, none got"),
        ("[" * 100_000, "a JSON object wanted, none got"),
        (json.dumps({"image": "a.jpg", "text": 3, "labels": "x"}), "as strings wanted, others got"),
        (json.dumps({"image": "a.jpg", "text": "x"}), "as strings wanted, others got"),
    ],
)
def test_a_wrong_line_of_json_is_refused(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "table.jsonl").write_text("\n" + line)
    with pytest.raises(DataError, match=rf"table\.jsonl, line 2: .*{said}"):
        Folder(root=str(tmp_path)).load(Silent())


def test_which_table_is_asked_where_there_are_two(tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", world())
    own_folder(root, world(), lines=True)
    with pytest.raises(DataError, match=r"table\.csv, table\.jsonl got; say which: `data.table`"):
        Folder(root=str(root)).load(Silent())
    assert len(Folder(root=str(root), table="table.jsonl").load(Silent())[0]) == 96
    with pytest.raises(DataError, match=r"other\.csv wanted, table\.csv, table\.jsonl got"):
        Folder(root=str(root), table="other.csv").load(Silent())
    with pytest.raises(ConfigError, match="`query` of folder: 1 pair or more"):
        Folder(query=0)
    with pytest.raises(ConfigError, match="no `root` got"):
        Folder().load(Silent())


def test_own_pictures_are_attacked_from_start_to_end(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pictures that lie in files go the whole way, and results.json says which split it was."""
    monkeypatch.chdir(tmp_path)
    root = own_folder(tmp_path / "mine", world(90, 16, 16))
    settings = ["data.height=16", "data.width=16", "target.image_tower=convnet", "target.epochs=1", "surrogate.image_tower=convnet"]
    settings += ["surrogate.epochs=1", "evaluation.resamples=10", "data.attacker=60", "data.train=80"]
    flags = [
        "--data",
        "folder",
        "--root",
        str(root),
        "--attacked",
        "5",
        "--budget",
        "100",
        "--steps",
        "2",
        "--bits",
        "8",
        "--quiet",
        "--json",
    ]
    assert main(["run", *flags, *(part for one in settings for part in ("--set", one))]) == 0
    results = json.loads(capfd.readouterr().out)
    _, split = Folder(root=str(root), height=16, width=16, attacker=60, train=80).load(Silent())
    assert results["dataset"]["split_digest"] == split.digest()
    assert results["directions"]["image_to_text"]["attacked_items"] == 5
    (folder,) = (tmp_path / "runs").iterdir()
    for condition in ("clean", "attacked"):  # its codes go out, and what comes back in has the run's own figures
        assert main(["evaluate", str(folder), "--condition", condition, "--out", "codes.mat", "--json"]) == 0
        capfd.readouterr()
        assert main(["evaluate", "codes.mat", "--json"]) == 0
        told = json.loads(capfd.readouterr().out)["directions"]
        for direction, own in results["directions"].items():
            assert told[direction]["map"]["expected"] == pytest.approx(own["map"][condition], abs=1e-12)
    assert main(["evaluate", str(folder), "--condition", "cleaned"]) == 2
    assert "one of attacked, ceiling, clean, noise wanted, 'cleaned' got" in capfd.readouterr().err
