"""The page of a sweep in a real Chromium, opened from a file with the network cut: what it shows, how it is used, what it refuses."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe import examined
from made_sweeps import attacks, budget, set_back, transfer
from playwright.sync_api import Browser, expect
from test_report_page import EVIL, column
from test_score_page import Visit
from test_score_page import visit as visit
from test_search_page import browser as browser

from crossattack.report.sweep.page import write_sweep_page

LOST = "ValueError: no luck"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of each layout: curves (of a sweep that is not complete), a matrix, a list."""
    folder = tmp_path_factory.mktemp("pages")
    for name, made in {"curves": set_back(budget(), "failed", 47, reason=LOST), "matrix": transfer(), "list": attacks()}.items():
        write_sweep_page(made, folder / f"{name}.html")
    return folder


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("curves", ["Result", "What was varied", "By queries spent", "Numbers", "Runs", "Failures", "Run it again"]),
        ("matrix", ["Result", "What was varied", "The attacker's network against the target's network", "Numbers", "Runs", "Run it again"]),
        ("list", ["Result", "What was varied", "In order of strength", "Numbers", "Runs", "Run it again"]),
    ],
)
def test_every_layout_has_its_parts_and_asks_nobody_for_anything(name: str, parts: list[str], visit: Visit, pages: Path) -> None:
    page = visit.open(pages / f"{name}.html")
    assert page.locator("h2").all_inner_texts() == parts
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.all_inner_texts() == parts
    for link in links.all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1
    levels = [int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(one => one.tagName)")]
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level is left out"
    assert page.locator("svg[role=img][aria-label]").count() == page.locator("svg").count() == {"curves": 4, "matrix": 0, "list": 2}[name]
    assert visit.complaints == []
    assert set(visit.requests) <= {"file", "data"}


def test_curves_have_their_names_beside_them_and_marks_say_their_figures(visit: Visit, pages: Path) -> None:
    page = visit.open(pages / "curves.html")
    first = page.locator("svg").first
    names = first.locator("g.line > text").all_text_contents()
    assert names == ["aach", "mi_fgsm", "clean", "noise of the same radius", "ceiling (white box)", "floor (random ranking)"]
    assert first.locator("g.series-0 title").first.evaluate("one => one.textContent") == "aach, queries spent 100: 0.460 [0.454, 0.466]"
    heights = sorted(float(str(one.get_attribute("y"))) for one in first.locator("g.line > text").all())
    assert all(after - before >= 17 for before, after in pairwise(heights)), "no name stands on another"
    expect(page.locator("#result .note")).to_contain_text("47 of 48 runs are done, 1 failed")
    assert column(page, "#failed", 6)[0] == LOST
    assert visit.complaints == []


def test_the_matrix_is_shaded_by_what_was_recovered_and_frames_the_attackers_who_know(visit: Visit, pages: Path) -> None:
    page = visit.open(pages / "matrix.html")
    cells = page.locator(".matrix").first.locator("tbody td")
    assert [one.locator("strong").inner_text() for one in cells.all()] == ["80 %" if place % 4 == 0 else "30 %" for place in range(9)]
    assert [str(one.get_attribute("class")) for one in cells.all()] == [
        "shade-4 own" if place % 4 == 0 else "shade-2" for place in range(9)
    ]
    strong, weak = (page.evaluate("(one) => getComputedStyle(one).backgroundColor", cells.nth(place).element_handle()) for place in (0, 1))
    assert strong != weak
    assert page.locator(".matrix").nth(2).locator("tbody td").first.inner_text().split("\n") == ["0.450", "90 % of bits"]
    expect(page.locator("#result")).to_contain_text("a gap of 50 points, between 45 and 55 (95 %, Student's over 3 seeds)")
    assert visit.complaints == []


def test_runs_are_sorted_by_their_figures(visit: Visit, pages: Path) -> None:
    page = visit.open(pages / "curves.html")
    titles = page.locator("#cells th").all_inner_texts()
    place = next(place for place, title in enumerate(titles) if title.startswith("mAP attacked"))
    page.locator("#cells th").nth(place).get_by_role("button").press("Enter")
    found = column(page, "#cells", place + 1)
    assert found[-1] == "–", "what has no figure is last"
    assert [float(value) for value in found[:-1]] == sorted(float(value) for value in found[:-1])
    expect(page.locator("#cells th").nth(place)).to_have_attribute("aria-sort", "ascending")
    assert len(set(column(page, "#cells", 2))) == 48


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(browser: Browser, pages: Path, scheme: Any) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)
    page = context.new_page()
    for name in ("curves", "matrix", "list"):
        page.goto((pages / f"{name}.html").as_uri())
        violations, measured = examined(page)
        assert violations == []
        assert measured > 50, "contrast was measured"
    context.close()


def test_markup_in_names_values_and_reasons_is_text(visit: Visit, tmp_path: Path) -> None:
    made = set_back(budget(), "failed", 0, reason=EVIL)
    made |= {"name": EVIL, "file": f"name: {EVIL}", "shared": {EVIL: EVIL}}
    for cell in made["cells"]:
        cell["values"] |= {"attack": EVIL + cell["values"]["attack"], EVIL: EVIL}
    write_sweep_page(made, tmp_path / "evil.html")
    page = visit.open(tmp_path / "evil.html")
    assert page.title() == f"{EVIL} · crossattack"
    assert page.locator("h1").inner_text() == EVIL
    assert page.locator("svg").first.locator("g.line > text").first.text_content() == f"{EVIL}aach"
    assert EVIL in column(page, "#failed", 7)[0]
    assert (page.locator("script").count(), page.locator("img").count()) == (1, 0)
    assert visit.complaints == []


def test_without_scripts_on_paper_and_on_a_narrow_screen_everything_is_there(browser: Browser, pages: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False, color_scheme="dark", viewport={"width": 340, "height": 700})
    page = context.new_page()
    for name in ("curves", "matrix", "list"):
        page.goto((pages / f"{name}.html").as_uri())
        assert page.locator("#cells tbody tr").count() > 0
        expect(page.locator("#copy")).to_be_hidden()
        width = page.locator("html").evaluate("one => one.scrollWidth")
        assert width <= 340, name
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("nav")).to_be_hidden()
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    context.close()
