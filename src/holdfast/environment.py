"""What the environment says of the way to an endpoint: the proxy that stands between, and who is trusted to sign certificates.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR`: names and meaning are curl's and OpenSSL's. The HTTP library reads
them too, but does not say what it read, fails at a proxy that it would not even use, and takes `SSL_CERT_FILE` for the only one to trust.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx2


class Unusable(Exception):
    """The environment names something that can't be used. The text says what, and what to do."""


def client(url: str, *, trusting: bool = False, **options: Any) -> httpx2.AsyncClient:
    """A client for the server at this URL, and no other. `trusting`: whoever signed its certificate. Raises `Unusable`."""
    proxy = proxy_for(url)
    try:
        verify = False if trusting or url.startswith("http:") else trusted()
        way = httpx2.Proxy(proxy, ssl_context=trusted() if proxy.startswith("https:") else None) if proxy else None
        return httpx2.AsyncClient(trust_env=False, proxy=way, verify=verify, **options)
    except ImportError:
        raise Unusable(f"the proxy {name_of(proxy)} speaks SOCKS, which needs one more package. Run: pip install 'httpx2[socks]'") from None
    except (ValueError, httpx2.InvalidURL):
        raise Unusable(
            f"the environment names a proxy, {name_of(proxy)}, but not as http://HOST:PORT. Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
        ) from None


async def fetched(url: str, bytes_max: int, within_s: float) -> bytes:
    """What stands at this URL. Raises `Unusable` if it can't be had."""
    taken = b""
    try:
        plain = {"accept-encoding": "identity"}  # as long as it says
        async with (
            asyncio.timeout(within_s),
            client(url, follow_redirects=True) as http,
            http.stream("GET", url, headers=plain) as response,
        ):
            if not response.is_success:
                raise Unusable(f"{url} answers {response.status_code}")
            async for piece in response.aiter_raw():
                taken += piece
                if len(taken) > bytes_max:
                    raise Unusable(f"{url} answers with more than {bytes_max} bytes")
    except TimeoutError:
        raise Unusable(f"{url} does not answer within {within_s:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unusable(f"{url} can't be reached: {error}") from error
    return taken


def proxy_for(url: str) -> str:
    """The proxy between us and this URL; "" if there is none. There is never one between us and this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""  # it is no address, as whoever calls it will find
    named = getproxies_environment()
    proxy = named.get(parts.scheme) or named.get("all", "")
    port = port or (443 if parts.scheme == "https" else 80)
    if not proxy or not host or is_here(url) or any(_exempts(rule.strip().lower(), host, port) for rule in named.get("no", "").split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempts(rule: str, host: str, port: int) -> bool:
    """Does this rule of `NO_PROXY` name the host: itself, a domain above it, a network that its address is in, or all?"""
    try:
        network = ipaddress.ip_network(rule.strip("[]"), strict=False)
        return ipaddress.ip_address(host) in network
    except ValueError:
        name, _, only = rule.removeprefix("*").removeprefix(".").partition(":")
        below = host == name or host.endswith(f".{name}") if name else rule == "*"
        return below and only in {"", str(port)}


def name_of(proxy: str) -> str:
    """Its host and port, without who we are to it."""
    return proxy.partition("://")[2].partition("/")[0].rpartition("@")[2] or proxy


def is_here(url: str) -> bool:
    """Does this URL lead to this machine, by a name that always does?"""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts, and beside them those that the environment names. Raises `Unusable`."""
    return _trusted(os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None)


@functools.cache
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """20 ms and 2 MB, once for all."""
    context = httpx2.create_ssl_context(trust_env=False)
    try:
        if file or folder:
            context.load_verify_locations(file, folder)
    except OSError as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else f"can't be read ({error.strerror})"
        raise Unusable(f"SSL_CERT_FILE is {file}, which {why}. Correct it where the gateway is started") from None
    return context
