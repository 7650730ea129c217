"""A page as a real browser shows it: headless Chromium, spoken to by the DevTools protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


class Driven:
    """A page that a test acts in. Expressions are JavaScript."""

    def __init__(self, tab: ClientConnection) -> None:
        self._tab = tab

    def until(self, expression: str) -> None:
        """Wait for an expression to hold; AssertionError with the page's text when it does not."""
        give_up = time.monotonic() + PATIENCE_S
        while not _evaluate(self._tab, expression):
            shown = _evaluate(self._tab, "document.body.innerText")
            assert time.monotonic() < give_up, f"it does not come to {expression}: {shown}"
            time.sleep(0.2)

    def press(self, button: str) -> None:
        """Press the button of this text once it is there."""
        buttons = "[...document.querySelectorAll('button')]"
        found = f"{buttons}.find(button => button.textContent.trim() == {json.dumps(button)})"
        self.until(f"!!{found}")
        _evaluate(self._tab, f"{found}.click()")

    def fill(self, field: str, value: str) -> None:
        """Enter a value in the field of a Prefect form whose title begins like this."""
        fields = "[...document.querySelectorAll('.schema-form-property')]"
        found = f"{fields}.find(field => field.innerText.trim().startsWith({json.dumps(field)}))"
        self.until(f"!!{found}")
        control = f"{found}.querySelector('textarea, select, input')"
        events = (
            "['input', 'change'].forEach(name => control.dispatchEvent(new Event(name, {bubbles: true})))"
        )
        _evaluate(
            self._tab, f"{{ const control = {control}; control.value = {json.dumps(value)}; {events}; }}"
        )

    def picture(self, path: Path) -> None:
        """What is seen now, as a PNG file."""
        size = {"width": 1280, "height": 1400, "deviceScaleFactor": 1, "mobile": False}
        _call(self._tab, "Emulation.setDeviceMetricsOverride", size)
        time.sleep(0.5)
        answer = _call(self._tab, "Page.captureScreenshot", {"format": "png"})
        path.write_bytes(base64.b64decode(str(answer["data"])))

    def run(self, expression: str) -> object:
        """What the expression comes to."""
        return _evaluate(self._tab, expression)

    def complaints(self) -> list[str]:
        """Load the page once more: whatever it asks of a network, and all that the console says meanwhile."""
        heard: list[dict[str, Any]] = []
        for domain in ("Network", "Log", "Runtime", "Page"):
            _call(self._tab, f"{domain}.enable", {}, heard)
        _call(self._tab, "Page.reload", {"ignoreCache": True}, heard)
        while not any(event["method"] == "Page.loadEventFired" for event in heard):
            heard.append(json.loads(self._tab.recv(PATIENCE_S)))
        _call(self._tab, "Runtime.evaluate", {"expression": "0"}, heard)
        for domain in ("Network", "Log", "Runtime", "Page"):
            _call(self._tab, f"{domain}.disable", {}, heard)
        return [complaint for event in heard if (complaint := _complaint(event))]


@contextmanager
def driven(url: str) -> Iterator[Driven]:
    """A page to act in."""
    with _tab(url) as tab:
        yield Driven(tab)


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
    answer = _call(tab, "Runtime.evaluate", {"expression": expression, "returnByValue": True})
    return answer["result"].get("value")


def _complaint(event: dict[str, Any]) -> str:
    told, name = event.get("params", {}), event.get("method")
    if name == "Network.requestWillBeSent":
        url: str = told["request"]["url"]
        own = url == told["documentURL"] or url.startswith("data:")
        return "" if own else f"it asks for {url}"
    return (
        json.dumps(told)
        if name in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        else ""
    )


def _call(
    tab: ClientConnection, method: str, params: dict[str, object], heard: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The answer; events that come before it are `heard`."""
    tab.send(json.dumps({"id": 1, "method": method, "params": params}))
    while "id" not in (message := json.loads(tab.recv())):
        if heard is not None:
            heard.append(message)
    answer: dict[str, Any] = message["result"]
    return answer
