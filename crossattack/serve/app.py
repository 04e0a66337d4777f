"""The addresses of the service, and what happens at each."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final

import torch
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from crossattack.endpoint import Reveals
from crossattack.ledger import Modality
from crossattack.serve import wire
from crossattack.serve.guard import Guard
from crossattack.serve.images import Picture, read_picture, to_png
from crossattack.serve.pages import pages
from crossattack.serve.reading import Submission, check_text, linger, read
from crossattack.serve.refusals import ItemRefused, Refusal
from crossattack.serve.service import USUAL_HITS, Operation, Service
from surrogates.texts import Text

WORKERS: Final = 4  # requests that are taken apart, answered and counted at a time; the target answers one of them at a time


def make_app(service: Service) -> FastAPI:
    """The service as an ASGI application, with its search page and its OpenAPI page."""
    workers = ThreadPoolExecutor(WORKERS, "answering")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workers.shutdown()

    about = "Codes and searches of one cross-modal hashing target. docs/service.md has the whole protocol."
    app = FastAPI(
        title=f"crossattack serve: {service.name}", version="1", description=about, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.add_middleware(Guard, open_to_all=not service.tokens.are_wanted)
    app.add_exception_handler(HTTPException, _plain_refusal)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.include_router(_about(service))
    app.include_router(_answers(service, workers))
    app.include_router(pages(app.openapi))
    app.openapi()  # FastAPI puts routes together when they are first wanted: here, and not while a first request waits
    return app


def _caller(service: Service) -> Any:
    """Whose account pays; refused before a byte of the body is taken in. The scheme is there for the OpenAPI page."""

    async def account(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False))]) -> str:
        try:
            owner = service.tokens.owner(request.headers.get("authorization"))
        except Refusal:
            await linger(request)
            raise
        request.state.account = owner
        return owner

    return Depends(account)


def _about(service: Service) -> APIRouter:
    """What is asked without a query: health, terms, counts, the database's pictures."""
    router, caller = APIRouter(), _caller(service)

    @router.get("/healthz", response_model=wire.Health, summary="Whether the service is up")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @router.get("/v1/info", response_model=wire.Info, responses=wire.REFUSALS, summary="What the service says of itself")
    async def info(_: Annotated[str, caller]) -> Response:
        return JSONResponse(service.info())

    @router.get("/v1/stats", response_model=wire.Stats, responses=wire.REFUSALS, summary="What this account has asked so far")
    async def stats(account: Annotated[str, caller]) -> Response:
        count = service.accounts.count(account)
        body = {"items": count.items, "images": count.images, "texts": count.texts, "replayed": count.replayed}
        return JSONResponse(body)

    @router.get("/v1/items/{item}.png", response_class=Response, responses=wire.REFUSALS, summary="A picture of the database")
    async def picture(_: Annotated[str, caller], item: Annotated[int, Path(ge=0)]) -> Response:
        if item >= len(service.database):
            raise Refusal(404, "no_such_item", f"an item from 0 to {len(service.database) - 1} wanted, {item} got.")
        return Response(to_png(service.database.images[item]), media_type="image/png")

    return router


def _answers(service: Service, workers: Executor) -> APIRouter:
    """What is counted: codes where they are revealed, and searches."""
    router, caller = APIRouter(responses=wire.REFUSALS), _caller(service)
    reveals_codes = service.reveals is Reveals.CODES
    hits = min(USUAL_HITS, service.most_hits)
    asked = Query(ge=1, le=service.most_hits, description="hits wanted")

    def encoding(modality: Modality) -> None:
        @router.post(
            f"/v1/encode/{modality}",
            response_model=wire.Codes,
            openapi_extra=wire.BODIES[modality],
            summary=f"Codes of {modality}",
            include_in_schema=reveals_codes,
            operation_id=f"encode_{modality}",
        )
        async def encode(request: Request, account: Annotated[str, caller]) -> Response:
            if not reveals_codes:
                await linger(request)
                raise Refusal(404, "not_revealed", f"codes wanted, this service reveals its {service.reveals.value}; search instead.")
            return await _answered(service, workers, request, account, "encode", modality, hits)

    def searching(modality: Modality, found: str) -> None:
        @router.post(
            f"/v1/search/{modality}",
            response_model=wire.Found,
            openapi_extra=wire.BODIES[modality],
            summary=f"Search by {modality}, among the {found} of the database",
            operation_id=f"search_{modality}",
        )
        async def search(request: Request, account: Annotated[str, caller], k: Annotated[int, asked] = hits) -> Response:
            return await _answered(service, workers, request, account, "search", modality, k)

    encoding("images")
    encoding("texts")
    searching("images", "texts")
    searching("texts", "images")
    return router


async def _answered(
    service: Service, workers: Executor, request: Request, account: str, operation: Operation, modality: Modality, k: int
) -> Response:
    """Read, accept, answer, count: one result an item, in order."""
    try:
        submission = await read(request, modality, service.batch)
        if service.rate is not None:
            service.rate.take(account, len(submission.items))
    except Refusal:
        await linger(request)
        raise
    call = partial(_work, service, submission, account, operation, modality, k)
    body, told = await asyncio.get_running_loop().run_in_executor(workers, call)
    request.scope["state"].update(told)
    return Response(body, media_type="application/json")


def _work(
    service: Service, submission: Submission, account: str, operation: Operation, modality: Modality, k: int
) -> tuple[bytes, dict[str, int]]:
    """All that would hold up others: files taken apart, the target asked, answers counted. The reply, and what is logged of it."""
    looked_at = _accepted(service, submission)
    good = [position for position, item in enumerate(looked_at) if not isinstance(item, ItemRefused)]
    results = [item.body() if isinstance(item, ItemRefused) else {} for item in looked_at]
    replayed = 0
    if good:
        items: Any = [looked_at[position] for position in good]
        keys = [submission.keys[position] for position in good]
        stacked = torch.stack(items) if modality == "images" else items
        answers, replayed = service.answer(account, operation, stacked, keys, k)
        for position, answer in zip(good, answers, strict=True):
            results[position] = answer
    body = json.dumps({"results": results}, separators=(",", ":")).encode()
    return body, {"items": len(results), "replayed": replayed, "refused": sum("error" in result for result in results)}


def _accepted(service: Service, submission: Submission) -> list[Picture | Text | ItemRefused]:
    """Each item as the target takes it, or why it does not."""
    accepted: list[Picture | Text | ItemRefused] = []
    for item in submission.items:
        try:
            accepted.append(read_picture(item, *service.picture_size) if isinstance(item, bytes) else check_text(item))
        except ItemRefused as refused:
            accepted.append(refused)
    return accepted


async def _plain_refusal(request: Request, error: Exception) -> Response:
    """What the framework refuses (no such address, no such method), in the words of this protocol."""
    assert isinstance(error, HTTPException)
    await linger(request)
    code = {404: "not_found", 405: "wrong_method"}.get(error.status_code, "refused")
    refusal = Refusal(error.status_code, code, f"an address of this service wanted ({error.detail}); /docs lists them.", error.headers)
    return JSONResponse(refusal.body(), refusal.status, refusal.headers)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    await linger(request)
    first = error.errors()[0]
    refusal = Refusal(422, "malformed", f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}.")
    return JSONResponse(refusal.body(), refusal.status)
