"""The web application of the server, and how it is run."""

import asyncio
import base64
import contextlib
import socket
import time

from tf_i2i import messages
from tf_i2i.errors import UserError
from tf_i2i.extras import optional
from tf_i2i.files import encode
from tf_i2i.serving.batching import Batcher
from tf_i2i.serving.openapi import description
from tf_i2i.serving.reading import FORMATS
from tf_i2i.serving.reading import Refusal
from tf_i2i.serving.reading import decode
from tf_i2i.serving.reading import read_order

EXTRA = "serve"
MODULES = ("starlette", "uvicorn", "prometheus_client")
# Host names that requests may have if the server accepts connections from this
# machine only. Otherwise another site could let its own host name point to this
# machine, and its pages could read the answers (DNS rebinding).
_LOCAL = ("127.0.0.1", "localhost")
# Largest number of connections, including idle ones.
_CONNECTIONS = 1024
# Status of a request whose client has closed the connection.
_GONE = 499


class Measures:
    """Counters and durations of the server, in the format of Prometheus."""

    def __init__(self):
        prometheus = optional("prometheus_client", EXTRA)
        self.registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "tf_i2i_requests",
            "Requests for a translation, by the status of the answer.",
            ["status"],
            registry=self.registry,
        )
        self.seconds = prometheus.Histogram(
            "tf_i2i_request_seconds",
            "Time from the headers of a request to its answer.",
            registry=self.registry,
        )
        self.batches = prometheus.Histogram(
            "tf_i2i_batch_images",
            "Images that were translated together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.in_progress = prometheus.Gauge(
            "tf_i2i_requests_in_progress",
            "Requests that are being received or wait for their translation.",
            registry=self.registry,
        )


def build(translator, direction, limits, batch_size):
    """Returns the server's application, for any ASGI server.

    `POST /v1/translate` translates an image; `description` documents it at
    `/openapi.json`. `/healthz` has the status 200 while translations are
    possible, and 503 when they are not. `/metrics` has the numbers of
    `Measures`.

    Args:
        translator: `Translator`.
        direction: direction for requests that do not name a direction.
        limits: `Limits`.
        batch_size: largest number of images that are translated together.

    Raises:
        UserError: the extra `serve` is not installed.
    """
    applications = optional("starlette.applications", EXTRA)
    responses = optional("starlette.responses", EXTRA)
    routing = optional("starlette.routing", EXTRA)
    exposition = optional("prometheus_client.exposition", EXTRA)
    measures = Measures()

    def work(key, items):
        measures.batches.observe(len(items))
        return translator.translate(key, items)

    batcher = Batcher(work, batch_size)
    desk = _Desk(translator, batcher, direction, limits, measures)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        running = asyncio.create_task(batcher.run())
        app.state.running = running
        yield
        running.cancel()

    async def healthz(request):
        ended = request.app.state.running.done()
        return responses.JSONResponse(
            {"status": "stopped" if ended else "ok"}, 503 if ended else 200
        )

    async def metrics(request):
        return responses.Response(
            exposition.generate_latest(measures.registry),
            media_type=exposition.CONTENT_TYPE_LATEST,
        )

    async def openapi(request):
        return responses.JSONResponse(
            description(
                translator.directions,
                translator.styled_directions,
                direction,
                limits,
            )
        )

    return applications.Starlette(
        lifespan=lifespan,
        routes=[
            routing.Route("/v1/translate", desk.translate, methods=["POST"]),
            routing.Route("/healthz", healthz),
            routing.Route("/metrics", metrics),
            routing.Route("/openapi.json", openapi),
        ],
    )


class _Desk:
    """Answers requests for translations."""

    def __init__(self, translator, batcher, direction, limits, measures):
        self._translator, self._batcher = translator, batcher
        self._direction, self._limits = direction, limits
        self._measures = measures
        self._in_progress = 0

    async def translate(self, request):
        """Returns the response to a request."""
        measures, begun = self._measures, time.monotonic()
        with measures.in_progress.track_inprogress():
            response = await self._answer(request)
        measures.requests.labels(response.status_code).inc()
        measures.seconds.observe(time.monotonic() - begun)
        return response

    async def _answer(self, request):
        responses = optional("starlette.responses", EXTRA)
        requests = optional("starlette.requests", EXTRA)
        if self._in_progress >= self._limits.queue:
            return responses.JSONResponse(
                {"error": "The queue is full. Send the request again later."},
                429,
                {"Retry-After": "1"},
            )
        self._in_progress += 1
        try:
            kind, content = await self._translated(request)
        except Refusal as refusal:
            # The rest of the request is not read. Therefore the connection
            # cannot be used for another request.
            return responses.JSONResponse(
                {"error": refusal.message},
                refusal.status,
                {"Connection": "close"},
            )
        except requests.ClientDisconnect:
            return responses.Response(status_code=_GONE)
        except Exception as error:
            messages.warning(f"a translation failed: {error!r}")
            return responses.JSONResponse(
                {"error": "The translation failed."}, 500
            )
        finally:
            self._in_progress -= 1
        if isinstance(content, dict):
            return responses.JSONResponse(content)
        return responses.Response(content, media_type=kind)

    async def _translated(self, request):
        """Returns `(media type, content)` of the answer.

        The content is bytes of an image, or a dictionary for JSON.

        Raises:
            Refusal: the request is wrong.
            ClientDisconnect: the client closed the connection.
        """
        order = await read_order(
            request,
            self._translator.directions,
            self._direction,
            self._limits,
        )
        key, item = await asyncio.to_thread(self._prepare, order)
        made = await _while_connected(request, self._batcher.submit(key, item))
        image, content = await asyncio.to_thread(
            self._encode, made, item, order
        )
        if not order.json:
            return FORMATS[order.format], content
        height, width = image.shape[:2]
        return "", {
            "image": base64.b64encode(content).decode(),
            "format": order.format,
            "width": width,
            "height": height,
        }

    def _prepare(self, order):
        image = decode(order.content, self._limits)
        try:
            return self._translator.prepare(image, order.options)
        except UserError as error:
            raise Refusal(400, str(error)) from error

    def _encode(self, made, item, order):
        image = self._translator.finish(made, item, order.options)
        return image, encode(image, order.format)


async def _while_connected(request, work):
    """Returns the result of a coroutine; cancels it if the client leaves.

    Args:
        request: Starlette's `Request`, whose body was read.
        work: coroutine.

    Raises:
        ClientDisconnect: the client closed the connection.
    """
    job = asyncio.ensure_future(work)
    # The next message after the body says that the client has disconnected.
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((job, gone), return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        raise optional("starlette.requests", EXTRA).ClientDisconnect
    finally:
        job.cancel()
        gone.cancel()


def listen(host, port):
    """Returns a socket that listens to a host and a port.

    Args:
        host: name or address of this machine.
        port: number of the port, 0 for any free port.

    Raises:
        UserError: the address does not belong to this machine, or the port
            is in use or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if not 0 <= port < 2**16:
            raise OSError("There is no such port.")
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            "`--port` must be a free port from 1 to 65535, or 0 for any, of "
            f"a host of this machine. Received: --host={host}, --port={port} "
            f"({error})"
        ) from error
    # Connections inherit this option. Without it, the second part of an answer
    # would wait 40 ms for the client to confirm the first part.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def server(app, listening):
    """Returns the web server of an application.

    The method `run(sockets=[listening])` of the result serves until the process
    receives SIGINT or SIGTERM. Requests in progress are then answered.

    Args:
        app: result of `build`.
        listening: socket from `listen`. If it listens to this machine only,
            requests must name this machine as their host.
    """
    uvicorn = optional("uvicorn", EXTRA)
    host = listening.getsockname()[0]
    if host in _LOCAL:
        trusted = optional("starlette.middleware.trustedhost", EXTRA)
        app.add_middleware(
            trusted.TrustedHostMiddleware, allowed_hosts=list(_LOCAL)
        )
    return uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="on",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=10,
        )
    )
