"""A model server, and one that nothing may ever be sent to."""

import pytest

from tests.llm_server import ModelServer


@pytest.fixture
def server():
    running = ModelServer()
    yield running
    running.close()


@pytest.fixture
def trap(monkeypatch):
    """Where litellm would go by itself: other providers, and the proxies of the environment."""
    running = ModelServer()
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "LITELLM_PROXY_API_BASE"):
        monkeypatch.setenv(name, running.url)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, running.url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-your-own-server-0123456789")
    yield running
    running.close()
    assert running.requests == []
