"""What goes over the wire, for the OpenAPI page; docs/service.md says it in words."""

from typing import Any

from pydantic import BaseModel

from crossattack.serve.reading import TextsIn


class Health(BaseModel):
    """The service is up."""

    status: str


class Sizes(BaseModel):
    """Items of the database."""

    images: int
    texts: int


class Info(BaseModel):
    """What the service says of itself.

    `dim`: bits of a code, only where codes are revealed. `top_k`: hits a search may show, null for all. `batch`: items a request
    may hold.
    """

    api: int
    name: str
    digest: str
    reveals: str
    dim: int | None = None
    top_k: int | None
    database: Sizes
    batch: int
    idempotency_seconds: int


class Stats(BaseModel):
    """What an account was answered: every item once; `replayed` answers were given again and cost nothing."""

    items: int
    images: int
    texts: int
    replayed: int


class Problem(BaseModel):
    """What was wrong: a word for programs, a sentence for people."""

    code: str
    message: str


class Failure(BaseModel):
    """A request, or one item of it, that was not answered."""

    error: Problem


class Code(BaseModel):
    """An item's bits, each -1 or +1."""

    code: list[int]


class Hit(BaseModel):
    """An item of the database; `distance` only where codes are revealed."""

    id: int
    distance: int | None = None
    text: str | list[str]
    image: str


class Hits(BaseModel):
    """The nearest items, nearest first, ties by id."""

    hits: list[Hit]


class Codes(BaseModel):
    """One result an item, in order."""

    results: list[Code | Failure]


class Found(BaseModel):
    """One result an item, in order."""

    results: list[Hits | Failure]


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": says}
    for status, says in {
        401: "no token, or an unknown one",
        403: "the quota is used up, or the token was revoked",
        413: "the body or the batch is too large",
        415: "another media type",
        422: "malformed",
        429: "too fast; see Retry-After",
        503: "not now; try again",
    }.items()
}
_FILES = {
    "type": "object",
    "required": ["items"],
    "properties": {
        "items": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "PNG, JPEG or WebP files"},
        "keys": {"type": "string", "description": "a JSON list of idempotency keys, one an item"},
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "the key of a single item, instead of `keys`",
}
BODIES: dict[str, dict[str, Any]] = {
    modality: {"parameters": [_KEY], "requestBody": {"required": True, "content": {media: {"schema": schema}}}}
    for modality, media, schema in (
        ("images", "multipart/form-data", _FILES),
        ("texts", "application/json", TextsIn.model_json_schema()),
    )
}
