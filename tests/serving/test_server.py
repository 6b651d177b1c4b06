"""The server as programs meet it, over real connections."""

import asyncio
import base64
import contextlib
import http.client
import io
import json
import socket
import threading
import time

import numpy as np
import pytest
from PIL import Image

from tf_i2i import serve
from tf_i2i.models import find_model
from tf_i2i.serving import app as serving
from tf_i2i.serving.batching import Batcher
from tf_i2i.serving.reading import Limits
from tf_i2i.serving.translator import Translator

SIZE = 16
LIMITS = Limits(bytes=8000, pixels=60 * 60, queue=4, seconds=0.5)


class Negative:
    """Stands for a trained translator: a_to_b negates, b_to_a copies."""

    size, size_multiple, fixed_size = SIZE, 4, False
    directions = ("a_to_b", "b_to_a")
    averaged_variables = ()

    def translate(self, images, direction, style=None):
        return -images if direction == "a_to_b" else images


class Gate:
    """Makes translations wait until it is opened."""

    def __init__(self, translate_fn):
        self.translate_fn, self.counts = translate_fn, []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, key, items):
        self.counts.append(len(items))
        assert self.open.wait(20)
        return self.translate_fn(key, items)


@contextlib.contextmanager
def running(translator):
    """Yields the port of a server that runs in a thread."""
    with serving.listen("127.0.0.1", 0) as listening:
        app = serving.build(translator, "a_to_b", LIMITS, batch_size=8)
        server = serving.server(app, listening)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}
        )
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def translator():
    for module in serving.MODULES:
        pytest.importorskip(module, reason="the extra `serve` is missing")
    return Translator(Negative())


@pytest.fixture(scope="module")
def gate(translator):
    translator.translate = Gate(translator.translate)
    return translator.translate


@pytest.fixture(scope="module")
def port(translator, gate):
    with running(translator) as port:
        yield port


def picture(height=20, width=SIZE, format="png", **options):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return pixels, stream.getvalue()


def ask(port, body, query="", kind="image/png", **headers):
    """Returns (status, headers, content) of the answer to an image."""
    path = f"/v1/translate{query}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        headers = {"Content-Type": kind, **headers}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def get(port, path, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read()


def pixels_of(content):
    return np.array(Image.open(io.BytesIO(content)))


def test_an_image_is_translated(port):
    pixels, content = picture()
    status, headers, answer = ask(port, content)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    np.testing.assert_array_equal(pixels_of(answer), 255 - pixels)
    _, headers, answer = ask(port, content, "?direction=b_to_a&format=webp")
    assert headers["Content-Type"] == "image/webp"
    assert pixels_of(answer).shape == pixels.shape
    _, large = picture(50, 40)
    _, _, answer = ask(port, large, "?size=input")
    assert pixels_of(answer).shape == (50, 40, 3)


def test_an_image_in_json(port):
    pixels, content = picture()
    order = {"image": base64.b64encode(content).decode(), "size": "input"}
    status, _, answer = ask(port, json.dumps(order), kind="application/json")
    told = json.loads(answer)
    assert status == 200
    assert (told["width"], told["height"], told["format"]) == (16, 20, "png")
    made = pixels_of(base64.b64decode(told["image"]))
    np.testing.assert_array_equal(made, 255 - pixels)


GOOD = picture()[1]
BASE64 = base64.b64encode(GOOD).decode()


@pytest.mark.parametrize(
    ("status", "body", "query", "kind"),
    [
        (400, b"nothing", "", "image/png"),
        (400, GOOD[:100], "", "image/png"),
        (400, GOOD, "?direction=up", "image/png"),
        (400, GOOD, "?size=huge", "image/png"),
        (400, GOOD, "?format=gif", "image/png"),
        (400, GOOD, "?seed=1", "image/png"),
        (400, GOOD, "?seed=one", "image/png"),
        (400, GOOD, "?sed=1", "image/png"),
        (400, picture(1, 40)[1], "", "image/png"),
        (400, "{", "", "application/json"),
        (400, "[" * 3000, "", "application/json"),
        (400, '{"image": 3}', "", "application/json"),
        (400, '{"image": "?"}', "", "application/json"),
        (413, bytes(8001), "", "image/png"),
        (413, picture(61, 61, "jpeg", quality=1)[1], "", "image/jpeg"),
        (415, GOOD, "", "text/plain"),
    ],
)
def test_wrong_requests(port, status, body, query, kind):
    given, _, answer = ask(port, body, query, kind)
    assert given == status
    assert json.loads(answer)["error"]


def test_a_body_that_grows_or_stops_is_refused(port):
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(
            b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1388\r\n" + bytes(5000) + b"\r\n1388\r\n" + bytes(5000) + b"\r\n"
        )
        assert b" 413 " in link.recv(100)
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(
            b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: image/png\r\nContent-Length: 100\r\n\r\nabc"
        )
        assert b" 408 " in link.recv(100)


def wait_for(condition):
    """Waits until a function returns a true value."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def in_progress(port):
    text = get(port, "/metrics")[1].decode()
    (line,) = [
        line
        for line in text.splitlines()
        if line.startswith("tf_i2i_requests_in_progress ")
    ]
    return float(line.split()[1])


def test_waiting_requests_share_a_batch_and_the_queue_is_limited(port, gate):
    gate.open.clear()
    gate.counts.clear()
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(port, GOOD)[0]))
        for _ in range(LIMITS.queue)
    ]
    threads[0].start()
    wait_for(lambda: gate.counts)
    for thread in threads[1:]:
        thread.start()
    wait_for(lambda: in_progress(port) == LIMITS.queue)
    status, headers, _ = ask(port, GOOD)
    assert (status, headers["Retry-After"]) == (429, "1")
    gate.open.set()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * LIMITS.queue
    assert sum(gate.counts) == LIMITS.queue
    assert len(gate.counts) < LIMITS.queue


def test_who_hangs_up_is_not_served(port, gate):
    gate.open.clear()
    gate.counts.clear()
    first = threading.Thread(target=ask, args=(port, GOOD))
    first.start()
    wait_for(lambda: gate.counts)
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(
            b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: image/png\r\n"
            b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
        )
        wait_for(lambda: in_progress(port) == 2)
    wait_for(lambda: in_progress(port) == 1)
    gate.open.set()
    first.join(20)
    assert gate.counts == [1]
    assert b'status="499"} 1' in get(port, "/metrics")[1]


def test_a_translation_that_fails_is_answered(port, gate, monkeypatch, capsys):
    def fail(key, items):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(gate, "translate_fn", fail)
        assert ask(port, GOOD)[0] == 500
    assert "out of memory" in capsys.readouterr().err
    assert ask(port, GOOD)[0] == 200


def test_what_operators_ask(port):
    assert get(port, "/healthz") == (200, b'{"status":"ok"}')
    ask(port, GOOD)
    status, text = get(port, "/metrics")
    assert status == 200
    assert b'tf_i2i_requests_total{status="200"}' in text
    status, text = get(port, "/openapi.json")
    operation = json.loads(text)["paths"]["/v1/translate"]["post"]
    fields = {parameter["name"] for parameter in operation["parameters"]}
    assert fields == {"direction", "size", "format"}
    assert "429" in operation["responses"]
    # The page of another site that leads its own name to this machine.
    assert get(port, "/healthz", host="elsewhere.example")[0] == 400


def test_batches_hold_one_key_and_the_longest_wait_is_first():
    batches = []

    def work(key, items):
        batches.append((key, items))
        return [item * 2 for item in items]

    async def scene():
        batcher = Batcher(work, batch_size=2)
        keys = "abaab"
        jobs = [
            asyncio.ensure_future(batcher.submit(key, i))
            for i, key in enumerate(keys)
        ]
        await asyncio.sleep(0)
        jobs[2].cancel()
        running = asyncio.create_task(batcher.run())
        kept = [job for i, job in enumerate(jobs) if i != 2]
        results = await asyncio.gather(*kept)
        running.cancel()
        return results

    assert asyncio.run(scene()) == [0, 2, 6, 8]
    assert batches == [("a", [0, 3]), ("b", [1, 4])]


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--batch_size=0", "--batch_size"),
        ("--queue=0", "--queue"),
        ("--timeout=nan", "--timeout"),
        ("--port=70000", "--port"),
        ("--host=192.0.2.1", "--port"),
        ("--direction=up", "--direction"),
    ],
)
def test_wrong_flags(translator, flag, argument, refuses):
    with refuses(argument):
        serve.main([f"--run_dir={find_model('cyclegan-toy')}", flag])
