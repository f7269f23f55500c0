"""The cookie by which a browser that has sent the key once is let in again: for the page itself, and no other page.

The cookie holds a value derived from the key, never the key. Cookies know no ports: another local program's page would
send it along. So it counts only where the browser says that the request comes from this very page.
"""

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "senses_session"
MAX_AGE_SECONDS = 180 * 86_400
SECURE_SCHEMES = ("https", "wss")


def session_value(api_key: str) -> str:
    """Return the value of the cookie. It ends with the key: another key has another one."""
    return hmac.new(api_key.encode(), b"Senses, status page", hashlib.sha256).hexdigest()


def has_session(scope: Scope, api_key: str) -> bool:
    """Return whether a request of the page carries the cookie of this key."""
    return is_of_own_page(scope) and hmac.compare_digest(sent_value(Headers(scope=scope)), session_value(api_key))


def is_of_own_page(scope: Scope) -> bool:
    """Return whether a page of this very server sends the request, or a person opens its address.

    Browsers omit Sec-Fetch-Site on plain-http addresses of a network. There a request with an effect has an Origin.
    """
    headers = Headers(scope=scope)
    site, origin, host = headers.get("sec-fetch-site"), headers.get("origin"), headers.get("host", "")
    if site is not None:
        return site in ("same-origin", "none")
    if origin is not None:
        return origin in (f"http://{host}", f"https://{host}")
    return scope.get("method") in ("GET", "HEAD")


def sent_value(headers: Headers) -> str:
    """Return the value of the cookie in a request, empty without one."""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    value = cookie.value if cookie else ""
    return value if value.isascii() else ""


def is_secure(scope: Scope) -> bool:
    """Return whether the connection is encrypted."""
    return scope.get("scheme") in SECURE_SCHEMES
