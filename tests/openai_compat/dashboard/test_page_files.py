"""The files of the status page: how many bytes a browser fetches."""

import re

import httpx2
import pytest

from openai_compat.dashboard.static import WEB_FOLDER

MAX_BYTES = 120_000


@pytest.mark.promise("page:small")
async def test_the_whole_page_is_at_most_120_kilobytes_on_the_wire(http: httpx2.AsyncClient) -> None:
    paths = ["/", *(f"/web/{path.relative_to(WEB_FOLDER)}" for path in WEB_FOLDER.rglob("*") if is_served(path.name))]
    sizes = {}
    for path in paths:
        async with http.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
            sizes[path] = sum([len(chunk) async for chunk in answer.aiter_raw()])

    assert sizes["/web/vendor/vendor.js"] < 35_000
    assert sum(sizes.values()) <= MAX_BYTES


def is_served(name: str) -> bool:
    """Return whether the page needs a file of this name."""
    return re.search(r"\.(js|css|svg)$", name) is not None and name != "docs.css"


@pytest.mark.promise("page:small")
async def test_an_unchanged_file_is_not_sent_again(http: httpx2.AsyncClient) -> None:
    first = await http.get("/web/app.js")

    second = await http.get("/web/app.js", headers={"if-none-match": first.headers["etag"]})

    assert second.status_code == 304
    assert second.content == b""


@pytest.mark.promise("page:small")
async def test_a_browser_learns_of_every_module_with_the_page(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/")

    named = re.findall(r"<web/([^>]+)>; rel=modulepreload", answer.headers["link"])
    assert set(named) == {path.relative_to(WEB_FOLDER).as_posix() for path in WEB_FOLDER.rglob("*.js")}
