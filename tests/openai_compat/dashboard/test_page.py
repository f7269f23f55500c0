"""The status page in a real browser: what a person sees and can do. An error in its console fails the test."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.async_api import Page, expect

from model_runtime.errors import InvalidInput
from model_runtime.events import TextLine
from model_runtime.requests import Chat, GenerateImage, Speak, Task, Transcribe
from model_runtime.settings import Settings
from model_runtime.status import JobStatus, MemoryStatus, ModelState
from openai_compat.app import create_app
from openai_compat.dashboard.static import WEB_FOLDER
from tests.fakes import FakeService, model_status
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp
from tests.openai_compat.dashboard.page import row
from tests.openai_compat.dashboard.test_folders import Consents, Use


@pytest.mark.browser
@pytest.mark.promise("page:status")
async def test_the_page_shows_health_memory_and_models(page: Page, service: FakeService) -> None:
    loaded = replace(
        service.models[0],
        state=ModelState.READY,
        charged_bytes=6_000_000_000,
        footprint_bytes=5_400_000_000,
        requests=7,
    )
    service.models = (loaded, *service.models[1:], model_status("vlm-best", Task.VISION, present=False, default=False))
    memory = MemoryStatus(24_000_000_000, 6_000_000_000, 5_400_000_000, 8_000_000_000, 70_000_000)
    status = replace(service.status(), memory=memory)
    service.status = lambda: status  # type: ignore[method-assign]

    await page.goto("/")

    await expect(page.get_by_role("status")).to_have_text("Healthy")
    await expect(page.get_by_role("meter", name="Memory used by models")).to_have_attribute(
        "aria-valuetext", "6 GB of 24 GB"
    )
    await expect(row(page, "vlm-starter")).to_contain_text("ready")
    await expect(row(page, "vlm-starter")).to_contain_text("5.4 GB")
    await expect(row(page, "tts-starter")).to_contain_text("Voices: alma, otto")
    await expect(page.get_by_role("img", name="Requests per minute: 0")).to_be_visible()
    await page.get_by_text("1 available to download").click()
    await expect(page.get_by_role("button", name="Download vlm-best")).to_be_visible()


@pytest.mark.browser
@pytest.mark.promise("page:status")
async def test_the_page_shows_what_is_wrong_with_the_daemon_until_it_is_solved(
    page: Page, service: FakeService
) -> None:
    service.problems.report("results", "Results are not kept: /home/x cannot be written.")

    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Degraded: Results are not kept: /home/x cannot be written.")
    await expect(page.get_by_role("alert")).to_have_text("ProblemsResults are not kept: /home/x cannot be written.")
    service.problems.clear("results")
    service.update_models(lambda models: models)

    await expect(page.get_by_role("status")).to_have_text("Healthy")
    await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.browser
async def test_a_local_model_that_is_broken_is_shown_with_its_reason_and_no_command(
    page: Page, service: FakeService
) -> None:
    reason = "mine: /gone does not exist."
    broken = model_status("mine", Task.TEXT, present=False, starter=False, weights_bytes=0, error=reason)
    service.models = (*service.models, broken)

    await page.goto("/")

    await expect(row(page, "mine")).to_contain_text("broken")
    await expect(row(page, "mine").get_by_role("alert")).to_have_text(reason)
    await expect(row(page, "mine")).not_to_contain_text("on disk")
    await expect(page.get_by_role("button", name="Download mine")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.promise("page:status")
async def test_the_page_follows_a_model_through_its_life(page: Page, service: FakeService) -> None:
    def becomes(**changes: object) -> None:
        service.update_models(lambda models: [replace(models[0], **changes), *models[1:]])  # type: ignore[arg-type]

    await page.goto("/")
    model = row(page, "vlm-starter")
    await expect(model).to_contain_text("unloaded")

    becomes(state=ModelState.STARTING, load_fraction=0.4, stage="weights")
    await expect(model).to_contain_text("loading 40 %")
    await expect(page.get_by_role("progressbar", name="Loading vlm-starter")).to_have_attribute("aria-valuenow", "40")
    becomes(state=ModelState.READY, load_fraction=None, unloads_in_seconds=247.0)
    await expect(model).to_contain_text("unloads in 4:07")
    becomes(active=1, queued=2)
    await expect(model).to_contain_text("1 running, 2 queued")
    becomes(state=ModelState.BACKOFF, error="The worker ended.", retry_in_seconds=12.0, active=0, queued=0)
    await expect(model).to_contain_text("retry in 0:12")
    await expect(model.get_by_role("alert")).to_have_text("The worker ended.")


@pytest.mark.browser
@pytest.mark.promise("page:commands")
async def test_an_operator_loads_unloads_and_pins_from_the_page(page: Page, service: FakeService) -> None:
    await page.goto("/")
    await page.get_by_role("button", name="Load vlm-starter").click()
    await wait_until(lambda: service.loaded_models == ["vlm-starter"])
    service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])

    await page.get_by_role("button", name="Pin vlm-starter").click()
    await wait_until(lambda: service.pinned == {"vlm-starter": True})
    await page.get_by_role("button", name="Unload vlm-starter").click()
    await wait_until(lambda: service.unloaded_models == ["vlm-starter"])


@pytest.mark.browser
async def test_jobs_are_shown_with_their_progress_and_can_be_cancelled(page: Page, service: FakeService) -> None:
    running = JobStatus(1, "image-starter", Task.IMAGE, "Claude Code", "running", 0, "steps", 3, 4, 65.0)
    queued = JobStatus(
        2, "image-starter", Task.IMAGE, "Cursor", "queued", 1, "", 0, 0, 2.0, "image-starter is busy (1 running)"
    )
    status = replace(service.status(), jobs=(running, queued))
    service.status = lambda: status  # type: ignore[method-assign]

    await page.goto("/")

    await expect(page.get_by_role("region", name="Active requests")).to_contain_text("1 running, 1 queued")
    await expect(page.get_by_role("listitem").filter(has_text="Claude Code")).to_contain_text("steps 3 of 4")
    await expect(page.get_by_role("listitem").filter(has_text="Cursor")).to_contain_text(
        "queued, position 1: image-starter is busy (1 running)"
    )
    await page.get_by_role("button", name="Cancel request 1").click()
    await wait_until(lambda: service.cancelled_jobs == [1])


@pytest.mark.browser
@pytest.mark.promise("page:try")
async def test_every_sense_can_be_tried(page: Page, service: FakeService, png: bytes, wav: bytes) -> None:
    await page.goto("/")
    panel = page.get_by_role("region", name="Try it")

    picture = panel.get_by_label("Drop an image or choose one")
    await picture.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png})
    await expect(panel).to_contain_text("A red circle on a white background.")

    await panel.get_by_role("tab", name="Draw").click()
    await panel.get_by_role("button", name="Draw").click()
    await expect(panel.get_by_role("img", name="a red circle on a white background")).to_be_visible()

    await panel.get_by_role("tab", name="Transcribe").click()
    recording = panel.get_by_label("Drop a recording or choose one")
    await recording.set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": wav})
    await expect(panel.get_by_text("a red circle")).to_be_visible()

    await panel.get_by_role("tab", name="Speak").click()
    await panel.get_by_label("Voice").select_option("otto")
    await panel.get_by_role("button", name="Speak").click()
    await expect(panel.get_by_label("Generated speech")).to_have_attribute("src", re.compile("^blob:"))

    request_of_type = {type(request): request for request in service.requests}
    assert request_of_type.keys() == {Chat, GenerateImage, Transcribe, Speak}
    spoken = request_of_type[Speak]
    assert isinstance(spoken, Speak)
    assert spoken.voice == "otto"


@pytest.mark.browser
@pytest.mark.promise("page:try")
async def test_warnings_are_shown_under_every_answer(page: Page, service: FakeService, png: bytes, wav: bytes) -> None:
    service.warnings = ('Outside what the starter model knows: "žirafe".',)
    await page.goto("/")
    panel = page.get_by_role("region", name="Try it")

    async def shows_the_warning() -> None:
        await expect(panel.get_by_role("note")).to_have_text(service.warnings[0])

    picture = panel.get_by_label("Drop an image or choose one")
    await picture.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png})
    await shows_the_warning()
    for sense in ("Draw", "Speak"):
        await panel.get_by_role("tab", name=sense).click()
        await panel.get_by_role("button", name=sense).click()
        await shows_the_warning()
    await panel.get_by_role("tab", name="Transcribe").click()
    recording = panel.get_by_label("Drop a recording or choose one")
    await recording.set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": wav})
    await shows_the_warning()


@pytest.mark.browser
@pytest.mark.promise("page:read")
async def test_the_lines_of_a_picture_are_drawn_over_it_where_they_stand(page: Page, service: FakeService) -> None:
    """The picture is shown smaller than it is, and the boxes with it."""
    service.models = (*service.models, model_status("ocr-fast", Task.VISION, starter=False, default=False))
    service.lines = (TextLine("Sign in", (800, 300, 400, 150), 0.99), TextLine("Help", (0, 0, 200, 60), 0.97))
    picture = io.BytesIO()
    Image.new("RGB", (1600, 600), "white").save(picture, "PNG")
    await page.goto("/")
    panel = page.get_by_role("region", name="Try it")
    await panel.get_by_role("tab", name="Read").click()
    drop = panel.get_by_label("Drop an image with text or choose one")

    await drop.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture.getvalue()})

    await expect(panel.locator(".answer")).to_have_text("Sign in\nHelp")
    boxes = panel.get_by_label("Lines of text").locator("rect")
    await expect(boxes).to_have_count(2)
    await expect(boxes.first).to_contain_text("Sign in")
    image, box = await panel.get_by_alt_text("Image to read").bounding_box(), await boxes.first.bounding_box()
    assert image is not None
    assert box is not None
    assert image["width"] < 1600
    scale = image["width"] / 1600
    place = [box["x"] - image["x"], box["y"] - image["y"], box["width"], box["height"]]
    assert [round(edge / scale) for edge in place] == pytest.approx([800, 300, 400, 150], abs=12)  # the stroke counts


@pytest.mark.browser
@pytest.mark.promise("page:read")
async def test_a_picture_without_text_is_answered_so(page: Page, service: FakeService, png: bytes) -> None:
    service.models = (*service.models, model_status("ocr-fast", Task.VISION, starter=False, default=False))
    await page.goto("/")
    panel = page.get_by_role("region", name="Try it")
    await panel.get_by_role("tab", name="Read").click()
    drop = panel.get_by_label("Drop an image with text or choose one")

    await drop.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png})

    await expect(panel.locator(".answer")).to_have_text("No text found.")


@pytest.mark.browser
async def test_a_refusal_is_shown_where_it_was_tried(page: Page, service: FakeService) -> None:
    service.error = InvalidInput("The starter draws coloured shapes only.")
    await page.goto("/")
    panel = page.get_by_role("region", name="Try it")

    await panel.get_by_role("tab", name="Draw").click()
    await panel.get_by_role("button", name="Draw").click()

    await expect(panel.get_by_role("alert")).to_have_text("The starter draws coloured shapes only.")


@pytest.mark.browser
async def test_the_page_shows_how_to_connect_a_client(
    page: Page, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    switch, url = server
    set_ups = [("Claude Code", "claude mcp add senses -- /opt/senses-mcp"), ("Others", '{"mcpServers": {}}')]
    switch.app = create_app(service, settings, client_snippets=lambda: set_ups)
    await page.goto("/")
    panel = page.get_by_role("region", name="Connect")

    await expect(panel).to_contain_text("In a terminal:claude mcp add senses -- /opt/senses-mcp")
    await panel.get_by_role("tab", name="Others").click()
    await expect(panel).to_contain_text('{ "mcpServers": {} }')
    await panel.get_by_role("tab", name="OpenAI").click()
    await expect(panel).to_contain_text(f"export OPENAI_BASE_URL={url}/v1")


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 800, 1600, 2560])
async def test_the_page_fits_any_width(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text(re.compile("Healthy"))

    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.browser
async def test_the_page_follows_the_color_scheme_of_the_system(page: Page) -> None:
    brightness = "Number(getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0])"
    await page.goto("/")

    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(brightness)
    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(brightness)

    assert light > 200
    assert dark < 60


@pytest.mark.browser
@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("size(24_000_000_000)", "24 GB"),
        ("size(5_630_000_000)", "5.6 GB"),
        ("size(950_000_000)", "0.9 GB"),
        ("size(433_000_000)", "433 MB"),
        ("size(1_500)", "2 kB"),
        ("clock(247.4)", "4:07"),
        ("clock(-3)", "0:00"),
        ("span(59)", "59 s"),
        ("span(4350)", "1 h 12 min"),
        ("span(90_061)", "1 d 1 h"),
        ("duration(0.0424)", "0.042 s"),
        ("duration(12.4)", "12 s"),
        ("duration(185)", "3 min 5 s"),
        ("speed({ speed: 31.46, speed_unit: 'tokens/s' })", "31 tokens/s"),
        ("speed({ speed: 1.25, speed_unit: '× real time' })", "1.3× real time"),
    ],
)
async def test_numbers_are_written_as_people_read_them(page: Page, call: str, text: str) -> None:
    await page.goto("/")

    assert await page.evaluate(f"import('/web/format.js').then((format) => format.{call})") == text


@pytest.mark.promise("page:private")
async def test_the_page_lets_nothing_foreign_in(http: httpx2.AsyncClient) -> None:
    for path in ("/", "/web/app.js", "/web/vendor/vendor.js"):
        answer = await http.get(path)

        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
    written = "".join(path.read_text(encoding="utf-8") for path in WEB_FOLDER.glob("*.*"))
    assert set(re.findall(r"https?://[\w./]+", written)) == {"http://www.w3.org/2000/svg"}


def test_vendored_files_are_those_their_record_names() -> None:
    record = (WEB_FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", record, re.MULTILINE))
    sums = {name: digest for digest, name in named.items()}

    files = {path for path in (WEB_FOLDER / "vendor").iterdir() if path.name != "README.md"}
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.browser
@pytest.mark.promise("consent:page")
async def test_a_person_allows_a_folder_and_revokes_another_one(
    page: Page, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    consents = Consents([Use("granted", folder=Path("/home/ann/Site"))])
    server[0].app = create_app(service, settings, folders=consents)

    await page.goto("/")
    folders = page.get_by_role("region", name="Folders")
    await expect(page.get_by_role("region", name="Questions")).to_contain_text(
        "Let claude-code read and save files in /home/ann/Desktop?"
    )
    await page.get_by_role("button", name="Allow /home/ann/Desktop").click()
    await wait_until(lambda: consents.answers == [("asked", True)])
    await page.get_by_role("button", name="Revoke /home/ann/Site").click()

    await expect(folders).not_to_contain_text("/home/ann/Site")
