"""python -m tf_i2i.demo: serves a page that runs an exported model.

    python -m tf_i2i.demo --model=face.tflite
    python -m tf_i2i.demo --model=face.tflite --model=back.tflite --port=8000
    python -m tf_i2i.demo --model=face.tflite --faces --output=page/

The page is served to browsers on this machine only, or written to a folder. The
model runs in the visitor's browser with LiteRT.js, which must be installed once
by npm. With `--faces`, the page finds the faces in a picture, as
`translate --faces` does. Images are not sent anywhere.
"""

import base64
import functools
import hashlib
import http.client
import http.server
import io
import json
import os
import shutil
import socket
import sys
import threading
from pathlib import Path

from tf_i2i import cli
from tf_i2i import process
from tf_i2i.disk import format_bytes
from tf_i2i.disk import size_on_disk
from tf_i2i.disk import writing
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.exporting import placement
from tf_i2i.faces.align import check_margin
from tf_i2i.foreign_files import open_regular
from tf_i2i.foreign_files import read_json

HOST = "127.0.0.1"
PACKAGE = "@litertjs"
# The npm package with the networks that find faces (Apache-2.0, Google).
FINDERS = "@mediapipe/face_detection"
_WEB = Path(__file__).parent / "web"
_SCRIPT = "text/javascript; charset=utf-8"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": _SCRIPT,
    ".mjs": _SCRIPT,
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}
# Largest number of connections at a time. A browser opens about six.
_MOST_CONNECTIONS = 32
_LITE = b"TFL3"  # The content of bytes 4 to 7 of every .tflite file.


@process.unchanged()
def main(argv):
    """Runs the command, which serves the page until Ctrl-C.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, a missing npm package, a port that is in use,
            or a folder that cannot be written.
    """
    flags = _parser().parse_args(argv)
    litert = find_litert(flags.node_modules)
    finders = find_finders(flags.node_modules) if flags.faces else None
    pages = collect(flags.model, litert, finders)
    if flags.output:
        size = write(pages, flags.output)
        print(f"Wrote {printable(flags.output)} ({format_bytes(size)}).")
        return
    with serve(pages, flags.port) as server:
        print(
            f"Open http://{HOST}:{server.server_port}/ in a browser of this "
            "machine; Ctrl-C stops the server.",
            flush=True,
        )
        with process.serving():
            server.serve_forever()


def _parser():
    parser = cli.parser(
        "demo",
        "Serves a page, to browsers on this machine only, that runs exported "
        ".tflite models in the browser. It needs LiteRT.js, which is "
        "installed once by: npm install @litertjs/core",
        [
            "python -m tf_i2i.demo --model=face.tflite",
            "python -m tf_i2i.demo --model=face.tflite --model=back.tflite "
            "--port=8000",
            "python -m tf_i2i.demo --model=face.tflite --faces --output=page/",
        ],
    )
    add = parser.add_argument
    add(
        "--model",
        type=cli.read_path,
        required=True,
        action="append",
        help=".tflite file from python -m tf_i2i.export; may be repeated, for "
        "example for the two directions",
    )
    cli.add_port_flag(add)
    add(
        "--faces",
        action="store_true",
        help="let the page find the faces of people, translate them and paste "
        f"them back; needs: npm install {FINDERS}",
    )
    add(
        "--output",
        type=cli.write_path,
        metavar="FOLDER",
        help="new or empty folder to which the page and all that it needs are "
        "written, for a web server of your own, instead of serving them",
    )
    add(
        "--node_modules",
        type=cli.read_path,
        help="folder node_modules in which npm installed the packages "
        "(default: that of the current folder or of a folder above it)",
    )
    return parser


def find_litert(node_modules=None):
    """Returns the folder of LiteRT.js' npm packages.

    Args:
        node_modules: path of the folder `node_modules`; None to search the
            current folder and the folders above it.

    Raises:
        UserError: LiteRT.js is not installed there.
    """
    found = _find(node_modules, PACKAGE, "core/dist/index.js")
    if found is None:
        raise _missing(node_modules, f"{PACKAGE}/core")
    return found


def find_finders(node_modules=None):
    """Returns the folder of the npm package with the networks that find faces.

    Args:
        node_modules: see `find_litert`.

    Raises:
        UserError: the package is not installed there.
    """
    found = _find(node_modules, FINDERS, _finder("full"))
    if found is None:
        raise _missing(node_modules, FINDERS)
    return found


def _finder(kind):
    """Returns the name of a file in the package `FINDERS`.

    Args:
        kind: "short" for the network that finds faces that fill the image,
            "full" for the network that also finds smaller faces.
    """
    return f"face_detection_{kind}_range.tflite"


def _find(node_modules, package, file):
    """Returns the folder of an npm package that contains a file, or None."""
    here = Path.cwd()
    places = [folder / "node_modules" for folder in (here, *here.parents)]
    if node_modules:
        places = [Path(node_modules)]
    folders = (place / package for place in places)
    return next((one for one in folders if (one / file).is_file()), None)


def _missing(node_modules, package):
    return UserError(
        f"`--node_modules` must hold {package}; install it once by: npm "
        f"install {package}. Received: no {package} in "
        f"{node_modules or f'node_modules of {Path.cwd()} or above'}"
    )


def collect(models, litert, finders=None):
    """Returns everything that the server serves; other files are not served.

    Args:
        models: paths of .tflite files. A model with styles has a file
            `NAME.tflite.style.json` next to it. A model of faces may have a
            file `NAME.tflite.face.json` with the margin around the face.
        litert: folder from `find_litert`.
        finders: folder from `find_finders`; None if the page does not look for
            faces.

    Returns:
        Dictionary from the path of each URL to the path of a file, or to the
        content as bytes.

    Raises:
        UserError: a file of `models` is missing or is not a .tflite file.
    """
    pages: dict[str, Path | bytes] = {
        f"/{file.name}": file for file in _WEB.iterdir()
    }
    pages["/"] = pages.pop("/index.html")
    for package, folder in (
        ("core", "dist"),
        ("core", "wasm"),
        ("wasm-utils", "dist"),
    ):
        # Some package managers install a package as a link to its folder. Links
        # inside the package must not lead out of it.
        root = (litert / package).resolve()
        for file in sorted((root / folder).iterdir()):
            real = file.resolve()
            if file.suffix in (".js", ".wasm") and real.is_relative_to(root):
                pages[f"/litert/{package}/{folder}/{file.name}"] = real
    for kind in ("short", "full") if finders else ():
        pages[f"/faces/{kind}.tflite"] = finders / _finder(kind)
    listed = []
    for number, name in enumerate(models):
        path = Path(name)
        url = f"models/{number}.tflite"
        _check_model(path)
        pages[f"/{url}"] = path
        listed.append(
            {
                "name": path.stem,
                "url": url,
                "styles": _read_sidecar(path, placement.STYLE),
                "margin": _face_margin(path) if finders else None,
            }
        )
    pages["/models.json"] = json.dumps(listed).encode()
    return pages


def _check_model(path):
    """Raises a `UserError` unless the file is a .tflite file."""
    try:
        with open_regular(path) as file:
            head = file.read(8)
    except OSError as error:
        raise UserError(
            "`--model` must be a .tflite file from python -m tf_i2i.export. "
            f"Received: {path} ({error.strerror})"
        ) from error
    if head[4:] != _LITE:
        raise UserError(
            "`--model` must be a .tflite file from python -m tf_i2i.export. "
            f"Received: {path}, which is not a .tflite file"
        )


def _read_sidecar(path, name):
    """Returns the content of a JSON file beside a model, or None."""
    beside = placement.sidecar(path, name)
    if not beside.exists():
        return None
    try:
        return read_json(beside)
    except (OSError, ValueError) as error:
        raise UserError(
            f"`--model` must not have a damaged file {beside.name} beside it. "
            f"Export the model again. Received: {beside} ({error})"
        ) from error


def _face_margin(path):
    about = _read_sidecar(path, placement.FACE)
    return check_margin(about and about["margin"], placement.FACE)


def write(pages, folder):
    """Writes all pages to a folder, for any web server.

    Args:
        pages: dictionary from `collect`.
        folder: path of a folder, which is new or empty.

    Returns:
        Number of bytes that were written.

    Raises:
        UserError: the folder has content, or cannot be written.
    """
    root = Path(folder)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise UserError(
            "`--output` must be a new or an empty folder. Received: "
            f"{printable(folder)}"
        )
    with writing(root):
        for name, page in pages.items():
            target = root / (name.removeprefix("/") or "index.html")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = page if isinstance(page, bytes) else page.read_bytes()
            target.write_bytes(content)
    return size_on_disk(root)


def serve(pages, port=0):
    """Returns a server of `pages` on 127.0.0.1 that is not yet serving.

    Args:
        pages: dictionary from `collect`.
        port: port to listen on; 0 for any free port.

    Raises:
        UserError: the port is in use or not allowed.
    """

    class Handler(_Handler):
        def __init__(self, *arguments):
            self.pages = pages
            super().__init__(*arguments)

    try:
        return _Server((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            "`--port` must be a free port from 1 to 65535, or 0 for any. "
            f"Received: --port={port} ({error})"
        ) from error


class _Server(http.server.ThreadingHTTPServer):
    """A server with a limited number of connections.

    If there are too many connections, the oldest one is closed. Therefore slow
    or unused connections can neither fill the memory nor prevent new
    connections.
    """

    request_queue_size = 128

    def __init__(self, *arguments):
        self._connections = []
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        with self._lock:
            while len(self._connections) >= _MOST_CONNECTIONS:
                _end(self._connections.pop(0))
            self._connections.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self._lock:
            if request in self._connections:
                self._connections.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        # Browsers close connections at any time, which is no error.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _end(connection):
    """Ends a connection, so that the thread that uses it ends, too."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The connection is closed already.
        return


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD requests; refuses requests from other sites."""

    pages: dict[str, Path | bytes]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tf_i2i", ""
    # Seconds without traffic after which a connection is closed.
    timeout = 20

    def do_GET(self):
        self._answer(with_body=True)

    def do_HEAD(self):
        self._answer(with_body=False)

    def _answer(self, with_body):
        if not self._is_ours():
            self.send_error(403)
            return
        name = self.path.partition("?")[0]
        if name not in self.pages:
            self.send_error(404)
            return
        page = self.pages[name]
        try:
            stream = (
                io.BytesIO(page)
                if isinstance(page, bytes)
                else open_regular(page)
            )
        except OSError:
            # The file was removed after the server had started.
            self.send_error(404)
            return
        with stream:
            self._send(stream, _TYPES[Path(name).suffix or ".html"], with_body)

    def _send(self, stream, kind, with_body):
        """Sends a page in small parts, so that it is never whole in memory."""
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if with_body:
            shutil.copyfileobj(stream, self.wfile)

    def _is_ours(self):
        """Returns whether a request names this server and comes from its page.

        Without the check of the name, the owner of another site could make the
        host name of that site point to this machine. The pages of that site
        could then read the served files (DNS rebinding).
        """
        port = self.connection.getsockname()[1]
        names = {f"{HOST}:{port}", f"localhost:{port}"}
        if port == http.client.HTTP_PORT:
            # Browsers leave out the usual port.
            names |= {HOST, "localhost"}
        site = self.headers.get("Sec-Fetch-Site", "none")
        return self.headers.get("Host") in names and site in (
            "none",
            "same-origin",
        )

    def end_headers(self):
        for name, value in headers().items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments):
        """Logs nothing, to protect the visitors' privacy."""


@functools.cache
def headers():
    """Returns the headers of all responses.

    These headers forbid the page to load anything from other servers.
    """
    return {
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'none'",
                f"script-src 'self' 'wasm-unsafe-eval' '{_import_map_hash()}'",
                "style-src 'self'",
                "connect-src 'self'",
                "img-src 'self' blob: data:",
                "media-src 'self' blob:",
                "worker-src 'self' blob:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _import_map_hash():
    """Returns the hash that lets the security policy allow an inline script."""
    page = (_WEB / "index.html").read_text("utf-8")
    _, _, rest = page.partition('<script type="importmap">')
    script = rest.partition("</script>")[0]
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


if __name__ == "__main__":
    cli.run(main)
