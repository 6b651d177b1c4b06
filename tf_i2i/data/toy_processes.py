"""Draws many toy faces in several processes, one for each processor core.

With threads of one process, NumPy's small operations would not use several
cores. The processes run this file with Python's interpreter. `multiprocessing`
is not used, because it would run the user's script again, unless the script has
the line `if __name__ == "__main__"`.
"""

import contextlib
import math
import os
import subprocess
import sys
from typing import IO
from typing import cast

import numpy as np

from tf_i2i.data import toy_faces

# Smallest number of faces for which processes are started. Drawing fewer faces
# takes less time than starting a process.
_FEWEST = 512
_AT_ONCE = 64  # Number of faces in each array that `draw` yields.


def draw(domain, indices, size):
    """Yields the drawings of people, in the order of `indices`.

    Args:
        domain: "a" or "b".
        indices: numbers of the people, int64 `[N]`.
        size: side of the images in pixels.

    Yields:
        uint8 arrays `[n, size, size, 3]` of up to 64 images each, equal to the
        images that `toy_faces.render` returns.
    """
    parts = [
        indices[start : start + _AT_ONCE]
        for start in range(0, len(indices), _AT_ONCE)
    ]
    cores = _cores()
    if len(indices) < _FEWEST or cores < 2 or not sys.executable:
        yield from (toy_faces.render(domain, part, size) for part in parts)
        return
    with contextlib.ExitStack() as stack:
        outputs = [
            stack.enter_context(_worker(domain, parts[i::cores], size))
            for i in range(cores)
        ]
        for number, part in enumerate(parts):
            shape = (len(part), size, size, 3)
            content = outputs[number % cores].read(math.prod(shape))
            if len(content) == math.prod(shape):
                yield np.frombuffer(content, np.uint8).reshape(shape)
            else:
                # The process could not start, or was stopped.
                yield toy_faces.render(domain, part, size)


def _cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not Linux.
        return os.cpu_count() or 1


@contextlib.contextmanager
def _worker(domain, parts, size):
    """Starts a process that writes its drawings to its standard output."""
    numbers = [",".join(map(str, part)) for part in parts]
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, domain, str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The process searches for packages in the same folders.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    stdin = cast(IO[bytes], process.stdin)
    stdout = cast(IO[bytes], process.stdout)
    try:
        with contextlib.suppress(BrokenPipeError):
            stdin.write("\n".join(numbers).encode())
            stdin.close()
        yield stdout
    finally:
        process.kill()
        stdout.close()
        process.wait()


def _main(domain, size):
    """Writes the drawings of the people in each line of the standard input."""
    parts = sys.stdin.read().splitlines()
    for part in parts:
        indices = [int(number) for number in part.split(",")]
        images = toy_faces.render(domain, indices, int(size))
        sys.stdout.buffer.write(images.tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
