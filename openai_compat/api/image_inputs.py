"""Loads the images of a request from data: URLs and, if allowed, from the web."""

from dataclasses import dataclass

from anyio import to_thread

from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.errors import InvalidInput, InvalidMedia
from model_runtime.formats.data_url import decode_data_url
from model_runtime.formats.fetch import DEFAULT_FETCHER, Fetcher, FetchFailed, is_web_url
from model_runtime.media.types import ImageData

INVALID_IMAGE_URL = "invalid_image_url"
"""OpenAI's error code for a URL that yields no image."""


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """Loads images. `allow_urls` (`files.allow_urls` in config.toml) permits web addresses."""

    decoder: MediaDecoder
    allow_urls: bool = False
    fetcher: Fetcher = DEFAULT_FETCHER

    async def load(self, url: str, *, param: str) -> ImageData:
        """Return the image at `url`, decoded.

        Raises:
            InvalidInput: the URL is invalid, not allowed or cannot be fetched.
            InvalidMedia: the content is not an image.
        """
        data = await self.read(url, param=param)
        try:
            return await self.decoder.decode_image(data, param=param)
        except InvalidMedia as error:
            raise InvalidMedia(error.message, param=param, code="image_parse_error") from error

    async def read(self, url: str, *, param: str) -> bytes:
        """Return the file at `url`.

        Raises:
            InvalidInput: the URL is invalid, not allowed or cannot be fetched.
        """
        url = url.strip()
        if url[:5].lower() == "data:":
            return await to_thread.run_sync(lambda: decode_data_url(url, param=param))
        return await self._fetch(url, param)

    async def _fetch(self, url: str, param: str) -> bytes:
        if not is_web_url(url):
            raise InvalidInput(
                f"{url[:40]!r} is not the URL of an image. Send a data: URL such as data:image/png;base64,….",
                param=param,
                code=INVALID_IMAGE_URL,
            )
        if not self.allow_urls:
            raise InvalidInput(
                "Senses works offline and does not fetch images from the web. Send the image as a data: URL, "
                "or set files.allow_urls = true in config.toml.",
                param=param,
                code=INVALID_IMAGE_URL,
            )
        try:
            return await self.fetcher.fetch(url, param=param)
        except FetchFailed as error:
            raise InvalidInput(error.message, param=param, code=INVALID_IMAGE_URL) from error
