"""Calls through the real library to a local server: what is tried again, how long, and what leaves us."""

import json
import time

import pytest

from xopt.nas.llm.client import Client, LlmSettings
from xopt.nas.llm.transport import OpenAiTransport

from .server import Call, completion, serving

KEY = "sk-a-key-nobody-may-see"
SCHEMA = {"type": "object"}
MESSAGES = [{"role": "user", "content": "which?"}]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def client_of(url: str, **changes) -> Client:
    chosen = {"call_s": 5.0, "tries": 3, "backoff_s": 0.02, **changes}
    settings = LlmSettings(url=url, model="local", **chosen)
    return Client(OpenAiTransport(url=url, key=KEY, max_bytes=settings.max_reply_bytes), settings, key=KEY)


def ask(client: Client, seconds: float = 10.0):
    return client.ask(MESSAGES, SCHEMA, until_s=time.monotonic() + seconds)


def test_a_reply_comes_with_its_tokens():
    with serving(lambda call: call.say("hello")) as server:
        reply = ask(client_of(server.url))
    assert (reply.text, reply.fault, reply.tokens) == ("hello", None, {"prompt": 100, "completion": 20})
    call = server.calls[0]
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.request["model"] == "local"
    assert call.request["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("status", [400, 404, 415, 422, 501])
def test_a_server_without_structured_output_is_asked_for_it_once(status):
    def behave(call: Call) -> None:
        if "response_format" in call.request:
            call.send(status, b'{"error": {"message": "unknown response_format"}}')
        else:
            call.say("plain")

    with serving(behave) as server:
        client = client_of(server.url)
        assert [ask(client).text for _ in range(3)] == ["plain"] * 3
    assert ["response_format" in call.request for call in server.calls] == [True, False, False, False]


def test_a_server_that_fails_at_structured_output_is_asked_without_at_last():
    def behave(call: Call) -> None:
        if "response_format" in call.request:
            call.send(500, b"{}")
        else:
            call.say("plain")

    with serving(behave) as server:
        assert ask(client_of(server.url)).text == "plain"
    assert len(server.calls) == 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_that_is_busy_or_fails_is_asked_again(status):
    def behave(call: Call) -> None:
        if call.number < 2:
            call.send(status, b"{}")
        else:
            call.say("at last")

    with serving(behave) as server:
        reply = ask(client_of(server.url))
    assert reply.text == "at last"
    assert [t.status for t in reply.tries] == [status, status, None]


@pytest.mark.parametrize("status", [401, 403, 405, 413])
def test_what_would_fail_again_is_not_asked_again(status):
    with serving(lambda call: call.send(status, b'{"error": {"message": "no"}}')) as server:
        reply = ask(client_of(server.url))
    assert reply.text is None
    assert f"HTTP {status}" in reply.fault
    assert len(server.calls) == 1


def test_retry_after_is_obeyed_within_the_deadline():
    def behave(call: Call) -> None:
        if call.number == 0:
            call.send(429, b"{}", Retry_After="0.4")
        else:
            call.say("now")

    with serving(behave) as server:
        began = time.monotonic()
        assert ask(client_of(server.url)).text == "now"
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("value", ["3600", "Wed, 21 Oct 2065 07:28:00 GMT"])
def test_a_wait_beyond_the_deadline_is_not_begun(value, monkeypatch):
    monkeypatch.setattr("xopt.nas.llm.client.time.sleep", lambda seconds: pytest.fail(f"slept {seconds} s"))
    with serving(lambda call: call.send(429, b"{}", Retry_After=value)) as server:
        reply = ask(client_of(server.url))
    assert reply.text is None
    assert len(server.calls) == 1


@pytest.mark.parametrize("value", ["nan", "inf", "soon", "-5", "1e999", ""])
def test_a_senseless_retry_after_does_no_harm(value):
    def behave(call: Call) -> None:
        if call.number == 0:
            call.send(429, b"{}", Retry_After=value)
        else:
            call.say("fine")

    with serving(behave) as server:
        assert ask(client_of(server.url)).text == "fine"


def _drip_body(call: Call) -> None:
    call.start()
    while not call.closed():
        call.write(b" ")
        call.sleep(0.05)


def _drip_head(call: Call) -> None:
    call.write(b"HTTP/1.1 200 OK\r\n")
    number = 0
    while not call.closed():
        call.write(f"X-{number}: 1\r\n".encode())
        number += 1
        call.sleep(0.05)


def _hang(call: Call) -> None:
    while not call.closed():
        call.sleep(3600)


# None of these servers ends before the client does: that the call comes back is the assertion.
@pytest.mark.parametrize("behave", [_hang, _drip_body, _drip_head])
@pytest.mark.parametrize(
    ("call_s", "seconds", "tries"), [(0.4, 3600, 2), (3600, 0.4, 1)], ids=["its own", "the proposal's"]
)
def test_a_call_ends_at_its_deadline_whatever_drips(behave, call_s, seconds, tries):
    with serving(behave) as server:
        reply = ask(client_of(server.url, tries=2, call_s=call_s), seconds=seconds)
    assert reply.text is None
    assert "no reply within" in reply.fault
    assert len(reply.tries) == tries


def _flood(call: Call) -> None:
    call.start()
    while not call.closed():
        call.write(b"x" * 65536)


def _flood_refusal(call: Call) -> None:
    call.send(500, b"", length=10**12)
    while not call.closed():
        call.write(b"x" * 65536)


def test_reading_stops_at_the_byte_cap():
    with serving(_flood) as server:
        reply = ask(client_of(server.url, max_reply_bytes=100_000))
    assert reply.fault == "the reply is longer than 100000 bytes"
    assert len(server.calls) == 1


def test_an_endless_error_page_is_cut():
    with serving(_flood_refusal) as server:
        reply = ask(client_of(server.url))
    assert reply.fault.startswith("HTTP 500: xxx")
    assert len(reply.fault) < 300


def test_a_compressed_reply_is_not_unfolded():
    import gzip

    bomb = gzip.compress(b" " * 50_000_000)
    with serving(lambda call: call.send(200, bomb, Content_Encoding="gzip")) as server:
        reply = ask(client_of(server.url))
    assert "compressed" in reply.fault
    assert server.calls[0].headers["accept-encoding"] == "identity"


def test_a_redirect_is_not_followed_with_the_key():
    with serving(lambda call: call.say("stolen")) as other:

        def behave(call: Call) -> None:
            call.send(307, b"", Location=f"{other.url}/chat/completions")

        with serving(behave) as server:
            reply = ask(client_of(server.url))
    assert "redirects are not followed" in reply.fault
    assert not other.calls


def test_the_key_is_in_no_fault_and_no_text():
    def behave(call: Call) -> None:
        if call.number == 0:
            call.send(503, f"Incorrect key {KEY}".encode())
        else:
            call.say(f"your key is {KEY}")

    with serving(behave) as server:
        reply = ask(client_of(server.url))
    assert reply.text == "your key is [key]"
    assert KEY not in repr(reply)


@pytest.mark.parametrize("key", ["1", "none", "EMPTY"])
def test_a_key_that_is_none_is_not_cut_out_of_a_reply(key):
    settings = LlmSettings(url="http://localhost/v1", model="local")
    with serving(lambda call: call.say("12120, EMPTY, none")) as server:
        client = Client(OpenAiTransport(url=server.url, key=key, max_bytes=1_000), settings, key=key)
        assert ask(client).text == "12120, EMPTY, none"


def _truncated(call: Call) -> None:
    body = json.dumps(completion("12122")).encode()
    call.send(200, body[:60], length=len(body))


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (Call.reset, "no connection"),
        (_truncated, "broke off"),
        (lambda call: call.send(200, b"<html>Bad gateway</html>"), "not JSON"),
        (lambda call: call.send(200, b""), "not JSON: it is empty"),
        (lambda call: call.send(200, b"[" * 100_000), "not JSON"),
        (lambda call: call.send(200, b"\xff\xfe\x00"), "not JSON"),
        (lambda call: call.document({}), "no text"),
        (lambda call: call.document([]), "no text"),
        (lambda call: call.document(None), "no text"),
        (lambda call: call.document({"choices": []}), "no text"),
        (lambda call: call.document({"choices": {"0": 1}}), "no text"),
        (lambda call: call.document({"choices": [{"message": None}]}), "no text"),
        (lambda call: call.say(None), "no text"),
        (lambda call: call.say(""), "no text"),
        (lambda call: call.say(17), "no text"),
        (lambda call: call.say({"text": 1}), "no text"),
        (lambda call: call.say([{"type": "image"}]), "no text"),
    ],
)
def test_a_reply_that_is_no_completion_is_asked_for_again(behave, said):
    with serving(behave) as server:
        reply = ask(client_of(server.url, tries=2))
    assert reply.text is None
    assert said in reply.fault
    assert len(server.calls) == 2


def test_text_in_parts_and_half_surrogates_are_read():
    with serving(lambda call: call.say([{"type": "text", "text": "12122 \ud800"}])) as server:
        assert ask(client_of(server.url)).text == "12122 ?"


def test_a_server_that_is_not_there_is_a_fault():
    with serving(lambda call: call.say("x")) as server:
        url = server.url
    assert "no connection" in ask(client_of(url)).fault


def test_a_call_works_within_a_running_event_loop():
    import asyncio

    async def inside(url: str) -> str:
        return ask(client_of(url)).text

    with serving(lambda call: call.say("hello")) as server:
        assert asyncio.run(inside(server.url)) == "hello"
