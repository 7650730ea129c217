"""The HTTP client for a server of one's own: nobody else's headers, no proxy, and no answer without end."""

from collections.abc import AsyncIterator

import httpx

from arc_core.llm.deadline import TooLong

MOST_BYTES = 4_000_000  # of one response; the longest answer that is read has 100,000 characters
OURS = frozenset({
    "accept", "authorization", "connection", "content-length", "content-type", "host", "user-agent",
})  # fmt: skip


def client(timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that knows no proxy, follows no redirect and sends the headers of `OURS` only.

    The OpenAI client adds what OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and their like hold.
    """
    return httpx.AsyncClient(
        trust_env=False,
        timeout=timeout_s,
        transport=_Bounded(transport or httpx.AsyncHTTPTransport(trust_env=False)),
    )


class _Bounded(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(_with_ours(request))
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise TooLong("the response is packed, which was not asked for")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Counted(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _with_ours(request: httpx.Request) -> httpx.Request:
    """A copy: the OpenAI client reads headers of its own from the request it made."""
    kept = [(name, value) for name, value in request.headers.items() if name in OURS]
    return httpx.Request(
        request.method,
        request.url,
        headers=[*kept, ("accept-encoding", "identity")],
        stream=request.stream,
        extensions=request.extensions,
    )


class _Counted(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise TooLong(f"the response has more than {MOST_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
