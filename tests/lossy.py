"""Ways to a Prefect server on which one answer is lost, or all connections are for a while."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

LOST = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LossyWay:
    """Connections to `url` pass through; the answer to the first request with all of `words` is a 503.

    The server has acted, and the client asks again.
    """

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


class BrokenWay:
    """Connections to `url` pass through, until it is cut: then nobody is at its address, for a while."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}{parts.path}"
        self._listen()

    def cut(self, seconds: float) -> None:
        """Refuse and drop all for so long; returns when it is over."""
        self.close()
        time.sleep(seconds)
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._listen()

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            with suppress(OSError):  # it was closed by the other side
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it is cut
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
                self._open |= {client, server}
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, said: socket.socket, heard: socket.socket) -> None:
        with suppress(OSError):
            for chunk in _chunks(said):
                heard.sendall(chunk)
            heard.shutdown(socket.SHUT_WR)


@contextmanager
def broken_way(url: str) -> Iterator[BrokenWay]:
    way = BrokenWay(url)
    try:
        yield way
    finally:
        way.close()


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
