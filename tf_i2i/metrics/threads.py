"""Number of threads of numerical libraries."""

from tf_i2i.extras import optional


def one_thread():
    """Returns a context in which BLAS and OpenMP compute with one thread.

    Iterative algorithms on small arrays are faster with one thread. With
    several, the threads wait for each other after every short operation, and
    they keep the processor busy while they wait.

    Raises:
        UserError: the extra `eval` is missing.
    """
    return optional("threadpoolctl", "eval").threadpool_limits(1)
