"""Trains the runs that `elsewhere.py write` packed.

Only JAX, NumPy and Pillow are needed. A run is a row of the tables of `lab.py`.

python elsewhere_train.py packed/ trained/ plan.json
"""

import concurrent.futures
import functools
import io
import json
import multiprocessing
import os
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# Number of threads that compile in each process. More threads would only wait
# for one another.
THREADS = 1


def train(packed, out, plan):
    """Trains all rows of a plan, with one process for each entry of the plan.

    A plan is a list. An entry of the list is a dictionary of rows, which are
    trained one after the other. Its keys are names of rows, and its values are
    dictionaries with these keys:

    - the name of a phase: length of the phase, {"images": N} or {"seconds": N}.
      Phases without an entry have the length that is set in their config.
    - "from": [row, phase]. The training starts after this phase, with the
      weights that this other row had at the end of the phase. Weights are
      matched by name. The other row needs the entry "shared": [phase].
    - "as": name of the packed row, if that is another name.
    - "seed": seed for initial kernels, order and mirrors, if it differs from
      that of the packed row. The noise within a step does not change.
    - "keep": {phase: row}. The state after a phase is saved as another row.
    """
    out.mkdir(parents=True, exist_ok=True)
    plans = json.loads(plan.read_text("utf-8"))
    # The compute kernels are small, so several processes share an accelerator.
    spawned = multiprocessing.get_context("spawn")
    workers = [
        spawned.Process(target=_train_rows, args=(packed, out, rows))
        for rows in plans
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _train_rows(packed, out, plan):
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    # JAX supports the counters, which have 64 bits, only with this setting.
    jax.config.update("jax_enable_x64", True)
    began = time.monotonic()

    def tell(**line):
        line = json.dumps({"at": round(time.monotonic() - began, 1), **line})
        print(line, flush=True)
        with open(out / "log.jsonl", "a", encoding="utf-8") as log:
            print(line, file=log)

    tell(device=jax.devices()[0].device_kind)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        compiled = functools.cache(
            lambda path: pool.submit(_compiled, packed / path)
        )
        rows = {
            name: _Row(packed, name, wanted, compiled)
            for name, wanted in plan.items()
        }
        for name, row in rows.items():
            try:
                row.train(tell, out)
            # An error in one row must not stop the others.
            except Exception as error:
                tell(row=name, failed=repr(error)[:2000])


def _compiled(path):
    import jax
    from jax import export

    program = export.deserialize(bytearray(zlib.decompress(path.read_bytes())))
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in program.in_avals]
    args, _ = jax.tree.unflatten(program.in_tree, shapes)
    return jax.jit(program.call, donate_argnums=0).lower(*args).compile()


class _Row:
    """A run that `elsewhere.py write` packed.

    Its JAX programs are compiled in another thread.

    Args:
        packed: folder of all packed rows.
        name: name of the row.
        wanted: entry of the row in the plan, a dictionary.
        compiled: function that takes the path of a program and returns a
            future of the compiled program.
    """

    def __init__(self, packed, name, wanted, compiled):
        self.name, self.wanted = name, wanted
        self.packed, self.folder = packed, packed / wanted.get("as", name)
        self.told = json.loads((self.folder / "row.json").read_text("utf-8"))
        self.seed = wanted.get("seed", self.told["seed"])
        self.phases = self.told["phases"]
        names = [phase["name"] for phase in self.phases]
        if (before := wanted.get("from", [None])[-1]) in names:
            self.phases = self.phases[names.index(before) + 1 :]
        self.compiling = [
            [compiled(phase[kind]) for kind in ("begin", "loop")]
            for phase in self.phases
        ]

    def train(self, tell, out):
        """Trains the row.

        Writes the averaged weights and the counters, which are sent back, and
        the weights that other rows start from.
        """
        import jax

        self.random = np.random.default_rng(self.seed)
        self.state = [jax.device_put(x) for x in self._first_state(out)]
        self.counts, self.images = [], []
        for domain, path in self._images().items():
            found = _images(self.packed / path)
            self.counts.append(len(found))
            # The compiled program accepts exactly this number of images.
            count = self.told["counts"][domain]
            found = found[np.arange(count) % len(found)]
            self.images.append(jax.device_put(found))
        self.frozen = [
            jax.device_put(_frozen(self.packed / f"{key}.npy"))
            for key in self.told["frozen"]
        ]
        # The time of compilation is not part of `seconds`.
        self.seconds, self.shown = 0.0, 0
        for phase, programs in zip(self.phases, self.compiling, strict=True):
            begin, loop = (program.result() for program in programs)
            tell(row=self.name, phase=phase["name"], compiled=True)
            self.state = begin(self.state)
            self._phase(phase, loop, tell)
            self._keep(phase, tell, out)

    def _phase(self, phase, loop, tell):
        """Trains one phase, for a number of images or of seconds."""
        steps = self.told["chunk"]
        wanted = self.wanted.get(phase["name"], {"images": phase["images"]})
        orders = [_Order(self.random, count) for count in self.counts]
        before, done, progress = self.seconds, 0, 0.0
        ahead = 0.0
        if "images" in wanted:
            ahead = steps * phase["batch_size"] / wanted["images"]
        while progress < 1.0:
            began = time.monotonic()
            means = self._chunk(phase, loop, orders, progress, ahead)
            self.seconds += time.monotonic() - began
            done += 1
            self.shown += steps * phase["batch_size"]
            if "seconds" in wanted:
                now = (self.seconds - before) / wanted["seconds"]
                # The next call of the program will probably take as long as
                # this one.
                ahead = now - progress
            progress += ahead
            if progress + ahead / 2 > 1.0:
                progress = 1.0
            if progress == 1.0 or done % 5 == 1:
                tell(
                    row=self.name,
                    phase=phase["name"],
                    step=done * steps,
                    images_shown=self.shown,
                    seconds=round(self.seconds, 2),
                    **{k: float(f"{v:.4g}") for k, v in means.items() if v},
                )

    def _chunk(self, phase, loop, orders, progress, ahead):
        """Calls the training program once; returns the means of its metrics.

        Args:
            phase: dictionary of the phase in row.json.
            loop: compiled program of the training steps.
            orders: an `_Order` of images for each domain.
            progress: share of the phase that is already done, 0 to 1.
            ahead: share of the phase that these steps will complete.
        """
        steps, batch = self.told["chunk"], phase["batch_size"]
        places = self.told["metrics"]
        for place in places.values():
            for i in place:
                self.state[i] = np.zeros((), self.state[i].dtype)
        known = np.linspace(0, 1, len(phase["factors"]))
        now = progress + ahead * np.arange(steps) / steps
        self.state = loop(
            self.state,
            self.images,
            [order.next((steps, batch)) for order in orders],
            np.interp(now, known, phase["factors"]).astype(np.float32),
            # The seed of the random crops and flips in these training steps.
            np.int32(self.shown // batch + self.seed * 10_000_000),
            self.frozen[: phase["frozen"]],
        )
        means = {
            key: float(self.state[total]) / max(float(self.state[count]), 1)
            for key, (total, count) in places.items()
        }
        if not np.isfinite(list(means.values())).all():
            raise FloatingPointError(f"{means}")
        return means

    def _keep(self, phase, tell, out):
        """Writes weights that other rows need, and results to send back."""
        if phase["name"] in self.wanted.get("shared", ()):
            values = zip(self.told["paths"], self.state, strict=False)
            path = self._shared(out, self.name, phase["name"])
            _save(path, **{k: np.asarray(v) for k, v in values})
        names = [self.wanted.get("keep", {}).get(phase["name"])]
        names += [self.name] if phase is self.phases[-1] else []
        for name in filter(None, names):
            kept = [np.asarray(self.state[i]) for i in self.told["kept"]]
            _save(out / f"{name}.npz", *map(_smaller, kept))
            tell(
                row=name,
                phase=phase["name"],
                kept=True,
                images_shown=self.shown,
                seconds=round(self.seconds, 1),
            )

    def _images(self):
        """Returns the paths of this row's images, else of the packed row's."""
        own = self.packed / self.name / "images.json"
        return (
            json.loads(own.read_text("utf-8"))
            if own.exists()
            else self.told["images"]
        )

    @staticmethod
    def _shared(out, row, phase):
        return out / f"{row}.{phase}.shared"

    def _first_state(self, out):
        """Builds the initial state from packed values and random numbers."""
        given = np.load(self.folder / "state.npz")
        found: dict = {}
        told_of = self.told["variables"]
        for i, told in enumerate(told_of):
            shape, dtype = told["shape"], told["dtype"]
            if told["kind"] == "zeros":
                found[i] = np.zeros(shape, dtype)
            elif told["kind"] == "given":
                found[i] = given[f"v{i}"]
            elif told["kind"] == "normal":
                random = np.random.default_rng([self.seed, i])
                drawn = random.normal(told["mean"], told["deviation"], shape)
                found[i] = drawn.astype(dtype)
        state = [found[told.get("of", i)] for i, told in enumerate(told_of)]
        if "from" in self.wanted:
            path = self._shared(out, *self.wanted["from"])
            while not path.exists():
                time.sleep(0.2)
            with np.load(path) as shared:
                for i, name in enumerate(self.told["paths"]):
                    if name in shared and shared[name].shape == state[i].shape:
                        state[i] = shared[name]
        return state


class _Order:
    """Endless sequence of image numbers; each pass is a new permutation."""

    def __init__(self, random, count):
        self.random, self.count = random, count
        self.left = np.zeros(0, np.int32)

    def next(self, shape):
        wanted = shape[0] * shape[1]
        while len(self.left) < wanted:
            more = self.random.permutation(self.count).astype(np.int32)
            self.left = np.concatenate([self.left, more])
        now, self.left = self.left[:wanted], self.left[wanted:]
        return now.reshape(shape)


def _save(path, *arrays, **named):
    """Writes a file completely before other processes can see it."""
    beside = path.with_name(f"unfinished_{path.name}.npz")
    np.savez(beside, *arrays, **named)
    beside.rename(path)


def _smaller(x):
    """Converts arrays to half precision, except vectors and counters."""
    halved = x.dtype == np.float32 and x.ndim > 1
    return x.astype(np.float16) if halved else x


def _frozen(path):
    return np.load(path).astype(np.float32)


def _images(path):
    """Reads packed images; returns uint8 `[N, S, S, 3]`."""
    files = np.load(path)
    content, ends = files["content"].tobytes(), files["ends"]
    return np.stack(
        [
            np.asarray(Image.open(io.BytesIO(content[i:j])))
            for i, j in zip([0, *ends[:-1]], ends, strict=True)
        ]
    )


if __name__ == "__main__":
    train(*map(Path, sys.argv[1:]))
