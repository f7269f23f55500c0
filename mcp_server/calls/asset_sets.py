"""Sets of files that a project needs of one picture: their names and sizes, and the lines that refer to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

AssetSetName = Literal["none", "favicon", "app-icon", "og"]


@dataclass(frozen=True, slots=True)
class AssetFile:
    """A picture of a set, in pixels; its ending names the format. `is_opaque`: it must not be transparent."""

    name: str
    width: int
    height: int
    is_opaque: bool = False


@dataclass(frozen=True, slots=True)
class AssetSet:
    """The pictures of a set, its other files (name → content), and what to paste or run."""

    pictures: tuple[AssetFile, ...]
    snippet: str
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files."""
        return (*(picture.name for picture in self.pictures), *self.texts)


APP_ICON_SIDES = (16, 32, 128, 256, 512)
"""Points; each also at twice the pixels (Apple, "High Resolution Guidelines for OS X", "Icon set")."""
APP_ICON_FOLDERS = (".iconset", ".appiconset")

FAVICON_PICTURES = (
    AssetFile("favicon.ico", 48, 48),
    AssetFile("favicon-16x16.png", 16, 16),
    AssetFile("favicon-32x32.png", 32, 32),
    AssetFile("apple-touch-icon.png", 180, 180, is_opaque=True),  # iOS shows transparency as black
    AssetFile("icon-192.png", 192, 192),
    AssetFile("icon-512.png", 512, 512),
)
FAVICON_HTML = """\
<link rel="icon" href="/favicon.ico" sizes="48x48">
<link rel="icon" type="image/png" sizes="32x32" href="/favicon-32x32.png">
<link rel="icon" type="image/png" sizes="16x16" href="/favicon-16x16.png">
<link rel="apple-touch-icon" href="/apple-touch-icon.png">
<link rel="manifest" href="/site.webmanifest">"""
WEB_MANIFEST = {
    "icons": [{"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"} for side in (192, 512)],
}
"""https://www.w3.org/TR/appmanifest/#icons-member"""

OG_PICTURE = AssetFile("og-image.jpg", 1200, 630, is_opaque=True)
OG_HTML = """\
<meta property="og:image" content="https://YOUR.SITE/og-image.jpg">
<meta property="og:image:width" content="1200">
<meta property="og:image:height" content="630">
<meta name="twitter:card" content="summary_large_image">"""


def asset_folder(name: AssetSetName, folder: str) -> str:
    """Return the folder of a set: `folder`, or for an app icon a folder in it whose ending Apple's tools want."""
    if name != "app-icon" or PurePath(folder).suffix in APP_ICON_FOLDERS:
        return folder
    return f"{folder.rstrip('/')}/AppIcon.iconset"


def asset_set(name: AssetSetName, folder: str) -> AssetSet:
    """Return the files of a set that goes into `folder`."""
    if name == "favicon":
        return AssetSet(FAVICON_PICTURES, FAVICON_HTML, {"site.webmanifest": _json(WEB_MANIFEST)})
    if name == "og":
        return AssetSet((OG_PICTURE,), OG_HTML)
    pictures = tuple(
        AssetFile(_app_icon_name(points, scale), points * scale, points * scale)
        for points in APP_ICON_SIDES
        for scale in (1, 2)
    )
    if PurePath(folder).suffix == ".appiconset":
        return AssetSet(
            pictures, "Move the folder into Assets.xcassets.", {"Contents.json": _json(_app_icon_contents())}
        )
    return AssetSet(pictures, f'iconutil -c icns "{folder}"')


def _app_icon_name(points: int, scale: int) -> str:
    return f"icon_{points}x{points}{'@2x' if scale == 2 else ''}.png"


def _app_icon_contents() -> dict[str, object]:
    images = [
        {"idiom": "mac", "size": f"{side}x{side}", "scale": f"{scale}x", "filename": _app_icon_name(side, scale)}
        for side in APP_ICON_SIDES
        for scale in (1, 2)
    ]
    return {"images": images, "info": {"author": "xcode", "version": 1}}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
