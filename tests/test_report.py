"""The report: the table and the page say what results.json says, and the page is safe to open."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from example_results import results

from crossattack.errors import UnknownName
from crossattack.registry import ATTACKS, DATASETS, IMAGE_TOWERS, TARGETS, TEXT_TOWERS
from crossattack.report.catalogue import catalogue
from crossattack.report.page import page, write_page
from crossattack.report.table import print_table


class Tags(HTMLParser):
    """Tags and attributes of a page, and whether every one that was opened was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen, self.open = list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
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
    assert "<script" not in text and "<b>no ceiling" not in text  # noqa: PT018
    loading = [tag for tag, attributes in tags.seen if {"src", "href", "style"} & set(attributes)]
    assert not loading


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    text = page(results())
    match = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert match
    allowed = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
    policy = dict(Tags(text).seen[3][1])["content"]
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"


def test_bars_are_as_long_as_their_numbers() -> None:
    bars = {a["class"]: float(a["width"] or 0) for tag, a in reversed(Tags(page(results())).seen) if tag == "rect"}
    assert bars["bar-attacked"] / bars["bar-clean"] == pytest.approx(0.197 / 0.644, abs=0.002)


def test_a_condition_that_was_not_measurable_has_no_bar() -> None:
    assert page(results()).count('class="bar-ceiling"') == 1
    assert page(results()).count('class="bar-clean"') == 2


def test_the_page_holds_all_results(tmp_path: Path) -> None:
    write_page(results(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    match = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    assert match
    unescaped = match[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert json.loads(unescaped) == results()


@pytest.mark.parametrize(("kind", "registries"), [("attacks", [ATTACKS]), ("targets", [TARGETS]), ("datasets", [DATASETS])])
def test_the_catalogue_agrees_with_the_registry(kind: str, registries: list[object]) -> None:
    (registry,) = registries
    assert catalogue(kind) == [(name, registry.summary(name)) for name in registry.names()]  # type: ignore[attr-defined]


def test_the_catalogue_lists_towers_and_metrics() -> None:
    assert [name for name, _ in catalogue("surrogates")] == [*IMAGE_TOWERS.names(), *TEXT_TOWERS.names()]
    assert all(summary for _, summary in catalogue("metrics"))
    with pytest.raises(UnknownName, match="did you mean 'attacks'"):
        catalogue("attack")
