"""The report in a real Chromium, opened from a file with the network cut: what it shows, how it is used, what it refuses."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe import examined
from example_results import results as made_up
from playwright.sync_api import Browser, Page, expect
from reported import WORDS, ran, taken
from test_score_page import Visit
from test_score_page import visit as visit
from test_search_page import browser as browser

from crossattack.cli import main
from crossattack.report._reproduce import command
from crossattack.report.examples import examples
from crossattack.report.finished import results_of
from crossattack.report.page import Shown, page, write_page

EVIL = '<script>document.title = "taken over"</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with its report, as the command writes it."""
    folder = tmp_path_factory.mktemp("reported") / "mine"
    ran(folder, *WORDS)
    assert main(["report", "mine", "--runs", str(folder.parent), "--examples", "6"]) == 0
    return folder


@pytest.fixture
def report(visit: Visit, run: Path) -> Iterator[Page]:
    """The page, which at the end has asked nobody for anything and complained of nothing."""
    yield visit.open(run / "report.html")
    assert visit.complaints == []
    assert set(visit.requests) <= {"file", "data"}


def shown(page: Page) -> list[str]:
    """Ids of the examples that are to be seen."""
    return [str(one.get_attribute("id")) for one in page.locator("article.one:visible").all()]


def column(page: Page, table: str, number: int) -> list[str]:
    return page.locator(f"{table} tbody tr td:nth-child({number})").all_inner_texts()


def test_the_command_says_where_the_page_is_and_what_is_on_it(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (run / "report.html").read_bytes()
    out, figures = tmp_path / "other.html", tmp_path / "figures"
    assert main(["report", str(run), "--out", str(out), "--examples", "6", "--figures", str(figures)]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[0] == f"{out}: 12 examples"
    assert said.out.splitlines()[1].startswith(f"{figures}: map.svg, map.png, precision_recall.svg")
    assert out.read_bytes() == before, "the same run gives the same page"
    assert len(before) < 5_000_000
    assert {file.name for file in figures.iterdir()} >= {"scores.csv", "scores.tex"}
    for arguments, line in (
        (["nothing"], "error: run: the folder of a run"),
        ([str(run), "--examples", "0", "--out", str(figures)], f"error: out: a file to write to wanted, {figures} got (Is a directory)"),
        ([str(run), "--examples", "0", "--out", str(out / "x.html")], f"error: out: a file to write to wanted, {out}/x.html got"),
        ([str(run), "--examples", "0", "--out", str(out), "--figures", str(out)], "error: figures: a folder to write to wanted"),
        ([str(run), "--examples", "-1"], "error: Invalid value for '--examples'"),
    ):
        assert main(["report", *arguments, "--runs", str(tmp_path)]) == 2
        said_last = capfd.readouterr().err.splitlines()
        assert len([each for each in said_last if each.startswith("error")]) == 1
        assert said_last[-1].startswith(line)
    assert {file.name for file in tmp_path.iterdir()} == {"other.html", "figures"}


def test_the_page_of_a_run_that_ends_takes_less_than_two_seconds(tmp_path: Path) -> None:
    kept = json.loads((Path(__file__).parents[1] / "docs/results/default.json").read_text(encoding="utf-8"))
    write_page(made_up(), tmp_path / "first.html")  # what is imported once is no part of it
    began = time.monotonic()
    write_page(kept, tmp_path / "report.html")
    assert time.monotonic() - began < 2
    assert "`crossattack report` writes this page again" in (tmp_path / "report.html").read_text()


def test_everything_is_there_in_landmarks_and_under_headings(report: Page, run: Path) -> None:
    results = results_of(run)
    clean, attacked = (results["directions"]["image_to_text"]["map"][name] for name in ("clean", "attacked"))
    expect(report.get_by_role("banner")).to_contain_text("mine")
    expect(report.get_by_role("main")).to_contain_text(f"{clean:.3f} → {attacked:.3f}")
    for name in ("Result", "Precision and recall", "Numbers", "Examples", "What was changed", "Checks", "Bill", "Setting", "Run it again"):
        expect(
            report.get_by_role("region", name=name, exact=True).or_(report.get_by_role("heading", name=name, exact=True)).first
        ).to_be_visible()
    levels = [int(tag[1]) for tag in report.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(one => one.tagName)")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level is left out"
    for link in report.get_by_role("navigation").get_by_role("link").all():
        assert report.locator(str(link.get_attribute("href"))).count() == 1
    checks = column(report, "#checks", 1)
    verdicts = {True: "✓ ok", False: "✗ failed", None: "– not measurable"}
    assert checks == [verdicts[check["ok"]] for check in results["checks"]]
    assert ("pictures ask for texts: the attack does something") in column(report, "#checks", 2)
    assert column(report, "#bill", 3)[-1] == f"{results['budget']['evaluation']:,}"
    assert report.locator("#again dd").all_inner_texts()[-1] == results["budget"]["ledger_digest"]


def test_pictures_are_drawn_and_have_words_beside_them(report: Page, run: Path) -> None:
    pictures = report.locator("img")
    assert pictures.count() == 6 * 3 + 6 * 2 * 8
    sizes = report.evaluate("Promise.all([...document.images].map(one => one.decode().then(() => [one.naturalWidth, one.alt.length])))")
    assert {width for width, _ in sizes} == {16}
    assert min(letters for _, letters in sizes) > 10
    trained = sum(len(curve[0]) for curve in results_of(run)["training"].values())  # a picture for loss, one for mAP
    assert report.locator("svg[role=img][aria-label]").count() == report.locator("svg").count() == 4 + trained
    factor = re.match(r"change × (\d+)", report.locator("article figcaption").nth(2).inner_text())
    assert factor
    assert f"{factor[1]} times as strong" in str(report.locator("article img").nth(2).get_attribute("alt"))
    marks = [(one.get_attribute("class"), one.locator(".told").inner_text()) for one in report.locator(".hit").all()]
    assert {"hit right", "hit wrong"} == {kind for kind, _ in marks}
    assert all(("✓ right" in words) == (kind == "hit right") for kind, words in marks), "not by colour alone"
    assert report.locator("article ins").count() > 0


def test_the_filter_works_by_click(report: Page) -> None:
    everything = shown(report)
    assert len(everything) == 12
    expect(report.locator("#left")).to_have_text("12 of 12 examples")
    verdicts = {one: str(report.locator(f"#{one}").get_attribute("data-verdict")) for one in everything}
    for verdict in ("succeeded", "failed"):
        report.get_by_label(verdict, exact=True).click()
        expected = [one for one in everything if verdicts[one] == verdict]
        assert shown(report) == expected
        assert report.locator("#examples tbody tr.one:visible").count() == len(expected)
        expect(report.locator("#left")).to_have_text(f"{len(expected)} of 12 examples")
    report.get_by_label("all", exact=True).click()
    assert shown(report) == everything


def test_the_filter_works_by_keyboard(report: Page) -> None:
    everything = shown(report)
    labels = {one: str(report.locator(f"#{one}").get_attribute("data-labels")) for one in everything}
    wanted = labels[everything[0]].split(",")[0]
    report.get_by_label("all", exact=True).focus()
    report.keyboard.press("Tab")
    expect(report.get_by_label("with a label that has")).to_be_focused()
    report.keyboard.type(wanted.upper())
    assert shown(report) == [one for one in everything if wanted in labels[one]] != everything
    report.keyboard.press("Enter")
    report.keyboard.press("Shift+Tab")
    report.keyboard.press("ArrowRight")
    expect(report.get_by_label("succeeded", exact=True)).to_be_checked()
    both = [one for one in everything if wanted in labels[one] and report.locator(f"#{one}").get_attribute("data-verdict") == "succeeded"]
    assert shown(report) == both
    report.get_by_label("with a label that has").fill("no such label")
    assert shown(report) == []
    expect(report.locator("#left")).to_have_text("0 of 12 examples")


def numbers_of(values: list[str]) -> tuple[list[float], int]:
    """Numbers of a column in their order, and how many cells have none."""
    known = [value for value in values if value != "–"]
    return [float(value.replace(",", "")) for value in known], len(values) - len(known)


def test_tables_are_sorted_by_click_and_by_keyboard(report: Page) -> None:
    head = report.locator("#change th").nth(2)
    values = column(report, "#change", 3)
    numbers, unknown = numbers_of(values)
    head.get_by_role("button").click()
    assert numbers_of(column(report, "#change", 3)) == (sorted(numbers), unknown)
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").focus()
    report.keyboard.press("Enter")
    assert numbers_of(column(report, "#change", 3)) == (sorted(numbers, reverse=True), unknown)
    expect(head).to_have_attribute("aria-sort", "descending")
    for _ in range(2):
        report.locator("#bill th").nth(3).get_by_role("button").click()
        assert [value == "–" for value in column(report, "#bill", 4)] == [False] * (len(column(report, "#bill", 4)) - 1) + [True]
    report.locator("#change th").nth(0).get_by_role("button").press("Space")
    assert column(report, "#change", 1) == sorted(column(report, "#change", 1))
    assert report.locator("#change th[aria-sort]").count() == 1


def test_the_first_tab_leads_past_the_navigation_and_focus_is_seen(report: Page) -> None:
    report.keyboard.press("Tab")
    skip = report.get_by_role("link", name="Skip to the result")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    outline = "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    assert report.evaluate(outline) == "solid3px"
    report.keyboard.press("Enter")
    expect(report.locator("#main")).to_be_focused()
    report.keyboard.press("Tab")
    assert report.evaluate("document.activeElement.closest('main') !== null")


def test_the_command_is_copied(browser: Browser, run: Path) -> None:
    context = browser.new_context(offline=True, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    page.get_by_role("button", name="Copy the command").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == command(results_of(run)["config"])
    assert copied.startswith("crossattack run --target dcmh --attack joint --data scenes --set ")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(browser: Browser, run: Path, scheme: Any) -> None:
    """WCAG 2.2 A and AA and axe's best practices, contrast included, in both colour schemes; also of a page without examples."""
    write_page(made_up(), run / "bare.html")
    assert main(["report", str(run), "--out", str(run / "few.html"), "--examples", "2"]) == 0
    context = browser.new_context(offline=True, color_scheme=scheme)
    page = context.new_page()
    for name in ("few.html", "bare.html"):
        page.goto((run / name).as_uri())
        violations, measured = examined(page)
        assert violations == []
        assert measured > 50, "contrast was measured"
    colours = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert colours == {"light": ["rgb(27, 27, 31)", "rgb(255, 255, 255)"], "dark": ["rgb(236, 236, 241)", "rgb(22, 23, 26)"]}[scheme]
    context.close()


def test_markup_in_names_labels_and_texts_is_text(visit: Visit, run: Path) -> None:
    evidence, pairs = taken(run)
    hostile = replace(pairs, texts=(EVIL,) * len(pairs), label_names=(EVIL,) * len(pairs.label_names))
    results = {**results_of(run), "name": EVIL, "checks": [{"name": EVIL, "ok": None, "detail": EVIL}]}
    made = examples(evidence, hostile, pictures=True, count=3, seed=0)
    (run / "evil.html").write_text(page(results, Shown(made, [EVIL])), encoding="utf-8")
    opened = visit.open(run / "evil.html")
    assert opened.title() == f"{EVIL} · crossattack"
    assert opened.locator("h1").inner_text() == EVIL
    assert EVIL in opened.locator("article .hit p").first.inner_text()
    assert opened.locator("script").count() == 1
    assert opened.locator("img[src=x]").count() == 0
    opened.get_by_label("with a label that has").fill("onerror")
    assert len(shown(opened)) == 6
    assert visit.complaints == []


def test_the_policy_stops_scripts_styles_and_requests_that_are_not_ours(visit: Visit, run: Path) -> None:
    opened = visit.open(run / "report.html")
    title = opened.title()
    opened.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))")
    opened.evaluate("document.head.append(Object.assign(document.createElement('style'), {textContent: 'body { color: red }'}))")
    opened.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://127.0.0.1/x.png'}))")
    expect(opened.locator("body")).not_to_have_css("color", "rgb(255, 0, 0)")
    assert opened.title() == title
    assert sum("Content Security Policy" in said for said in visit.complaints) == 3


def test_without_scripts_everything_is_there_but_the_controls(browser: Browser, run: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    assert len(shown(page)) == 12
    expect(page.locator("#filter")).to_be_hidden()
    expect(page.locator("#copy")).to_be_hidden()
    context.close()


def test_on_paper_there_are_no_controls_and_ink_is_dark(browser: Browser, run: Path) -> None:
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    for control in ("nav", "#filter", "#copy"):
        expect(page.locator(control)).to_be_hidden()
    expect(page.locator("body")).to_have_css("color", "rgb(0, 0, 0)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    context.close()


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, run: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 340, "height": 700})
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    context.close()
