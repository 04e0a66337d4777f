"""Request bodies, read within limits: what is counted is what arrives, whatever a header promises.

Texts come as JSON, pictures as multipart/form-data. Keys are one an item, in the body or, for a single item, in the header
`Idempotency-Key`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from crossattack.ledger import Modality
from crossattack.serve.refusals import ItemRefused, Refusal

MOST_BYTES = {"images": 16 << 20, "texts": 1 << 20}  # of a request's body
MEDIA = {"images": "multipart/form-data", "texts": "application/json"}
LONGEST_TEXT = 2000  # characters
MOST_WORDS = 256  # of a list
PATIENCE = 30.0  # seconds that a body may take to arrive
LINGER = (2.0, 64 << 20)  # seconds and bytes to go on listening to a body that was refused, so that its sender gets to hear so

Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
KEYS: TypeAdapter[list[str]] = TypeAdapter(list[Key])


class TextsIn(BaseModel):
    """Texts to be answered: strings, or lists of words."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[str | list[str]]
    keys: list[Key] | None = None


@dataclass(frozen=True)
class Submission:
    """What a request brought: files or texts, and a key for each or None."""

    items: list[bytes] | list[str | list[str]]
    keys: tuple[str | None, ...]


async def read(request: Request, modality: Modality, batch: int) -> Submission:
    """The request's items and keys; `Refusal` where it has too many, or says something else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA[modality]:
        raise Refusal(415, "media_type", f"`Content-Type: {MEDIA[modality]}` wanted for {modality}, another got.")
    body = await _body(request, MOST_BYTES[modality])
    items: list[bytes] | list[str | list[str]]
    items, keys = await _files(request, body, batch) if modality == "images" else _texts(body)
    if not items:
        raise Refusal(422, "no_items", f"1 to {batch} items wanted, none got.")
    if len(items) > batch:
        raise _too_many(batch)
    return Submission(items, _one_an_item(request.headers.get("idempotency-key"), keys, len(items)))


async def linger(request: Request) -> None:
    """Let the sender of a refused body finish, within bounds: a connection closed in its face would lose the refusal."""
    seconds, left = LINGER
    if getattr(request.state, "body_is_read", False):
        return
    try:
        async with asyncio.timeout(seconds):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def check_text(text: str | list[str]) -> str | list[str]:
    """The text, if it is none of those that nobody types."""
    if isinstance(text, list) and len(text) > MOST_WORDS:
        raise ItemRefused("text_too_long", f"at most {MOST_WORDS} words wanted, {len(text)} got; send fewer.")
    length = len(text) if isinstance(text, str) else sum(map(len, text))
    if length > LONGEST_TEXT:
        raise ItemRefused("text_too_long", f"at most {LONGEST_TEXT} characters wanted, {length} got; send fewer.")
    return text


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refusal(413, "body_too_large", f"a body of at most {most} bytes wanted, more got; send fewer or smaller items.")
        request.state.body_is_read = True
    except TimeoutError as error:
        raise Refusal(408, "too_slow", f"the whole body within {PATIENCE:g} s wanted; send it again.") from error
    except ClientDisconnect as error:
        raise Refusal(400, "incomplete", "the whole body wanted, a part of it got.") from error
    return bytes(body)


def _texts(body: bytes) -> tuple[list[str | list[str]], list[str] | None]:
    try:
        texts = TypeAdapter(TextsIn).validate_json(body)
    except ValidationError as error:
        raise _malformed('{"items": [a text or a list of words, ...], "keys": [a key an item]}', error) from error
    return texts.items, texts.keys


async def _files(request: Request, body: bytes, batch: int) -> tuple[list[bytes], list[str] | None]:
    """The files called `items` and the field called `keys`; anything else has no business here."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    if not body.rstrip(b"\r\n ").endswith(b"--"):
        raise Refusal(422, "malformed", "a multipart body with its closing boundary wanted, one without got.")
    try:
        form = await MultiPartParser(request.headers, whole(), max_files=batch, max_fields=1, max_part_size=1 << 20).parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise _too_many(batch) from error
        raise Refusal(422, "malformed", "files called `items` and at most one field `keys` wanted, another body got.") from error
    items, keys = [], None
    try:
        for name, part in form.multi_items():
            if name == "items" and isinstance(part, UploadFile):
                items.append(await part.read())
            elif name == "keys" and isinstance(part, str):
                keys = _keys(part)
            else:
                raise Refusal(422, "malformed", "files called `items` and at most one field `keys` wanted, another part got.")
    finally:
        await form.close()
    return items, keys


def _keys(text: str) -> list[str]:
    try:
        return KEYS.validate_json(text, strict=True)
    except ValidationError as error:
        raise _malformed("`keys` as a JSON list of texts", error) from error


def _one_an_item(header: str | None, keys: list[str] | None, items: int) -> tuple[str | None, ...]:
    if header is not None:
        if keys is not None or items != 1:
            raise Refusal(422, "keys", "`Idempotency-Key` alone with a single item wanted; send `keys` with several.")
        keys = _keys(json.dumps([header]))
    if keys is not None and len(keys) != items:
        raise Refusal(422, "keys", f"one key an item wanted, {len(keys)} keys for {items} items got.")
    return tuple(keys) if keys is not None else (None,) * items


def _malformed(wanted: str, error: ValidationError) -> Refusal:
    """Where it is wrong and why, without a word of what was sent."""
    first: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the body"
    why = "it is no JSON" if first["type"] == "json_invalid" else first["msg"][:100]
    return Refusal(422, "malformed", f"{wanted} wanted; {place:.60}: {why}.")


def _too_many(batch: int) -> Refusal:
    return Refusal(413, "batch_too_large", f"at most {batch} items in a request wanted, more got; send them in several.")
