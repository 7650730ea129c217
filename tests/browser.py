"""A page as a real browser shows it: headless Chromium, spoken to by the DevTools protocol."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
LOADED = "document.readyState == 'complete' && [...document.images].every(image => image.complete)"
PATIENCE_S = 120


def rendered(url: str, *, until: str = "true") -> str:
    """The page's DOM, as HTML, once it has loaded and the expression `until` holds in it.

    AssertionError with the DOM when that doesn't come about, or when a picture can't be shown.
    """
    give_up = time.monotonic() + PATIENCE_S
    with _tab(url) as tab:
        while not _evaluate(tab, f"location.href == {json.dumps(url)} && {LOADED} && ({until})"):
            html = _evaluate(tab, "document.documentElement.outerHTML")
            assert time.monotonic() < give_up, f"{url} does not come to {until}: {html}"
            time.sleep(0.2)
        broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
        assert _evaluate(tab, broken) == []
        return str(_evaluate(tab, "document.documentElement.outerHTML"))


@contextmanager
def _tab(url: str) -> Iterator[ClientConnection]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(browser, Path(profile)), max_size=None) as tab:
                yield tab
        finally:
            browser.terminate()
            browser.wait()


def _address(browser: "subprocess.Popen[bytes]", profile: Path) -> str:
    """The web socket of the browser's first page."""
    told = profile / "DevToolsActivePort"
    while not (told.exists() and told.read_text().strip()):
        assert browser.poll() is None, "chromium ended at once"
        time.sleep(0.1)
    with urllib.request.urlopen(f"http://127.0.0.1:{told.read_text().split()[0]}/json/list") as answer:
        return next(page["webSocketDebuggerUrl"] for page in json.load(answer) if page["type"] == "page")


def _evaluate(tab: ClientConnection, expression: str) -> object:
    question = {"expression": expression, "returnByValue": True}
    tab.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": question}))
    answer = json.loads(tab.recv())
    return answer["result"]["result"].get("value")
