"""Labels out of tables."""

import numpy as np

from tf_i2i.data.labels import NOT_KNOWN
from tf_i2i.data.labels import check_labels
from tf_i2i.data.labels import class_names
from tf_i2i.data.labels import class_numbers
from tf_i2i.data.labels import folder_labels
from tf_i2i.data.labels import numbers_of
from tf_i2i.data.labels import read_labels


def test_labels_of_a_table(tmp_path, refuses):
    table = tmp_path / "labels.csv"
    table.write_text("file,hair,age\nx/1.png,dark,7\n2.jpg,fair,9\n")
    assert read_labels(table) == {
        "hair": {"1": "dark", "2": "fair"},
        "age": {"1": "7", "2": "9"},
    }
    table.write_text("file\n")
    with refuses("labels"):
        read_labels(table)
    with refuses("labels"):
        read_labels(tmp_path / "none.csv")


def test_tables_with_a_split_and_with_unknown_labels(tmp_path, refuses):
    table = tmp_path / "labels.csv"
    table.write_text("split,file,hair,age\ntest,1.png,,7\ntrain,2.png,fair,\n")
    found = read_labels(table)
    assert found == {"hair": {"2": "fair"}, "age": {"1": "7"}}
    names = ["test/1.png", "train/2.png", "train/3.png"]
    known = ["dark", "fair"]
    numbers = numbers_of(found["hair"], names, known)
    assert numbers.tolist() == [NOT_KNOWN, 1, NOT_KNOWN]
    with refuses("--labels_a") as caught:
        class_numbers({"hair": found["hair"]}, names, 2)
    assert "no label for 1" in str(caught.value)
    check_labels(found, names[:1], "--labels_b")
    check_labels({}, names, "--labels_b")
    with refuses("--labels_b"):
        check_labels(found, names[2:], "--labels_b")


def test_numbers_come_from_a_whatever_b_has(refuses):
    table = {"digit": {"x": "7", "y": "10", "z": "7"}, "other": {"x": "1"}}
    found = class_numbers(table, ["train/z.png", "x.jpg", "a/b/y.png"], 2)
    assert found.tolist() == [1, 1, 0]
    assert found.dtype == np.int32
    b = {"p": "7", "q": "0", "r": "10"}
    assert class_names(table["digit"], b) == ["10", "7", "0"]
    with refuses("--labels_a"):
        class_numbers(table, ["x.png"], 1)
    with refuses("--labels_a") as caught:
        class_numbers(table, ["w.png"], 2)
    assert "no label for w" in str(caught.value)
    with refuses("--labels_a"):
        class_numbers({}, ["w.png"], 2)


def test_folders_are_classes():
    names = ["train/7/1.png", "train/3/2.png", "test/7/3.png"]
    assert folder_labels(names) == {"folder": {"1": "7", "2": "3", "3": "7"}}
    assert folder_labels(["train/1.png", "train/3/2.png"]) == {}
    assert folder_labels(["train/7/1.png", "train/3/1.png"]) == {}
