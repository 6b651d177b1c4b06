"""What a plan records about a run."""

from tf_i2i.datasets import plan
from tf_i2i.training.packed import PACKED


def test_other_weights_of_the_same_size_are_noticed(tmp_path):
    packed = tmp_path / PACKED
    texts = []
    for content in (b"one", b"two", b"one"):
        packed.write_bytes(content)
        texts.append(plan.weights_of(tmp_path))
    first, second, again = texts
    assert first == again != second
