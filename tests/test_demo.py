"""The page, its server, and what a browser makes of a model."""

import json
import os
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_i2i import demo
from tf_i2i.data import sample_portraits
from tf_i2i.errors import UserError
from tf_i2i.exporting.placement import sidecar
from tf_i2i.faces import align

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def litert(tmp_path):
    """The packages of npm as far as their names."""
    folder = tmp_path / "node_modules" / demo.PACKAGE
    for name in ("core/dist/index.js", "core/wasm/a.wasm"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "wasm-utils/dist").mkdir(parents=True)
    (folder / "core/dist/index.d.ts").touch()
    return folder


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "face.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3 and so on")
    return path


def serving(pages):
    """A server that serves; to be closed."""
    server = demo.serve(pages)
    threading.Thread(
        target=server.serve_forever, args=(0.02,), daemon=True
    ).start()
    return server


@pytest.fixture
def server(litert, model):
    with serving(demo.collect([str(model)], litert)) as running:
        yield running
        running.shutdown()


def ask(server, path, **headers):
    """Status, headers and content of an answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.server_port}{path}",
        headers={name.replace("_", "-"): v for name, v in headers.items()},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_the_page_and_its_parts_are_served(server, model):
    status, headers, page = ask(server, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    for name in re.findall(rb'(?:href|src)="([\w.]+)"', page):
        assert ask(server, f"/{name.decode()}")[0] == 200
    (listed,) = json.loads(ask(server, "/models.json")[2])
    assert listed == {
        "name": "face",
        "url": "models/0.tflite",
        "styles": None,
        "margin": None,
    }
    assert ask(server, f"/{listed['url']}")[2] == model.read_bytes()
    wasm = ask(server, "/litert/core/wasm/a.wasm?x=1")
    assert wasm[1]["Content-Type"] == "application/wasm"


@pytest.mark.parametrize(
    "path",
    [
        "/demo.py",
        "/../demo.py",
        "/..%2fdemo.py",
        "/litert/../../face.tflite",
        "//etc/passwd",
        "/etc/passwd",
        "/models/1.tflite",
        "/litert/core/dist/index.d.ts",
    ],
)
def test_nothing_else_of_the_disk_is(server, path):
    status, _, content = ask(server, path)
    assert status == 404
    assert b"TFL3" not in content


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_sites_get_nothing(server, headers):
    status, _, content = ask(server, "/models/0.tflite", **headers)
    assert status == 403
    assert b"TFL3" not in content


@pytest.mark.parametrize("path", ["/", "/app.js", "/nowhere"])
def test_every_answer_locks_the_page_up(server, path):
    _, headers, _ = ask(server, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in policy


def test_it_listens_to_this_machine_only(server, refuses):
    assert server.server_address[0] == "127.0.0.1"
    with refuses("--port"):
        demo.serve({}, server.server_port)


def test_what_is_missing_is_named(tmp_path, model, litert, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert demo.find_litert() == litert
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="npm install @litertjs/core"):
        demo.find_litert(tmp_path / "empty")
    with pytest.raises(UserError, match=r"which is not a \.tflite file"):
        demo.collect([__file__], litert)
    with pytest.raises(UserError, match="No such file"):
        demo.collect([str(tmp_path / "no.tflite")], litert)
    sidecar(model, "style.json").write_text('{"samples": [[1.0]]}')
    pages = demo.collect([str(model)], litert)
    (listed,) = json.loads(pages["/models.json"])
    assert listed["styles"] == {"samples": [[1.0]]}


@pytest.fixture
def finders(litert):
    """The npm package with the finders, as far as the names of its files."""
    folder = litert.parent / demo.FINDERS
    folder.mkdir(parents=True)
    for kind in ("short", "full"):
        (folder / f"face_detection_{kind}_range.tflite").write_text(kind)
    return folder


def test_missing_finders_are_named(litert, refuses):
    with refuses("--node_modules"):
        demo.find_finders(litert.parent)


def test_a_page_that_finds_faces(model, litert, finders, refuses):
    assert demo.find_finders(litert.parent) == finders
    sidecar(model, "face.json").write_text('{"margin": 0.45}')
    plain = model.with_name("plain.tflite")
    plain.write_bytes(model.read_bytes())
    pages = demo.collect([model, plain], litert, finders)
    margins = [one["margin"] for one in json.loads(pages["/models.json"])]
    assert margins == [0.45, align.MARGIN]
    assert pages["/faces/full.tflite"].read_text() == "full"
    sidecar(model, "face.json").write_text('{"margin": 99}')
    with refuses("face.json"):
        demo.collect([model], litert, finders)


def test_a_page_is_written_to_a_folder(tmp_path, model, litert, refuses):
    pages = demo.collect([model], litert)
    folder = tmp_path / "page"
    size = demo.write(pages, folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == len(pages)
    assert size == sum(file.stat().st_size for file in files)
    assert (folder / "models/0.tflite").read_bytes() == model.read_bytes()
    page = (folder / "index.html").read_text()
    assert '"/' not in page  # The page may lie in a folder of a site.
    with refuses("--output"):
        demo.write(pages, folder)


# In a browser.


def node_modules(find=demo.find_litert):
    try:
        return find()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def page():
    """A page of headless Chromium."""
    litert = node_modules()
    api = pytest.importorskip(
        "playwright.sync_api", reason="the extra `browser` is missing"
    )
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--use-fake-device-for-media-stream"],
        )
        yield browser.new_page(), litert
        browser.close()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The TwinGAN of the toy faces, both ways."""
    from tf_i2i import exporting
    from tf_i2i.runs import load_translator

    run_dir = Path(demo.__file__).parent / "models" / "twingan_toy"
    run = load_translator(run_dir)
    folder = tmp_path_factory.mktemp("exported")
    paths = []
    for direction in ("a_to_b", "b_to_a"):
        paths.append(folder / f"{direction}.tflite")
        exporting.export_tflite(run.model, paths[-1], direction)
    return paths, run.images("a", "test", 1)[0]


def shown(page, canvas):
    """uint8 `[size, size, 3]` of a canvas on the page."""
    side, data = page.evaluate(
        """(id) => {
            const canvas = document.getElementById(id);
            const {width} = canvas;
            const context = canvas.getContext('2d');
            const {data} = context.getImageData(0, 0, width, width);
            return [width, [...data]];
        }""",
        canvas,
    )
    return np.uint8(data).reshape(side, side, 4)[..., :3]


def wait_for(page, count):
    """Until so many translations were shown; the policy allows no eval."""
    for _ in range(600):
        if int(page.get_attribute("body", "data-shown") or 0) >= count:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"no translation: {page.inner_text('#status')}")


@pytest.mark.slow
def test_the_page_computes_what_litert_does(page, exported, tmp_path):
    page, litert = page
    paths, image = exported
    from tf_i2i import exporting

    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    said = []  # The runtime calls all that it says an error.
    page.on("console", lambda message: said.append(message.text))
    Image.fromarray(image).save(tmp_path / "me.png")
    (tmp_path / "not.jpg").write_text("no picture")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with serving(demo.collect(list(map(str, paths)), litert)) as server:
        home = f"http://127.0.0.1:{server.server_port}/"
        page.goto(home)
        page.wait_for_selector("body[data-ready]", timeout=120_000)

        page.set_input_files("#file", tmp_path / "not.jpg")
        page.wait_for_selector("#status.alarm")
        assert "not.jpg is not a picture" in page.inner_text("#status")

        page.set_input_files("#file", tmp_path / "me.png")
        wait_for(page, 1)
        assert np.array_equal(shown(page, "before"), image)
        for number, path in enumerate(paths):
            if number:
                page.select_option("#direction", str(number))
                wait_for(page, 2)
            wanted = exporting.load_tflite(path)(image[None])[0]
            apart = np.int32(shown(page, "after")) - np.int32(wanted)
            assert np.abs(apart).max() <= 1
            assert np.std(wanted) > 10
        assert re.fullmatch(r"[\d.]+ ms", page.inner_text("#time"))

        # By keyboard: smaller, and along; only what is inside is given.
        page.focus("#crop")
        page.keyboard.press("-")
        wait_for(page, 3)
        page.keyboard.press("ArrowRight")
        wait_for(page, 4)
        assert not np.array_equal(shown(page, "before"), image)
        with page.expect_download() as download:
            page.click("#download")
        saved = np.array(Image.open(download.value.path()).convert("RGB"))
        assert np.array_equal(saved, shown(page, "after"))
        server.shutdown()
    outside = [u for u in asked if not u.startswith((home, "blob:", "data:"))]
    assert outside == []
    refused = [line for line in said if "Security Policy" in line]
    assert complaints + refused == []


@pytest.mark.slow
def test_the_page_pastes_the_translated_face(page, exported):
    page, litert = page
    finders = node_modules(demo.find_finders)
    paths, _ = exported
    pages = demo.collect([str(paths[0])], litert, finders)
    portrait = sample_portraits.portraits()[0]
    photo = np.array(Image.open(portrait).convert("RGB"))
    with serving(pages) as server:
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        page.set_input_files("#file", portrait)
        wait_for(page, 1)
        assert page.is_hidden("#crop")
        before, after = shown(page, "before"), shown(page, "after")
        page.select_option("#shown", "square")
        wait_for(page, 2)
        assert page.is_visible("#crop")
        server.shutdown()
    assert np.array_equal(before, photo)
    changed = np.abs(after.astype(int) - before).max(-1) > 20
    # The face lies in the middle of the picture, and its border is kept.
    assert 0.05 < changed.mean() < 0.7
    height, width = changed.shape
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() / height - 0.5) < 0.2
    assert abs(columns.mean() / width - 0.5) < 0.2


# Hostile visitors and packages.


@pytest.mark.parametrize(
    ("port", "host", "ours"),
    [
        (80, "127.0.0.1", True),
        (80, "localhost", True),
        (80, "localhost:80", True),
        (80, "evil.example", False),
        (8000, "localhost", False),
    ],
)
def test_browsers_leave_out_port_80(port, host, ours):
    handler = SimpleNamespace(
        connection=SimpleNamespace(getsockname=lambda: ("127.0.0.1", port)),
        headers={"Host": host},
    )
    assert demo._Handler._is_ours(handler) == ours


def test_slow_connections_keep_nobody_out(server, model, monkeypatch):
    monkeypatch.setattr(demo, "_MOST_CONNECTIONS", 4)
    place = ("127.0.0.1", server.server_port)
    before = threading.active_count()
    slow = [socket.create_connection(place) for _ in range(30)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    assert ask(server, "/models/0.tflite")[2] == model.read_bytes()
    for _ in range(200):
        if threading.active_count() <= before + 4:
            break
        time.sleep(0.01)
    assert threading.active_count() <= before + 4
    for connection in slow:
        connection.close()


def test_unread_answers_are_not_kept_in_memory(server, model):
    """The file is read only as far as the visitor takes it."""
    os.truncate(model, 10**12)  # It needs no space.
    with socket.create_connection(("127.0.0.1", server.server_port)) as slow:
        host = f"127.0.0.1:{server.server_port}"
        slow.sendall(
            f"GET /models/0.tflite HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        )
        assert b"Content-Length: 1000000000000" in slow.recv(10**4)


def test_visitors_who_leave_cause_no_traceback(server, model, capfd):
    os.truncate(model, 10**9)
    host = f"127.0.0.1:{server.server_port}"
    request = f"GET /models/0.tflite HTTP/1.1\r\nHost: {host}\r\n\r\n"
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", server.server_port)) as visitor:
        visitor.sendall(request.encode())
        visitor.recv(10)
    for _ in range(200):
        if threading.active_count() <= before:
            break
        time.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_links_out_of_a_package_are_not_served(litert, model, tmp_path):
    (tmp_path / "secret.js").write_text("secret")
    (litert / "core/dist/secret.js").symlink_to(tmp_path / "secret.js")
    (litert / "core/dist/inside.js").symlink_to("index.js")
    # Some package managers make the package itself a link.
    (litert / "core").rename(tmp_path / "store")
    (litert / "core").symlink_to(tmp_path / "store")
    pages = demo.collect([str(model)], litert)
    assert "/litert/core/dist/index.js" in pages
    assert "/litert/core/dist/inside.js" in pages
    assert "/litert/core/dist/secret.js" not in pages
