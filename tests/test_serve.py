"""The service's answers and its counts, over a real socket: what is sent, what comes back, what it costs."""

import io
import json
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter
from served import Served, codes_of, plain, png, serving, small_service
from worlds import scenes

from crossattack.codes import hamming, harden, pack
from crossattack.encoding import encode
from crossattack.endpoint import Reveals
from crossattack.errors import UsageError
from crossattack.oracle import LocalEndpoint


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "state.sqlite") as running:
        yield running


def test_it_says_what_it_is(served: Served) -> None:
    assert served.http.get("/healthz").json() == {"status": "ok"}
    database = len(served.service.database)
    assert served.http.get("/v1/info").json() == {
        **{"api": 1, "name": "dcmh", "digest": served.service.target.digest, "reveals": "codes", "dim": 16, "top_k": None},
        **{"database": {"images": database, "texts": database}, "batch": 64, "idempotency_seconds": 86400},
    }


def test_codes_equal_those_of_the_same_target_in_process_bit_for_bit(served: Served) -> None:
    target, query = served.service.target, served.query
    for size in (1, len(query)):
        images, texts = query.images[:size], query.texts[:size]
        over_http = codes_of(served.images([png(image) for image in images])), codes_of(served.texts(texts))
        for got, modality, items in zip(over_http, ("images", "texts"), (images, texts), strict=True):
            assert np.array_equal(got, harden(encode(target, modality, items)).numpy())
            assert np.array_equal(got, harden(encode(target, modality, items, batch_size=64)).numpy())
    assert LocalEndpoint(target).terms.digest == served.http.get("/v1/info").json()["digest"]


def test_lists_of_words_are_texts_of_their_own(served: Served) -> None:
    words = [["red", "square"], [], ["😀", "naïve"]]
    assert np.array_equal(codes_of(served.texts(words)), harden(encode(served.service.target, "texts", words)).numpy())


@pytest.mark.parametrize("modality", ["images", "texts"])
def test_searches_find_the_other_modality_nearest_first_and_ties_by_id(served: Served, modality: str) -> None:
    query, service = served.query, served.service
    items = query.images if modality == "images" else query.texts
    send = [png(image) for image in items] if modality == "images" else items
    reply = getattr(served, modality)(send, to=f"/v1/search/{modality}?k=25").json()["results"]
    other = service.index.texts if modality == "images" else service.index.images
    distances = hamming(pack(harden(encode(service.target, modality, items))), pack(other))
    for found, row in zip(reply, distances, strict=True):
        wanted = sorted(range(len(row)), key=lambda item: (row[item], item))[:25]
        assert [(hit["id"], hit["distance"]) for hit in found["hits"]] == [(item, row[item]) for item in wanted]
        assert [hit["text"] for hit in found["hits"]] == [service.database.texts[item] for item in wanted]
    assert len({hit["distance"] for hit in reply[0]["hits"]}) < 25  # there were ties


def test_hits_lead_to_the_pictures_of_the_database(served: Served) -> None:
    hit = served.texts(["a red square"], to="/v1/search/texts").json()["results"][0]["hits"][3]
    reply = served.http.get(hit["image"])
    assert reply.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(reply.content)) as image:
        assert np.array_equal(np.array(image).transpose(2, 0, 1), served.service.database.images[hit["id"]].numpy())
    assert served.http.get(f"/v1/items/{len(served.service.database)}.png").status_code == 404
    assert served.http.get("/v1/items/-1.png").status_code == 422


def test_where_only_rankings_are_revealed_there_are_no_codes_and_no_distances(tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite", reveals=Reveals.RANKING, top_k=7) as served:
        database = len(served.service.database)
        assert served.http.get("/v1/info").json() == {  # nothing of codes, not even how many bits they have
            **{"api": 1, "name": "dcmh", "digest": served.service.target.digest, "reveals": "ranking", "top_k": 7},
            **{"database": {"images": database, "texts": database}, "batch": 64, "idempotency_seconds": 86400},
        }
        for reply in (served.texts(["a"]), served.images([b""])):
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_revealed")
        hits = served.texts(["a red cross"], to="/v1/search/texts").json()["results"][0]["hits"]
        assert len(hits) == 7
        assert {tuple(hit) for hit in hits} == {("id", "text", "image")}
        assert len(served.texts(["a"], to="/v1/search/texts?k=3").json()["results"][0]["hits"]) == 3
        assert served.texts(["a"], to="/v1/search/texts?k=8").status_code == 422
        assert "/v1/encode/texts" not in served.http.get("/openapi.json").json()["paths"]


def test_the_whole_database_may_be_the_top(tmp_path: Path) -> None:
    size = len(scenes()[1].database)
    with serving(tmp_path / "state.sqlite", reveals=Reveals.RANKING, top_k=size) as served:
        hits = served.texts(["a red cross"], to=f"/v1/search/texts?k={size}").json()["results"][0]["hits"]
        assert sorted(hit["id"] for hit in hits) == list(range(size))
        assert len(served.texts(["a"], to="/v1/search/texts").json()["results"][0]["hits"]) == 10


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"top_k": 5}, "give both or neither"),
        ({"reveals": Reveals.RANKING}, "give both or neither"),
        ({"reveals": Reveals.RANKING, "top_k": 10**6}, "the size of the database"),
        ({"reveals": Reveals.FEATURES}, "codes or ranking wanted"),
    ],
)
def test_threat_models_that_cannot_be_served_are_refused(tmp_path: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        small_service(tmp_path / "state.sqlite", **settings)


def test_every_item_is_counted_once_and_a_known_key_not_again(served: Served) -> None:
    picture, other = png(served.query.images[0]), png(served.query.images[1])
    first = served.images([picture, other], keys=json.dumps(["a", "b"])).json()
    again = served.images([other, picture], keys=json.dumps(["b", "a"])).json()
    assert again["results"] == first["results"][::-1]
    assert served.stats() == {"items": 2, "images": 2, "texts": 0, "replayed": 2}
    served.texts(["a red square", "a red square"])  # without keys: two questions
    assert served.stats() == {"items": 4, "images": 2, "texts": 2, "replayed": 2}
    served.texts(["a red square"], headers={"Idempotency-Key": "c"})
    served.texts(["a red square"], keys=["c"])
    assert served.stats() == {"items": 5, "images": 2, "texts": 3, "replayed": 3}


def test_a_key_stands_for_one_question(served: Served) -> None:
    def codes(reply: object) -> list[str]:
        return [result.get("error", {}).get("code", "answered") for result in reply.json()["results"]]  # type: ignore[attr-defined]

    assert codes(served.texts(["red", "blue", "red"], keys=["a", "a", "a"])) == ["answered", "key_reused", "answered"]
    assert codes(served.texts(["blue", "green"], keys=["a", "b"])) == ["key_reused", "answered"]
    assert codes(served.texts(["red"], keys=["a"], to="/v1/search/texts")) == ["key_reused"]
    assert codes(served.texts([["red"]], keys=["a"])) == ["key_reused"]
    assert codes(served.images([png(served.query.images[0])], keys='["a"]')) == ["key_reused"]
    served.texts(["red"], keys=["s"], to="/v1/search/texts?k=3")
    assert codes(served.texts(["red"], keys=["s"], to="/v1/search/texts?k=4")) == ["key_reused"]
    assert served.stats() == {"items": 3, "images": 0, "texts": 3, "replayed": 1}


def test_keys_belong_to_their_account_and_last_a_bounded_time(tmp_path: Path) -> None:
    now = [1000.0]
    with serving(tmp_path / "state.sqlite", accounts={"keys_last": 60, "clock": lambda: now[0]}) as served:
        assert served.http.get("/v1/info").json()["idempotency_seconds"] == 60
        for text, later in (("red", 0), ("red", 59), ("blue", 2)):
            now[0] += later
            assert "code" in served.texts([text], keys=["a"]).json()["results"][0]
        assert served.stats() == {"items": 2, "images": 0, "texts": 2, "replayed": 1}
        now[0] += 100
        served.texts(["green"], keys=["b"])
        with sqlite3.connect(tmp_path / "state.sqlite") as file:
            assert file.execute("SELECT key FROM answer").fetchall() == [("b",)]  # what is too old is gone
        file.close()


def test_a_lost_reply_is_given_again_by_the_next_process(tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite") as served:
        first = served.texts(["red", "blue"], keys=["a", "b"], to="/v1/search/texts").json()
    with serving(tmp_path / "state.sqlite") as served:
        assert served.texts(["red", "blue"], keys=["a", "b"], to="/v1/search/texts").json() == first
        assert served.stats() == {"items": 2, "images": 0, "texts": 2, "replayed": 2}
    assert stat.S_ISREG((tmp_path / "state.sqlite").stat().st_mode)


def test_an_answer_is_on_disk_before_its_reply_leaves(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = type(served.service)._shown

    def shown(service: object, *arguments: object) -> object:
        with sqlite3.connect(served.service.accounts.path) as file:
            seen.append(file.execute("SELECT texts, (SELECT count(*) FROM answer) FROM account").fetchone())
        file.close()
        return real(service, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(served.service), "_shown", shown)
    served.texts(["red", "blue"], keys=["a", "b"])
    assert seen == [(2, 2), (2, 2)]


def test_one_key_from_many_at_once_is_counted_once(served: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: served.texts(["red", "blue"], keys=["a", "b"]).text, range(16)))
    assert len(set(replies)) == 1
    assert served.stats() == {"items": 2, "images": 0, "texts": 2, "replayed": 30}


def test_no_request_waits_for_routes_to_be_put_together(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI would do that within the first one, where a second service of the process could be at it too: its warnings are global."""
    monkeypatch.setattr(TypeAdapter, "__init__", lambda *_, **__: pytest.fail("a route is put together while a request waits"))
    assert served.stats() == {"items": 0, "images": 0, "texts": 0, "replayed": 0}


def test_two_services_may_share_a_file(tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite") as one, serving(tmp_path / "state.sqlite") as other:
        threads = [threading.Thread(target=lambda at=at: [at.texts(["red"], keys=[f"k{i}"]) for i in range(20)]) for at in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.stats() == other.stats() == {"items": 20, "images": 0, "texts": 20, "replayed": 20}


def test_a_quota_is_kept_to_the_item_and_replays_stay_free(tmp_path: Path) -> None:
    with serving(tmp_path / "state.sqlite", accounts={"quota": 3}) as served:
        served.texts(["red", "blue"], keys=["a", "b"])
        refused = served.texts(["red", "green", "black"], keys=["a", "c", "d"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "quota_used_up")
        assert served.stats()["items"] == 2
        assert served.texts(["green"] * 3, keys=["c", "c", "c"]).status_code == 200
        assert served.texts(["black"]).status_code == 403
        assert served.texts(["red", "blue"], keys=["a", "b"]).status_code == 200
        assert served.stats() == {"items": 3, "images": 0, "texts": 3, "replayed": 4}


def test_what_cannot_be_counted_is_not_answered(served: Served) -> None:
    served.texts(["red"], keys=["a"])
    file = served.service.accounts._db
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count = {pages}")  # a full disk
    replies = [served.texts([f"red {n}"] * 64, keys=[f"{n}-{i}" for i in range(64)], to="/v1/search/texts") for n in range(9)]
    refused = [reply for reply in replies if reply.status_code != 200]
    assert refused
    assert {(reply.status_code, reply.json()["error"]["code"], reply.headers["retry-after"]) for reply in refused} == {
        (503, "not_counted", "5")
    }
    assert served.stats()["items"] == 1 + 64 * (len(replies) - len(refused))
    file.execute("PRAGMA max_page_count = 1000000")
    assert served.texts(["red 8"] * 64, keys=[f"8-{i}" for i in range(64)], to="/v1/search/texts").status_code == 200
    assert served.stats()["items"] == 1 + 64 * (len(replies) - len(refused) + 1)


def test_pictures_of_other_sizes_and_formats_are_fitted(served: Served) -> None:
    image = served.query.images[0]
    large = image.repeat_interleave(8, 1).repeat_interleave(8, 2)
    same = codes_of(served.images([png(image), png(image, "WEBP", lossless=True)]))
    assert np.array_equal(same[0], same[1])
    assert codes_of(served.images([png(large), png(large, "JPEG", quality=95), png(image[:, :9])])).shape == (3, 16)
    white, clear = plain(16, 16, "RGB", "white"), plain(16, 16, "RGBA", (255, 0, 0, 0))
    assert len(np.unique(codes_of(served.images([white, clear, plain(16, 16, "L", 255), plain(16, 16, "1", 1)])), axis=0)) == 1


def test_a_photograph_is_turned_the_way_its_camera_says(served: Served) -> None:
    large = served.query.images[0].repeat_interleave(4, 1).repeat_interleave(4, 2)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    as_it_lies, turned, said = codes_of(served.images([png(large), png(large.flip(1, 2)), png(large, exif=exif)]))
    assert np.array_equal(said, turned)
    assert not np.array_equal(said, as_it_lies)


def test_it_answers_while_a_batch_is_being_computed(served: Served) -> None:
    with served.service.lock, ThreadPoolExecutor(1) as pool:  # the target is busy
        waiting = pool.submit(served.texts, ["red"])
        time.sleep(0.1)
        assert served.http.get("/healthz").status_code == 200
        assert not waiting.done()
        served.service.lock.release()
        try:
            assert waiting.result(10).status_code == 200
        finally:
            served.service.lock.acquire()


def test_a_reply_does_not_wait_for_an_acknowledgement(served: Served) -> None:
    """Nagle's algorithm and delayed acknowledgements cost 40 ms a request where head and body are sent apart."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        served.http.get("/healthz")
        times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.03
