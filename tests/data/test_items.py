"""What the sources share."""

import threading

import pytest

from tf_i2i.data.items import in_threads


def test_threads_keep_the_order():
    assert list(in_threads(str, range(1000))) == [str(i) for i in range(1000)]
    assert list(in_threads(str, [])) == []


def test_several_threads_work_at_once():
    both = threading.Barrier(2, timeout=60)
    list(in_threads(lambda _: both.wait(), range(2)))


def test_reading_ahead_is_bounded():
    taken = []

    def things():
        for i in range(1000):
            taken.append(i)
            yield i

    results = in_threads(str, things())
    for _ in range(100):
        next(results)
    assert 100 < len(taken) <= 100 + 65
    results.close()
    assert len(taken) <= 100 + 65


def test_what_goes_wrong_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda i: 1 / i, [2, 1, 0]))
