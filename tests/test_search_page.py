"""The search page in a real Chromium, as a person uses it: words, pictures, keys, tokens; nothing leaves the host."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import ALICE, Served, png, serving

from crossattack.endpoint import Reveals
from crossattack.serve.tokens import Tokens

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
EVIL = '<script>document.title = "taken over"</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed: `apt-get install chromium`")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """A page, and what it did meanwhile."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Go there, listening."""
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        reply = self.page.goto(url)
        assert reply is not None
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        return self.page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield Visit(context.new_page())
    context.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "state.sqlite", captions=[EVIL] * 150) as running:
        yield running


def hits(page: Page, what: str) -> list[tuple[str, str]]:
    """Captions and distances once a search is over and all its pictures are there."""
    expect(page.locator("#status")).to_have_text(f"10 hits by {what}, nearest first.")
    expect(page.locator("#hits img[src]")).to_have_count(10)
    widths = "Promise.all([...document.querySelectorAll('#hits img')].map(image => image.decode().then(() => image.naturalWidth)))"
    assert page.evaluate(widths) == [16] * 10
    items = page.locator("#hits li")
    return [(one.locator("p").nth(0).inner_text(), one.locator("p").nth(1).inner_text()) for one in items.all()]


def as_shown(served: Served, reply: Any) -> list[tuple[str, str]]:
    return [(hit["text"], f"distance {hit['distance']}") for hit in reply.json()["results"][0]["hits"]]


def test_words_typed_by_keyboard_find_pictures_with_distances(visit: Visit, served: Served) -> None:
    page = visit.open(served.url)
    expect(page.locator("#words")).to_be_focused()
    expect(page.locator("#about")).to_contain_text(f"dcmh, 16 bits: words find one of {len(served.service.database)} pictures")
    page.keyboard.type("a red square above a blue circle")
    page.keyboard.press("Enter")
    assert hits(page, "words") == as_shown(served, served.texts(["a red square above a blue circle"], to="/v1/search/texts"))
    expect(page.locator("#token-form")).to_be_hidden()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Search")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Or drop a picture here")).to_be_focused()
    assert visit.complaints == []
    assert {url.removeprefix("blob:").startswith(served.url + "/") for url in visit.requests} == {True}


def test_a_caption_with_markup_is_shown_as_text(visit: Visit, served: Served) -> None:
    page = visit.open(served.url)
    page.locator("#words").fill("red")
    page.get_by_role("button", name="Search").click()
    assert EVIL in [caption for caption, _ in hits(page, "words")]
    assert page.title() == "Search by words or by picture"
    assert page.locator("#hits script").count() == 0
    assert page.locator("#hits img").count() == 10
    assert visit.complaints == []


def test_a_dropped_picture_finds_words(visit: Visit, served: Served) -> None:
    file = png(served.query.images[3])
    page = visit.open(served.url)
    drop = """([content, type]) => {
        const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "mine.png", { type }));
        for (const kind of ["dragenter", "dragover", "drop"])
            document.getElementById("drop").dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, [base64.b64encode(file).decode(), "image/png"])
    assert hits(page, "picture") == as_shown(served, served.images([file], to="/v1/search/images"))
    expect(page.locator("#preview")).to_be_visible()
    assert visit.complaints == []
    assert {url.removeprefix("blob:").startswith(served.url + "/") for url in visit.requests} == {True}
    page.evaluate(drop, [base64.b64encode(b"GIF89a nothing").decode(), "image/png"])
    expect(page.locator("#status")).to_have_text("a PNG, JPEG or WebP file wanted, something else got.")
    expect(page.locator("#hits li")).to_have_count(0)


def test_a_chosen_picture_finds_words_too(visit: Visit, served: Served) -> None:
    page = visit.open(served.url)
    file = png(served.query.images[4])
    page.locator("#picture").set_input_files({"name": "mine.png", "mimeType": "image/png", "buffer": file})
    assert hits(page, "picture") == as_shown(served, served.images([file], to="/v1/search/images"))
    assert visit.complaints == []


def test_where_only_rankings_are_revealed_no_distance_is_shown(visit: Visit, tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite", reveals=Reveals.RANKING, top_k=10) as served:
        page, size = visit.open(served.url), len(served.service.database)
        expect(page.locator("#about")).to_have_text(f"dcmh: words find one of {size} pictures, a picture finds one of {size} texts.")
        page.locator("#words").fill("red")
        page.keyboard.press("Enter")
        assert [told.split()[0] for _, told in hits(page, "words")] == ["item"] * 10


def test_a_service_with_tokens_asks_for_one_and_keeps_it_in_memory_only(visit: Visit, tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite", tokens=Tokens.from_text(f"alice:{ALICE}")) as served:
        page = visit.open(served.url)
        expect(page.locator("#token-form")).to_be_visible()
        page.get_by_label("This service asks for a token").fill("some-other-token-of-mine")
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text("a token wanted")
        page.get_by_label("This service asks for a token").fill(ALICE)
        page.keyboard.press("Enter")
        expect(page.locator("#token-form")).to_be_hidden()
        page.locator("#words").fill("red")
        page.keyboard.press("Enter")
        assert len(hits(page, "words")) == 10
        kept = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, document.body.innerHTML])"
        )
        assert ALICE not in kept
        assert not any(ALICE in url for url in visit.requests)
        page.reload()
        expect(page.locator("#token-form")).to_be_visible()


def test_the_policy_stops_scripts_that_are_not_ours(visit: Visit, served: Served) -> None:
    page = visit.open(served.url)
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))")
    assert page.title() == "Search by words or by picture"
    assert any("Content Security Policy" in said for said in visit.complaints)


def test_the_openapi_page_opens_without_complaint(visit: Visit, served: Served) -> None:
    page = visit.open(served.url + "/docs")
    expect(page.get_by_role("heading", name="POST /v1/search/images")).to_be_visible()
    page.get_by_role("link", name="the search page").click()
    expect(page.get_by_role("heading", name="Search by words or by picture")).to_be_visible()
    assert visit.complaints == []
