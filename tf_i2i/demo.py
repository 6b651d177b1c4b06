"""python -m tf_i2i.demo: serves a page that runs an exported model.

    python -m tf_i2i.demo --model=face.tflite
    python -m tf_i2i.demo --model=face.tflite --model=back.tflite --port=8000

Serves one page to this machine. The model runs in the visitor's browser
(LiteRT.js, which npm installs once); no picture leaves it.
"""

import base64
import functools
import hashlib
import http.server
import json
from pathlib import Path

from tf_i2i import cli
from tf_i2i.errors import UserError

HOST = "127.0.0.1"
PACKAGE = "@litertjs"
_WEB = Path(__file__).parent / "web"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}
_LITE = b"TFL3"  # At byte 4 of every .tflite.


def main(argv):
    """Runs the verb: serves until Ctrl-C.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags, no LiteRT.js, or a port that is taken.
    """
    flags = _parser().parse_args(argv)
    pages = collect(flags.model, find_litert(flags.node_modules))
    with serve(pages, flags.port) as server:
        print(
            f"Open http://{HOST}:{server.server_port}/ in a browser of this "
            "machine; Ctrl-C ends it.",
            flush=True,
        )
        server.serve_forever()


def _parser():
    parser = cli.parser(
        "demo",
        "Serves a page, to this machine only, that runs exported .tflite "
        "models on the visitor's device. Needs LiteRT.js once: npm install "
        "@litertjs/core",
        [
            "python -m tf_i2i.demo --model=face.tflite",
            "python -m tf_i2i.demo --model=face.tflite --model=back.tflite "
            "--port=8000",
        ],
    )
    add = parser.add_argument
    add(
        "--model",
        required=True,
        action="append",
        help="a .tflite of python -m tf_i2i.export; twice for both directions",
    )
    add("--port", type=int, default=8000, help="0 for any that is free")
    add(
        "--node_modules",
        help="where npm installed @litertjs/core (default: node_modules of "
        "this folder or of one above)",
    )
    return parser


def find_litert(node_modules=None):
    """Returns the folder of LiteRT.js' npm packages.

    Args:
        node_modules: where to look; None for the current folder and those
            above.

    Raises:
        UserError: it is not there.
    """
    here = Path.cwd()
    places = [folder / "node_modules" for folder in (here, *here.parents)]
    if node_modules:
        places = [Path(node_modules)]
    for place in places:
        if (place / PACKAGE / "core/dist/index.js").is_file():
            return place / PACKAGE
    raise UserError(
        "`--node_modules` must hold LiteRT.js: npm install @litertjs/core, "
        f"once, with internet. Received: no {PACKAGE}/core in "
        f"{node_modules or f'node_modules of {here} or above'}"
    )


def collect(models, litert):
    """Returns everything that the server serves; it reads no other file.

    Args:
        models: paths of .tflite files; with `NAME.style.json` beside them
            where they take styles.
        litert: folder from `find_litert`.

    Returns:
        Dictionary, path of a URL -> path of a file, or bytes.

    Raises:
        UserError: a model that is none.
    """
    pages: dict[str, Path | bytes] = {
        f"/{file.name}": file for file in _WEB.iterdir()
    }
    pages["/"] = pages.pop("/index.html")
    for package in ("core/dist", "core/wasm", "wasm-utils/dist"):
        for file in sorted((litert / package).iterdir()):
            if file.suffix in (".js", ".wasm"):
                pages[f"/litert/{package}/{file.name}"] = file
    listed = []
    for number, name in enumerate(models):
        path = Path(name)
        url = f"/models/{number}.tflite"
        pages[url] = _checked(path)
        listed.append({"name": path.stem, "url": url, "styles": _styles(path)})
    pages["/models.json"] = json.dumps(listed).encode()
    return pages


def _checked(path):
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise UserError(
            "`--model` must be a .tflite of python -m tf_i2i.export. "
            f"Received: {path} ({error.strerror})"
        ) from error
    if head[4:] != _LITE:
        raise UserError(
            "`--model` must be a .tflite of python -m tf_i2i.export. "
            f"Received: {path}, which is something else"
        )
    return path


def _styles(path):
    beside = path.with_suffix(".style.json")
    return json.loads(beside.read_text()) if beside.is_file() else None


def serve(pages, port=0):
    """Returns a server of `pages` on 127.0.0.1 that is not yet serving.

    Args:
        pages: dictionary from `collect`.
        port: to listen on; 0 for any.

    Raises:
        UserError: the port cannot be had.
    """

    class Handler(_Handler):
        def __init__(self, *arguments):
            self.pages = pages
            super().__init__(*arguments)

    try:
        return http.server.ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            "`--port` must be free, from 1 to 65535, or 0 for any. "
            f"Received: --port={port} ({error})"
        ) from error


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD for the listed pages; refuses other sites."""

    pages: dict[str, Path | bytes]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tf_i2i", ""
    timeout = 60  # Seconds that a connection may be silent.

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
            content = page if isinstance(page, bytes) else page.read_bytes()
        except OSError:  # Gone since the start.
            self.send_error(404)
            return
        suffix = Path(name).suffix or ".html"
        self.send_response(200)
        self.send_header("Content-Type", _TYPES[suffix])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _is_ours(self):
        """Whether the request names this server and comes from its own page.

        A name of somebody else's that leads here would let that site's pages
        read what is served.
        """
        port = self.connection.getsockname()[1]
        names = (f"{HOST}:{port}", f"localhost:{port}")
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
    """Headers of every answer: they allow this page's own content only."""
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
    """Hash by which the policy allows the page's one inline script."""
    page = (_WEB / "index.html").read_text()
    _, _, rest = page.partition('<script type="importmap">')
    script = rest.partition("</script>")[0]
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


if __name__ == "__main__":
    cli.run(main)
