"""Serves the files of the status page, under a content security policy that blocks foreign content."""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB_FOLDER = Path(__file__).parent.parent / "web"
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    # revalidated at every load (304 by ETag), so that an upgrade shows at once
    "cache-control": "no-cache",
}


class PageFiles(StaticFiles):
    """Static files with the page's headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the response for one file."""
        response = await super().get_response(path, scope)
        response.headers.update(PAGE_HEADERS)
        return response


def page_routes() -> list[BaseRoute]:
    """Return the routes: the page at /, its files under /web, compressed for browsers that take it."""
    files = PageFiles(directory=WEB_FOLDER)

    preload = modules_to_preload()

    async def index(request: Request) -> Response:
        response = await files.get_response("index.html", request.scope)
        response.headers["link"] = preload
        return response

    compressed = [Middleware(GZipMiddleware, compresslevel=6)]
    return [Route("/", index, methods=["GET"], middleware=compressed), Mount("/web", files, middleware=compressed)]


def modules_to_preload() -> str:
    """Return the header by which a browser fetches every module at once, not one import after the other."""
    modules = sorted(path.relative_to(WEB_FOLDER).as_posix() for path in WEB_FOLDER.rglob("*.js"))
    return ", ".join(f"<web/{module}>; rel=modulepreload" for module in modules)
