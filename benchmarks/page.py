"""The status page in a real Chromium: when it is ready, how many bytes it takes, and how far requests move it."""

import time
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Browser, Page, Request, sync_playwright

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import image_workload
from tests.conftest import find_browser

ROUNDS = 10
JOBS = 16
STEPS = 8
WAIT_MS = 60_000
HEALTHY = "[role=status][data-ok=true]"
BUSY = ".jobs li:nth-child(8)"
IDLE = "text=Nothing runs or waits."
MEASURE_SHIFT = """window.shift = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())
  if (!entry.hadRecentInput) window.shift += entry.value; }).observe({ type: "layout-shift", buffered: true });"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Open the page often with nothing cached, then once more while requests come and go."""
    with context.instance() as instance, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(playwright.chromium.executable_path), chromium_sandbox=False
        )
        rounds = context.rounds(ROUNDS)
        seconds, sizes = zip(*(_open(browser, instance.url) for _ in range(rounds)), strict=True)
        shift = _shift(browser, instance)
        browser.close()
    how = f"{rounds} times with an empty cache"
    return [
        Row("status page ready", median(seconds), "s", 0.5, f"from the address to 'Healthy', {how}"),
        Row("status page, bytes over the network", max(sizes) / 1e3, "kB", 120, f"until it is ready, {how}"),
        Row("status page, layout shift", shift, "", 0.1, f"while {JOBS} pictures are asked for, drawn and gone"),
    ]


def _open(browser: Browser, url: str) -> tuple[float, int]:
    """Return the seconds until the page is ready, and the bytes of its files on the wire."""
    page = browser.new_page()
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))  # no built-in function
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(HEALTHY, timeout=WAIT_MS)
    seconds = time.perf_counter() - started
    files = [request for request in finished if "/api/" not in request.url]
    size_bytes = sum(request.sizes()["responseBodySize"] for request in files)
    page.close()
    return seconds, size_bytes


def _shift(browser: Browser, instance: Instance) -> float:
    page: Page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(MEASURE_SHIFT)
    page.goto(instance.url)
    page.wait_for_selector(HEALTHY, timeout=WAIT_MS)
    drawing = image_workload(STEPS, side=256)
    with ThreadPoolExecutor(JOBS) as pool:
        answers = [pool.submit(drawing.send(instance.url).body) for _ in range(JOBS)]
        page.wait_for_selector(BUSY, timeout=WAIT_MS)
        for answer in answers:
            answer.result()
    page.wait_for_selector(IDLE, timeout=WAIT_MS)
    return float(page.evaluate("window.shift"))
