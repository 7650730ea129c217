"""A way to a Prefect server on which one answer is lost: the server has acted, and the client asks again."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

LOST = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LossyWay:
    """Connections to `url` pass through; the answer to the first request with all of `words` is a 503."""

    def __init__(self, url: str, *words: bytes) -> None:
        parts = urlsplit(url)
        self._server, self._words = (parts.hostname, parts.port), words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.lost = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._server) as server:  # either may go
            lose = threading.Event()
            asking = threading.Thread(target=self._ask, args=(client, server, lose), daemon=True)
            asking.start()
            for answer in _chunks(server):
                client.sendall(LOST if lose.is_set() else answer)
                if lose.is_set():
                    return

    def _ask(self, client: socket.socket, server: socket.socket, lose: threading.Event) -> None:
        said = b""
        with suppress(OSError):
            for chunk in _chunks(client):
                said = (said + chunk)[-65536:]
                if not self.lost.is_set() and all(word in said for word in self._words):
                    self.lost.set()
                    lose.set()
                server.sendall(chunk)
            server.shutdown(socket.SHUT_WR)


@contextmanager
def lossy_way(url: str, *words: bytes) -> Iterator[LossyWay]:
    way = LossyWay(url, *words)
    try:
        yield way
    finally:
        way.close()


def _chunks(of: socket.socket) -> Iterator[bytes]:
    while chunk := of.recv(65536):
        yield chunk
