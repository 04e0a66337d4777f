"""What is said over the wire, version 1: a service's description of itself, items on their way out, answers on theirs back.

Nothing that comes in is believed: a description is refused as a whole, an answer item by item.
"""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from PIL import Image

from crossattack.endpoint import Images, Request, Reveals
from crossattack.errors import ItemRefused, TargetError
from crossattack.ledger import Array
from surrogates.texts import Bags, Text, Texts

API = 1
LONGEST_CODE = 65_536
LONGEST_TEXT = 20_000  # characters, or words


@dataclass(frozen=True)
class Info:
    """What `/v1/info` says of a service."""

    name: str
    digest: str
    reveals: Reveals
    dim: int  # bits of a code, or ids in a list: what a service that reveals lists says of its bits is not read
    images: int  # of its database
    texts: int
    batch: int  # items a request may hold
    idempotency_seconds: float  # for which it knows an item by its key; 0: it never does
    top_k: int | None  # hits of a search, where it reveals its ranking


def read_info(said: Any, url: str) -> Info:
    """A description that makes sense, or `TargetError`."""
    if not isinstance(said, dict) or said.get("api") != API:
        got = f"api {said['api']!r:.20}" if isinstance(said, dict) and "api" in said else "something else"
        raise TargetError(f"a service of api {API} wanted at {url}, {got} got; check `target.url`, or use the version that fits.")
    database = said.get("database")
    reveals = {kind.value: kind for kind in Reveals}.get(str(said.get("reveals")))
    if reveals is None:
        raise TargetError(f"`reveals` codes or ranking wanted in {url}/v1/info, {said.get('reveals')!r:.40} got; check the service.")
    counts: dict[str, Any] = {"batch": said.get("batch")}
    counts |= {side: database.get(side) if isinstance(database, dict) else None for side in ("images", "texts")}
    if reveals is not Reveals.RANKING:
        counts["dim"] = said.get("dim")
    for key, got in counts.items():
        if type(got) is not int or not 0 <= got <= 1 << 40 or (key == "dim" and not 1 <= got <= LONGEST_CODE):
            raise TargetError(f"a sensible count `{key}` wanted in {url}/v1/info, {got!r:.40} got; check the service.")
    digest, memory = said.get("digest"), said.get("idempotency_seconds") or 0
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{16}", digest):
        raise TargetError(f"`digest` of 16 hexadecimal digits wanted in {url}/v1/info, {digest!r:.40} got; check the service.")
    if type(memory) not in (int, float) or not memory >= 0:
        raise TargetError(f"`idempotency_seconds` of 0 or more wanted in {url}/v1/info, {memory!r:.40} got; check the service.")
    top_k, most = said.get("top_k") if reveals is Reveals.RANKING else None, min(counts["images"], counts["texts"])
    if reveals is Reveals.RANKING and (type(top_k) is not int or not 1 <= top_k <= most):
        raise TargetError(f"`top_k` of 1 to {most} wanted in {url}/v1/info of a ranking, {top_k!r:.40} got; check the service.")
    return Info(
        name=printable(str(said.get("name", "")), 60),
        digest=digest,
        reveals=reveals,
        dim=top_k or counts["dim"],
        images=counts["images"],
        texts=counts["texts"],
        batch=max(1, counts["batch"]),
        idempotency_seconds=float(memory),
        top_k=top_k,
    )


def outgoing(request: Request, positions: Sequence[int], keyed: bool) -> dict[str, Any]:
    """The content of a request for some of its items, as arguments of the HTTP client."""
    keys = [request.idempotency_keys[position] for position in positions]
    if request.modality == "images":
        images = cast(Images, request.items)
        files = [("items", (f"{place}.png", as_png(images, position), "image/png")) for place, position in enumerate(positions)]
        return {"files": files, "data": {"keys": json.dumps(keys)} if keyed else {}}
    texts = cast(Texts, request.items)
    assert not isinstance(texts, Bags), "refused by the oracle"
    items = [text if isinstance(text, str) else list(text) for text in (texts[position] for position in positions)]
    return {"json": {"items": items, **({"keys": keys} if keyed else {})}}


def as_png(images: Images, position: int) -> bytes:
    """One picture as a PNG, which keeps every byte of it."""
    file = io.BytesIO()
    Image.fromarray(images[position].permute(1, 2, 0).cpu().numpy()).save(file, "PNG")
    return file.getvalue()


def read_results(said: Any, items: int) -> list[Any]:
    """One entry an item, still to be looked at; `ValueError` where there are not as many."""
    results = said.get("results") if isinstance(said, dict) else None
    if not isinstance(results, list) or len(results) != items:
        raise ValueError(f"{items} results wanted, {len(results) if isinstance(results, list) else 'no list of them'} got")
    return results


def read_code(entry: Any, dim: int) -> Array:
    """The code of one result; `ItemRefused` where the service refuses the item, `ValueError` where it is no code."""
    _refuse_refusals(entry)
    code = entry.get("code") if isinstance(entry, dict) else None
    if not isinstance(code, list) or len(code) != dim:
        raise ValueError(f"{dim} bits wanted, {len(code) if isinstance(code, list) else 'no list of them'} got")
    if not all(type(bit) is int and bit in (-1, 1) for bit in code):
        raise ValueError("bits of -1 and +1 wanted, other values got")
    return np.array(code, np.int8)


def read_list(entry: Any, top_k: int, database: int) -> tuple[Array, dict[int, Text]]:
    """The ids of one result, nearest first, and the text of each; fails as `read_code` does."""
    _refuse_refusals(entry)
    hits = entry.get("hits") if isinstance(entry, dict) else None
    if not isinstance(hits, list) or len(hits) != top_k:
        raise ValueError(f"{top_k} hits wanted, {len(hits) if isinstance(hits, list) else 'no list of them'} got")
    ids: list[Any] = [hit.get("id") if isinstance(hit, dict) else None for hit in hits]
    if not all(type(one) is int and 0 <= one < database for one in ids):
        raise ValueError(f"ids from 0 to {database - 1} wanted, others got")
    if len(set(ids)) < top_k:
        raise ValueError("different ids wanted, repeated ones got")
    return np.array(ids, np.int32), {one: _read_text(hit.get("text")) for one, hit in zip(ids, hits, strict=True)}


def _read_text(said: Any) -> Text:
    words = [said] if isinstance(said, str) else said
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("a text with every hit wanted, something else got")
    if max(len(words), sum(map(len, words))) > LONGEST_TEXT:
        raise ValueError(f"texts of at most {LONGEST_TEXT:,} characters wanted, a longer one got")
    return said if isinstance(said, str) else tuple(words)


def _refuse_refusals(entry: Any) -> None:
    if isinstance(entry, dict) and isinstance(entry.get("error"), dict):
        raise ItemRefused(f"an answer to every item wanted, a refusal got ({error_text(entry)}); the others are kept.")


def error_text(said: Any) -> str:
    """What a service says went wrong, cut to a line; empty where it says nothing of the kind."""
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        return ""
    return printable(": ".join(str(error[key]) for key in ("code", "message") if error.get(key)), 200)


def printable(text: str, longest: int) -> str:
    """A stranger's text as part of a line of ours: no line breaks, no control characters, not too long."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])
