"""Measures the server under load, or sends it many wrong requests at once.

    pip install 'tf-i2i[serve]'
    python benchmarks/serving.py --model=twingan-toy
    python benchmarks/serving.py --model=twingan-toy --attack

A new server is started for each row of the table. Clients in one further
process send the same photo again and again, each over one connection, and wait
for each answer. A server with `--batch_size=1` translates one image at a time.
Clients and server share the cores of this machine.

With `--attack`, 200 clients at the same time send images, images that are cut
off, text, and requests whose connections they close at once. The command fails
if a request with an image is not answered by 200 or 429, or if the server does
not translate afterwards.
"""

import argparse
import collections
import contextlib
import http.client
import io
import re
import statistics
import subprocess
import sys
import threading
import time

import numpy as np
from PIL import Image

from tf_i2i.data.reading import read_image
from tf_i2i.data.sample_portraits import FOLDER

CLIENTS, BATCHES = (1, 8, 64), (1, 8)
ATTACKERS, REQUESTS = 200, 6


def main(argv):
    args = _parser().parse_args(argv)
    photo = _photo(args.side)
    if args.attack:
        with served(args.model, "--timeout=5") as port:
            attack(port, photo)
        return
    print("| batch | clients | images/s | median ms | p99 ms |")
    print("| --- | --- | --- | --- | --- |")
    for clients in CLIENTS:
        for batch in BATCHES:
            flags = (f"--batch_size={batch}", "--queue=256")
            with served(args.model, *flags) as port:
                times = load(port, photo, clients, args.seconds)
            p99 = 1e3 * np.percentile(times, 99)
            print(
                f"| {batch} | {clients} | {len(times) / args.seconds:.1f} | "
                f"{1e3 * statistics.median(times):.0f} | {p99:.0f} |",
                flush=True,
            )


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", default="twingan-toy")
    add("--side", type=int, default=256, help="side of the photo in pixels")
    add("--seconds", type=float, default=8, help="time for each row")
    add("--attack", action="store_true")
    return parser


def _photo(side):
    """Returns a portrait of the package as the bytes of a JPEG file."""
    pixels = read_image(sorted(FOLDER.glob("*.jpg"))[0])
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(stream, "jpeg")
    return stream.getvalue()


@contextlib.contextmanager
def served(model, *flags):
    """Starts a server in a process, and yields its port."""
    command = [sys.executable, "-m", "tf_i2i.serve", f"--model={model}"]
    process = subprocess.Popen(
        [*command, "--port=0", *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        port = re.search(r":(\d+)/", process.stdout.readline())[1]
        yield int(port)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def send(connection, body):
    """Sends a body, and returns the status of the answer."""
    headers = {"Content-Type": "image/jpeg"}
    connection.request("POST", "/v1/translate", body, headers)
    response = connection.getresponse()
    response.read()
    return response.status


def connect(port):
    return contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    )


def at_once(count, work):
    """Runs a function of a number in `count` threads."""
    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def load(port, photo, clients, seconds):
    """Returns the seconds that each request took."""
    with connect(port) as connection:
        for _ in range(3):
            send(connection, photo)
    times, until = [], time.monotonic() + seconds

    def client(_):
        with connect(port) as connection:
            while (begun := time.monotonic()) < until:
                status = send(connection, photo)
                assert status == 200, status
                times.append(time.monotonic() - begun)

    at_once(clients, client)
    return times


def attack(port, photo):
    """Sends good and bad requests at once, and prints the answers to them."""
    kinds = {"image": photo, "cut off": photo[: len(photo) // 2], "text": b"x"}
    answers = collections.Counter()

    def client(number):
        for i in range(REQUESTS):
            kind = ["image", "hang up", *kinds][(number + i) % 5]
            with connect(port) as connection:
                if kind == "hang up":
                    connection.connect()
                    connection.putrequest("POST", "/v1/translate")
                    connection.putheader("Content-Type", "image/jpeg")
                    connection.putheader("Content-Length", str(len(photo)))
                    connection.endheaders(photo)
                    answers[kind, "-"] += 1
                    continue
                answers[kind, send(connection, kinds[kind])] += 1

    begun = time.monotonic()
    at_once(ATTACKERS, client)
    for (kind, status), count in sorted(answers.items(), key=str):
        print(f"{kind:8} {status} {count}")
    print(f"{answers.total()} requests in {time.monotonic() - begun:.1f} s")
    assert answers.total() == ATTACKERS * REQUESTS
    assert {s for k, s in answers if k == "image"} <= {200, 429}
    with connect(port) as connection:
        while (status := send(connection, photo)) == 429:
            time.sleep(0.1)
        connection.request("GET", "/metrics")
        measures = connection.getresponse().read().decode()
    assert status == 200
    assert "requests_in_progress 0.0" in measures


if __name__ == "__main__":
    main(sys.argv[1:])
