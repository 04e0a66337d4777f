"""The scoring page: what it holds, and a person at work on it in a real Chromium, offline."""

import base64
import io
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_search_page import browser as browser

from crossattack.attacks import Pictures, Words, unasked
from crossattack.cli import main
from crossattack.errors import UsageError
from crossattack.perturbing import kept
from crossattack.report.score import pairs_of, write_score_page

EVIL = "</script><script>document.title = 1</script>"


def conditions(items: int = 8) -> dict[str, Any]:
    """Pictures as a run keeps them; noise adds 1 level and the attack 30."""
    clean = torch.randint(0, 200, (items, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    ids = tuple(range(10, 10 + items))
    changed = {"clean": clean, "noise": clean + 1, "attacked": clean + 30, "ceiling": clean + 50}
    return {name: {"images": unasked(Pictures(ids, values))} for name, values in changed.items()}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ledger.sqlite").touch()
    kept(folder / "items.h5", conditions())
    return folder


def read(address: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)


def test_each_pair_is_a_clean_picture_and_the_same_one_changed_to_the_byte() -> None:
    pairs = pairs_of(conditions(), 5, seed=0)
    assert len(pairs) == 10
    for pair in pairs:
        pictures = [read(address) for address in pair["pictures"]]
        change = pictures[pair["changed"]] - pictures[1 - pair["changed"]]
        assert (change == {"noise": 1, "attacked": 30}[pair["condition"]]).all()
    assert len({(pair["item"], pair["condition"]) for pair in pairs}) == 10


def test_the_seed_says_which_pictures_in_which_order_on_which_side() -> None:
    told = [[(pair["item"], pair["condition"], pair["changed"]) for pair in pairs_of(conditions(), 6, seed)] for seed in (0, 0, 1)]
    assert told[0] == told[1] != told[2]
    sides = [pair["changed"] for seed in range(40) for pair in pairs_of(conditions(), 8, seed)]
    assert abs(statistics.mean(sides) - 0.5) < 4 * 0.5 / len(sides) ** 0.5


def test_a_run_without_attacked_pictures_or_without_items_is_refused_in_a_line(tmp_path: Path) -> None:
    words = {name: {"images": unasked(Words((0,), ("red",)))} for name in ("clean", "attacked")}
    with pytest.raises(UsageError, match="clean and attacked pictures wanted"):
        pairs_of(words, 5, seed=0)
    with pytest.raises(UsageError, match=r"items\.h5 of a finished run wanted"):
        write_score_page(tmp_path, tmp_path / "score.html", pictures=5, seed=0)
    assert not (tmp_path / "score.html").exists()


def test_the_command_writes_the_page_into_the_runs_folder(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["score", run.name, "--runs", str(run.parent), "--pictures", "3"]) == 0
    assert capfd.readouterr().out == f"{run}/score.html: 6 pairs to score\n"
    assert main(["score", "nothing", "--runs", str(run.parent)]) == 2
    assert capfd.readouterr().err.startswith("error: run: the folder of a run")


@dataclass
class Visit:
    """A page opened from a file with the network cut, and what it did meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path) -> Page:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url.partition(":")[0]))
        self.page.goto(path.as_uri())
        return self.page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context(offline=True)
    context.set_default_timeout(15_000)
    yield Visit(context.new_page())
    context.close()


def test_scores_given_by_key_and_click_become_mean_opinion_scores_and_are_exported(visit: Visit, run: Path, tmp_path: Path) -> None:
    write_score_page(run, run / "score.html", pictures=4, seed=3)
    pairs = pairs_of(conditions(), 4, seed=3)
    page = visit.open(run / "score.html")
    expect(page.locator("#place")).to_have_text("Pair 1 of 8")
    given = [4, 2, 5, 1, 3, 5, 4, 2]
    for place, grade in enumerate(given):
        shown = [page.locator(side).get_attribute("src") for side in ("#left", "#right")]
        assert shown == pairs[place]["pictures"]
        if place % 2:
            page.keyboard.press(str(grade))
        else:
            page.locator(f"button[data-grade='{grade}']").click()
    expect(page.locator("#done")).to_be_focused()
    page.keyboard.press("1")  # nothing is left to score
    expected = {}
    for name in ("attacked", "noise"):
        own = [grade for grade, pair in zip(given, pairs, strict=True) if pair["condition"] == name]
        mean, reach = statistics.mean(own), 1.96 * statistics.stdev(own) / len(own) ** 0.5
        expected[name] = {"pairs": 4, "mos": mean, "ci95": [pytest.approx(mean - reach), pytest.approx(mean + reach)]}
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#scores tr").all()]
    assert [(row[0], row[1], row[2]) for row in rows] == [(name, "4", f"{one['mos']:.2f}") for name, one in expected.items()]
    with page.expect_download() as download:
        page.locator("#export").click()
    found = json.loads(Path(download.value.path()).read_text())
    assert found["scores"] == expected
    sides = [["left", "right"][pair["changed"]] for pair in pairs]
    assert [(vote["item"], vote["condition"], vote["side"], vote["grade"]) for vote in found["votes"]] == [
        (pair["item"], pair["condition"], side, grade) for pair, side, grade in zip(pairs, sides, given, strict=True)
    ]
    assert (found["run"], found["seed"], download.value.suggested_filename) == ("mine", 3, "score-mine.json")
    assert visit.complaints == []
    assert set(visit.requests) <= {"file", "data", "blob"}


def test_answers_outlive_the_page_can_be_taken_back_and_belong_to_their_run(visit: Visit, run: Path) -> None:
    write_score_page(run, run / "score.html", pictures=4, seed=0)
    write_score_page(run, run / "other.html", pictures=4, seed=1)
    page = visit.open(run / "score.html")
    for key in "543":
        page.keyboard.press(key)
    page.reload()
    expect(page.locator("#place")).to_have_text("Pair 4 of 8")
    page.keyboard.press("Backspace")
    expect(page.locator("#place")).to_have_text("Pair 3 of 8")
    page.goto((run / "other.html").as_uri())
    expect(page.locator("#place")).to_have_text("Pair 1 of 8")
    expect(page.locator("#back")).to_be_disabled()
    page.goto((run / "score.html").as_uri())
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#again").click()
    expect(page.locator("#place")).to_have_text("Pair 1 of 8")


def test_every_control_is_reached_by_the_tab_key_and_grades_have_names(visit: Visit, run: Path) -> None:
    write_score_page(run, run / "score.html", pictures=2, seed=0)
    page = visit.open(run / "score.html")
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText"))
    assert names == ["5 imperceptible", "4 perceptible, but not annoying", "3 slightly annoying", "2 annoying", "1 very annoying"]
    page.keyboard.press("Enter")
    expect(page.locator("#place")).to_have_text("Pair 2 of 4")


def test_a_runs_name_is_text_and_foreign_scripts_do_not_run(visit: Visit, run: Path) -> None:
    from crossattack.report.score import page as rendered

    (run / "evil.html").write_text(rendered(EVIL, pairs_of(conditions(), 2, seed=0), 0), encoding="utf-8")
    page = visit.open(run / "evil.html")
    assert page.title() == f"Scoring {EVIL} · crossattack"
    assert visit.complaints == []
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))")
    assert page.title() == f"Scoring {EVIL} · crossattack"
    assert any("Content Security Policy" in said for said in visit.complaints)
