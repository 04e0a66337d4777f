"""The search page at `/` and the OpenAPI page at `/docs`: files of this package, and nothing from anywhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent / "page"
FILES = {
    "/": ("search.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/search.js": ("search.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def pages(schema: Callable[[], dict[str, Any]]) -> APIRouter:
    """Their addresses. schema: what /openapi.json says, which /docs says to people."""
    router = APIRouter(include_in_schema=False)

    def shipped(address: str, name: str, media: str) -> None:
        @router.get(address)
        async def page() -> Response:
            return FileResponse(FOLDER / name, media_type=media)

    for address, (name, media) in FILES.items():
        shipped(address, name, media)

    @router.get("/docs")
    async def docs() -> Response:
        environment = Environment(
            loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        return HTMLResponse(environment.get_template("docs.html.j2").render(schema=schema(), operations=_operations(schema())))

    return router


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Every method of every address, flat."""
    return [
        {"method": method.upper(), "path": path, "parameters": [], **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
