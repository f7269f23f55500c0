"""The pictures that come with a request, as data: URLs or, where allowed, as web addresses."""

from dataclasses import dataclass

from anyio import to_thread

from model_runtime.errors import BadMedia, InvalidInput
from model_runtime.formats.data_url import decode_data_url
from model_runtime.formats.fetch import PUBLIC_WEB, Fetcher, NotFetched, is_web_address
from model_runtime.media.types import Picture

BAD_URL = "invalid_image_url"
"""OpenAI's code for an address that gives no picture."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """Opens pictures for one instance; `allow_urls` is the owner's word that the web may be asked."""

    allow_urls: bool = False
    fetcher: Fetcher = PUBLIC_WEB

    async def picture(self, url: str, *, param: str) -> Picture:
        """Return the picture at `url`, decoded off the event loop.

        Raises:
            InvalidInput: the address cannot be used.
            BadMedia: what is there is no picture.
        """
        url = url.strip()
        if url[:5].lower() == "data:":
            return await to_thread.run_sync(_decode, url, param)
        return await to_thread.run_sync(_open, await self._fetch(url, param), param)

    async def _fetch(self, url: str, param: str) -> bytes:
        if not is_web_address(url):
            raise InvalidInput(
                "The picture needs a data: URL, like data:image/png;base64,….", param=param, code=BAD_URL
            )
        if not self.allow_urls:
            raise InvalidInput(
                "Senses works offline and fetches no pictures from the web. Send the picture as a data: URL, "
                "or set files.allow_urls in config.toml.",
                param=param,
                code=BAD_URL,
            )
        try:
            return await self.fetcher.fetch(url, param=param)
        except NotFetched as error:
            raise InvalidInput(error.message, param=param, code=BAD_URL) from error


def _decode(url: str, param: str) -> Picture:
    return _open(decode_data_url(url, param=param), param)


def _open(data: bytes, param: str) -> Picture:
    from model_runtime.media.pictures import decode_picture

    try:
        return decode_picture(data, param=param)
    except BadMedia as error:
        raise BadMedia(error.message, param=param, code="image_parse_error") from error
