"""What a set holds agrees with the lines that refer to it."""

import json
import re

from mcp_server.calls.asset_sets import asset_folder, asset_set


def test_every_file_that_the_lines_of_a_favicon_name_is_in_the_set() -> None:
    favicon = asset_set("favicon", "public")

    named = set(re.findall(r'href="/([^"]+)"', favicon.snippet))
    icons = {icon["src"]: icon["sizes"] for icon in json.loads(favicon.texts["site.webmanifest"])["icons"]}
    sizes = {picture.name: f"{picture.width}x{picture.height}" for picture in favicon.pictures}
    assert named <= set(favicon.names)
    assert icons.items() <= sizes.items()
    assert named | icons.keys() == set(favicon.names)


def test_an_app_icon_has_the_ten_names_that_apples_tool_wants() -> None:
    icon = asset_set("app-icon", "Fox.iconset")

    assert {picture.name: picture.width for picture in icon.pictures} == {
        "icon_16x16.png": 16,
        "icon_16x16@2x.png": 32,
        "icon_32x32.png": 32,
        "icon_32x32@2x.png": 64,
        "icon_128x128.png": 128,
        "icon_128x128@2x.png": 256,
        "icon_256x256.png": 256,
        "icon_256x256@2x.png": 512,
        "icon_512x512.png": 512,
        "icon_512x512@2x.png": 1024,
    }
    assert icon.snippet == 'iconutil -c icns "Fox.iconset"'


def test_xcode_gets_a_list_of_the_same_files() -> None:
    icon = asset_set("app-icon", "AppIcon.appiconset")

    listed = [image["filename"] for image in json.loads(icon.texts["Contents.json"])["images"]]
    assert listed == [picture.name for picture in icon.pictures]


def test_an_app_icon_goes_into_a_folder_that_apples_tools_accept() -> None:
    folders = [asset_folder("app-icon", path) for path in ("build", "build/", "Fox.iconset", "A.appiconset")]

    assert folders == ["build/AppIcon.iconset", "build/AppIcon.iconset", "Fox.iconset", "A.appiconset"]
    assert asset_folder("favicon", "public") == "public"


def test_a_link_preview_names_its_picture_and_its_size() -> None:
    preview = asset_set("og", "public")

    (picture,) = preview.pictures
    assert f"/{picture.name}" in preview.snippet
    assert (picture.width, picture.height) == (1200, 630)
    assert 'content="1200"' in preview.snippet
