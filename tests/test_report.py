"""The report: the table and the page say what results.json says, and the page is safe to open."""

import base64
import copy
import csv
import hashlib
import io
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from example_results import results

from crossattack.config import load_config
from crossattack.errors import UnknownName, UsageError
from crossattack.registry import ATTACKS, DATASETS, IMAGE_TOWERS, TARGETS, TEXT_TOWERS
from crossattack.report._curves import curves
from crossattack.report._headline import sentences
from crossattack.report._reproduce import command
from crossattack.report._rows import CONDITIONS
from crossattack.report.catalogue import catalogue
from crossattack.report.figure import write_figures
from crossattack.report.page import page, write_page
from crossattack.report.table import print_table
from crossattack.report.tables import as_csv, as_latex, tables
from surrogates.towers._torchvision import USUAL

CURVED = results()
CURVED["directions"]["image_to_text"]["metrics"] = {"pr_curve": {"clean": [0.75, 0.5], "attacked": [0.5, 0.25], "noise": None}}


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether every one that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen, self.open = list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def table(capsys: pytest.CaptureFixture[str], folder: str = "runs/x", terminal: bool = False) -> str:
    print_table(results(), Path(folder), terminal)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        r"mAP, clean +0\.644 \[0\.620, 0\.668\] +0\.644\b",
        r"mAP, attacked +0\.197 \[0\.180, 0\.215\]",
        r"mAP, ceiling \(white box\) +0\.057 \[0\.050, 0\.064\] +–",
        r"mAP, floor \(random ranking\) +0\.101 +0\.101",
        r"recovered +76 % \[73, 79\] +–",
        r"success, as the attacker sees it +– +–",
        r"success, as the referee sees it +31 % +31 %",
        r"threat model: answers reveal codes, linf 8/255, the attacker knows the target's family and the weights it started from",
        r"change of images: L∞ at most 0\.0314, L2 2\.91, PSNR in dB –, SSIM 0\.934$",
        r"change of texts: weights of words by at most 0\.10 \(feature space: nobody could send it\)",
        r"bill: 2,000 of 2,000 queries \(1,000 pictures, 1,000 texts; mining 2,000\), 3 repeats .* 24,000 more",
        r"surrogate: efficientnet_lite0 \+ bag_of_words: agrees with the target on 86 % of bits, rank agreement 0\.610",
        r"check failed: ceiling below attacked: <b>no ceiling</b>",
        r"run: runs/x$",
    ],
)
def test_the_table_says_it(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(line, table(capsys), re.MULTILINE)


def test_plain_text_is_aligned_and_has_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = table(capsys).splitlines()
    assert "\x1b" not in "\n".join(lines)
    columns = {line.index("0.644") for line in lines if "mAP, clean" in line} | {lines[0].index("pictures ask")}
    assert len(columns) == 1


def test_a_long_path_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    folder = "/very/long/" + "x" * 300
    for terminal in (False, True):
        assert folder in table(capsys, folder, terminal)


def test_the_page_shows_the_numbers_of_the_table() -> None:
    text = page(results())
    for value in ("0.644 [0.620, 0.668]", "0.197 [0.180, 0.215]", "76 % [73, 79]", "31 %", "2,000 of 2,000 queries"):
        assert value in text


def test_the_page_is_well_formed_escaped_and_loads_nothing() -> None:
    hostile = results("<script>alert(1)</script>")
    text = page(hostile)
    tags = Tags(text)
    assert not tags.open
    assert (text.count("<script"), text.count("<b>")) == (1, 0)
    addresses = [attributes[name] or "" for _, attributes in tags.seen for name in ("src", "href", "style") if name in attributes]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    ids = {attributes["id"] for _, attributes in tags.seen if "id" in attributes}
    assert {address.removeprefix("#") for address in addresses} <= ids


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else() -> None:
    text = page(results())
    own = [match[1] for tag in ("style", "script") if (match := re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL))]
    style, script = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in own)
    policy = dict(Tags(text).seen[3][1])["content"]
    wanted = f"img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    assert policy == f"default-src 'none'; {wanted}"


def test_bars_are_as_long_as_their_numbers() -> None:
    bars = {a["class"]: float(a["width"] or 0) for tag, a in reversed(Tags(page(results())).seen) if tag == "rect"}
    assert bars["bar-attacked"] / bars["bar-clean"] == pytest.approx(0.197 / 0.644, abs=0.002)


def test_a_condition_that_was_not_measurable_has_no_bar() -> None:
    assert page(results()).count('class="bar-ceiling"') == 1
    assert page(results()).count('class="bar-clean"') == 2


def test_the_page_holds_all_results(tmp_path: Path) -> None:
    write_page(results(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    match = re.search(r"<pre id=\"source\" tabindex=\"0\">(.*?)</pre>", text, re.DOTALL)
    assert match
    unescaped = match[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert json.loads(unescaped) == results()


def keys_of(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key of nested results, and the way to it."""
    if not isinstance(tree, dict):
        return []
    return [found for key, value in tree.items() for found in ((*above, key), *keys_of(value, (*above, key)))]


@pytest.mark.parametrize("way", keys_of(results()), ids=".".join)
def test_results_of_an_older_version_that_lack_a_key_still_make_a_page_and_tables(way: tuple[str, ...]) -> None:
    older = copy.deepcopy(results())
    holder = older
    for key in way[:-1]:
        holder = holder[key]
    del holder[way[-1]]
    assert not Tags(page(older)).open
    assert all(as_csv(one) and as_latex(one) for one in tables(older))


def test_a_page_that_cannot_be_written_is_a_line_and_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "report.html").mkdir()
    write_page(results(), tmp_path / "report.html")
    write_page({"directions": {"image_to_text": "damaged"}}, tmp_path / "other.html")
    assert [message.count("\n") for message in caplog.messages] == [0, 0]
    assert "report.html could not be written (IsADirectoryError" in caplog.messages[0]
    assert "other.html could not be written (" in caplog.messages[1]
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_the_result_is_told_in_sentences() -> None:
    """The numbers of results.json, what they mean, and why one is missing."""
    told, untold = (" ".join(sentences(key, one, results())) for key, one in results()["directions"].items())
    assert "Retrieval fell from 0.644 to 0.197 mAP, where 1 is perfect. A random ranking has 0.101." in told
    assert "That is 76 % of the damage done by an attacker who holds the system itself (the ceiling)." in told
    assert "most likely be between 73 % and 79 % (95 % interval)" in told
    assert "31 % of the attacked items find no more than chance would." in told
    assert "is not known here: there is no white-box attack to hold it against" in untold
    only_texts = {**results(), "threat_model": {"changes": ["texts"]}}
    assert (
        sentences("image_to_text", only_texts["directions"]["image_to_text"], only_texts)[-1] == "This attack leaves pictures as they are."
    )
    lists = {"map": {"clean": None, "attacked": None}, "metrics": {"top10_gone": 0.4}}
    assert "Of 40 % of the attacked items nothing of the clean top 10 is left" in sentences("image_to_text", lists, results())[-1]


def test_curves_go_through_their_points() -> None:
    drawn = curves("pictures ask for texts", CURVED["directions"]["image_to_text"], CONDITIONS)
    assert drawn
    (left, low), (right, high) = [(drawn.across[end][0], drawn.up[end][0]) for end in (0, -1)]
    clean, attacked = drawn.lines
    assert clean.points == tuple((left + 0.5 * step * (right - left), low + value * (high - low)) for step, value in ((1, 0.75), (2, 0.5)))
    assert attacked.points[1] == (right, pytest.approx(low + 0.25 * (high - low), abs=0.06))
    assert drawn.summary.endswith("clean 0.750 falling to 0.500, attacked 0.500 falling to 0.250")
    assert curves("none", results()["directions"]["image_to_text"], CONDITIONS) is None
    assert 'aria-label="Precision from a recall of 0.1 to 1' in page(CURVED)


def test_tables_hold_the_numbers_in_full_and_latex_is_escaped() -> None:
    found = {table.key: table for table in tables(CURVED)}
    assert list(found) == ["scores", "precision_recall", "distortion", "bill", "checks"]
    rows = list(csv.DictReader(io.StringIO(as_csv(found["scores"]))))
    assert rows[2] == {"direction": "pictures ask for texts", "condition": "attacked", "mAP": "0.197", "from": "0.18", "to": "0.215"}
    assert rows[8]["condition"].startswith("ceiling")
    assert rows[8]["mAP"] == ""
    assert [row["precision"] for row in csv.DictReader(io.StringIO(as_csv(found["precision_recall"])))] == ["0.75", "0.5", "0.5", "0.25"]
    latex = as_latex(found["checks"])
    assert r"failed & ceiling below attacked & $<$b$>$no ceiling$<$/b$>$ for texts \& their pictures &  \\" in latex
    assert as_latex(found["distortion"]).startswith("\\begin{tabular}{llr}\n")


def test_equal_results_give_equal_figures_and_tables(tmp_path: Path) -> None:
    names = [write_figures(CURVED, tmp_path / folder) for folder in ("one", "two")]
    assert names[0] == names[1]
    assert {"map.svg", "map.png", "precision_recall.svg", "precision_recall.png", "scores.csv", "bill.tex"} <= set(names[0])
    for name in names[0]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert "<dc:date>" not in (tmp_path / "one/precision_recall.svg").read_text()
    assert "precision_recall.svg" not in write_figures(results(), tmp_path / "no_codes")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="figures: a folder to write to wanted"):
        write_figures(results(), tmp_path / "file")


@pytest.mark.parametrize("attack", ["aach", "pgd", "square"])
def test_the_command_asks_for_the_same_configuration(attack: str) -> None:
    eps = "attack.eps=5/255"
    wanted = load_config(
        None, ["data=scenes", "target.image_tower=convnet", f"attack={attack}", eps, "surrogate.lr=1.0e-05", "seed=3", "name=x"]
    )
    told = command(wanted.resolved())
    assert told.startswith(f"crossattack run --target dcmh --attack {attack} --data scenes ")
    assert f"--set {eps}" in told
    assert "name=x" not in told
    parts = shlex.split(told)[2:]
    flags = {"--target": "target.name", "--attack": "attack.name", "--data": "data.name"}
    asked = [value if key == "--set" else f"{flags[key]}={value}" for key, value in zip(parts[::2], parts[1::2], strict=True)]
    assert {**load_config(None, asked).resolved(), "name": "x"} == wanted.resolved()
    assert command({**wanted.resolved(), "unheard_of": 1}) == "crossattack run --config config.yaml"


@pytest.mark.parametrize(("kind", "registries"), [("attacks", [ATTACKS]), ("targets", [TARGETS]), ("datasets", [DATASETS])])
def test_the_catalogue_agrees_with_the_registry(kind: str, registries: list[object]) -> None:
    (registry,) = registries
    assert catalogue(kind) == [(name, registry.summary(name)) for name in registry.names()]  # type: ignore[attr-defined]


def test_the_catalogue_lists_towers_and_metrics() -> None:
    assert [name for name, _ in catalogue("surrogates")] == [*IMAGE_TOWERS.names(), *TEXT_TOWERS.names(), *USUAL]
    assert all(summary for _, summary in catalogue("metrics"))
    with pytest.raises(UnknownName, match="did you mean 'attacks'"):
        catalogue("attack")
