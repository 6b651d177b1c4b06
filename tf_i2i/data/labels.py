"""Labels of images: from tables, from folders, and as numbers of classes."""

import csv
from pathlib import Path

import numpy as np

from tf_i2i.data.sources import SPLITS
from tf_i2i.errors import UserError


def read_labels(path):
    """Reads a CSV file of labels.

    It has a header; the first column holds file names, and each other one
    holds labels.

    Args:
        path: of the file.

    Returns:
        Dictionary, column -> (stem of the file's name -> label as text).

    Raises:
        UserError: no such file, or nothing in it.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"`labels` must be a CSV file. Received: {path} ({error})"
        ) from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UserError(
            "`labels` must have a header and two columns or more, file names "
            f"first. Received: {path} with {len(rows)} rows"
        )
    header, *lines = rows
    return {
        column: {stem(line[0]): line[i] for line in lines if len(line) > i}
        for i, column in enumerate(header)
        if i
    }


def folder_labels(names):
    """Labels that are the names of the folders that the images lie in.

    Args:
        names: of a store's images, `train/7/0042.png` for one.

    Returns:
        As `read_labels`; empty where images are in no folders of classes, or
        where two of them have the same name.
    """
    folders = [Path(name).parent.name for name in names]
    stems = list(map(stem, names))
    if {*folders} & {"", *SPLITS} or len({*stems}) < len(stems):
        return {}
    return {"folder": dict(zip(stems, folders, strict=True))}


def class_names(*columns):
    """All different labels, in the order of their class numbers.

    Args:
        *columns: dictionaries, stem -> label. Labels are sorted within a
            dictionary; those that only later dictionaries have come last.
    """
    known: list = []
    for labels in columns:
        known += sorted(set(labels.values()) - set(known), key=str)
    return known


def class_numbers(table, names, classes):
    """The class number of each image, from which a classifier learns.

    Args:
        table: of `read_labels`, whose first column is taken.
        names: of a store's images.
        classes: how many the classifier knows.

    Returns:
        int32 `[len(names)]`: indices into `class_names`.

    Raises:
        UserError: no label for an image, or too many different ones.
    """
    if not table:
        raise UserError(
            "`--labels_a` must be a CSV of A's labels, or images must lie in "
            "a folder for each class: this method learns classes. "
            "Received: neither"
        )
    column, labels = next(iter(table.items()))
    known = class_names(labels)
    if len(known) > classes:
        raise UserError(
            f"`--labels_a` must have at most {classes} different labels, the "
            f"model's `classes`. Received: {len(known)} in {column}"
        )
    number = {label: i for i, label in enumerate(known)}
    found = labels_of(labels, names, "a")
    return np.array([number[label] for label in found], np.int32)


def labels_of(labels, names, domain):
    """The labels of some images, in their order.

    Args:
        labels: dictionary, stem of a file's name -> label.
        names: of a store's images.
        domain: "a" or "b", for the message.

    Raises:
        UserError: an image has no label.
    """
    stems = list(map(stem, names))
    missing = [name for name in stems if name not in labels]
    if missing:
        raise UserError(
            f"`--labels_{domain}` must have a row for every image. "
            f"Received: none for {missing[0]}"
        )
    return [labels[name] for name in stems]


def stem(name):
    """The name of an image's file without its folder and its suffix."""
    return Path(name).stem
