"""Pools of workers: processes of this machine, or actors of Ray."""

import collections
import multiprocessing
import signal
from multiprocessing import connection

from tf_i2i import messages
from tf_i2i.datasets.plan import Result
from tf_i2i.datasets.plan import Shard
from tf_i2i.datasets.worker import Worker
from tf_i2i.errors import UserError
from tf_i2i.extras import optional

LOCAL, RAY = ENGINES = ("local", "ray")
# If this number of workers have ended while they translated the same shard, an
# error is raised.
TRIES = 3


class _Process:
    """A process that translates one shard after the other.

    Attributes:
        shard: the shard that it translates now, or None.
        answers: connection from which its answers are read.
        ready: whether it has loaded the model.
    """

    def __init__(self, make_fn, job):
        # A forked process would hang, because TensorFlow's threads are not
        # copied to it.
        context = multiprocessing.get_context("spawn")
        self.answers, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, make_fn, job), daemon=True
        )
        self._process.start()
        theirs.close()
        self.shard, self.ready = None, False

    @property
    def exit_code(self):
        """Exit code of the process; waits until it has ended."""
        self._process.join()
        return self._process.exitcode

    def give(self, shard):
        """Sends a shard to the process, even if the process may have ended."""
        self.shard = shard
        try:
            self.answers.send(shard)
        except OSError:
            # The process has ended, which `receive` notices.
            return

    def receive(self):
        """Returns the next answer, or None if the process has ended."""
        try:
            return self.answers.recv()
        except (EOFError, OSError):
            return None

    def stop(self):
        """Ends the process."""
        self._process.terminate()
        self._process.join()
        self.answers.close()


def _serve(requests, make_fn, job):
    """Answers with True when the model is loaded, then with `Result`s.

    An answer that is a string is the text of a `UserError`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent ends the process.
    try:
        worker = make_fn(job)
        requests.send(True)
        while True:
            requests.send(worker(requests.recv()))
    except UserError as error:
        requests.send(str(error))
    except EOFError:
        return  # The parent has ended.


def run_local(job, shards, workers, make_fn=Worker):
    """Yields the `Result` of each shard, translated by processes.

    If a process ends, for example because the memory is full, a new process
    takes its place, and its shard is translated again.

    Args:
        job: `Job`.
        shards: list of `Shard`.
        workers: number of processes.
        make_fn: function that takes the job and returns a worker, which is a
            function that takes a `Shard` and returns its `Result`. Each process
            calls `make_fn` once.

    Raises:
        UserError: a worker cannot load the model or read the files, or a shard
            has ended `TRIES` workers.
    """
    waiting = collections.deque(shards)
    tries: collections.Counter[int] = collections.Counter()
    pool = [_Process(make_fn, job) for _ in range(min(workers, len(shards)))]
    left = len(shards)
    try:
        while left:
            ready = connection.wait([p.answers for p in pool])
            for place, process in enumerate(pool):
                if process.answers not in ready:
                    continue
                answer = process.receive()
                if isinstance(answer, str):
                    raise UserError(answer)
                if answer is None:
                    _give_back(process, waiting, tries)
                    process.stop()
                    pool[place] = _Process(make_fn, job)
                    continue
                process.ready, process.shard = True, None
                if isinstance(answer, Result):
                    left -= 1
                    yield answer
            for process in pool:
                if process.ready and process.shard is None and waiting:
                    process.give(waiting.popleft())
    finally:
        for process in pool:
            process.stop()


def _give_back(process, waiting, tries):
    """Puts the shard of a process that has ended back into `waiting`.

    Raises:
        UserError: the process ended before it had loaded the model, or `TRIES`
            processes have ended at this shard.
    """
    code = process.exit_code
    if not process.ready:
        raise UserError(
            "`workers` must have enough memory to load the model. Received: a "
            f"process that ended with the exit code {code} while it loaded it"
        )
    shard = process.shard
    if shard is None:
        return
    tries[shard.number] += 1
    messages.info(
        f"a worker ended with the exit code {code}; its shard {shard.number} "
        "is translated again"
    )
    if tries[shard.number] == TRIES:
        raise UserError(
            "`--input` must have files that a worker can translate. Received: "
            f"shard {shard.number}, which ended {TRIES} workers; its first "
            f"file is {shard.names[0]}"
        )
    waiting.appendleft(shard)


class _Actor:
    """A `Worker` whose shards and results are rows of a Ray data set."""

    def __init__(self, job):
        self._worker = Worker(job)

    def __call__(self, row):
        shard = Shard(int(row["number"]), tuple(row["names"]))
        return {"result": self._worker(shard).to_json()}


def run_ray(job, shards, workers, address=None):
    """Yields the `Result` of each shard, translated by actors of Ray Data.

    Ray restarts an actor that has ended, and gives its shard to an actor again.

    Args:
        job: `Job`.
        shards: list of `Shard`.
        workers: number of actors.
        address: address of a cluster; None to start Ray on this machine.

    Raises:
        UserError: Ray is not installed, or the cluster does not answer.
    """
    ray = optional("ray", "ray")
    data = optional("ray.data", "ray")
    own = {} if address else {"num_cpus": workers * job.threads}
    try:
        ray.init(
            address or "local",
            log_to_driver=False,
            logging_level="ERROR",
            **own,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"`--address` must be that of a Ray cluster. Received: {address} "
            f"({error})"
        ) from error
    data.DataContext.get_current().enable_progress_bars = False
    rows = [{"number": s.number, "names": list(s.names)} for s in shards]
    try:
        translated = data.from_items(rows, override_num_blocks=len(rows)).map(
            _Actor,
            fn_constructor_args=(job,),
            compute=data.ActorPoolStrategy(size=min(workers, len(rows))),
            num_cpus=job.threads,
        )
        for row in translated.iter_rows():
            yield Result.from_json(row["result"])
    finally:
        ray.shutdown()
