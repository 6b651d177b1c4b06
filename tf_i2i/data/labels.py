"""Labels of images from CSV files and folders, and class numbers for them."""

import csv
from pathlib import Path

import numpy as np

from tf_i2i.data.items import SPLITS
from tf_i2i.errors import UserError
from tf_i2i.foreign_files import open_text
from tf_i2i.paths import user_path

# Number of the class of an image whose label is not known.
NOT_KNOWN = -1


def read_labels(path, argument="labels"):
    """Reads a CSV file of labels.

    The file has a header. The column `file`, or the first column if there is no
    column of this name, contains the names of image files. A column `split`,
    which says to which part of the data an image belongs, is ignored. Every
    other column contains labels. An empty cell stands for a label that is not
    known.

    Args:
        path: path of the CSV file.
        argument: name of the argument in error messages.

    Returns:
        Labels of each column, a dictionary of dictionaries. The outer keys are
        names of columns. The inner keys are file names without folder and
        suffix, and the values are labels, which are strings. Images whose label
        is not known are left out.

    Raises:
        UserError: the file cannot be read or has no labels.
    """
    path = user_path(path, argument)
    try:
        with open_text(path) as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"`{argument}` must be a CSV file. Received: {path} ({error})"
        ) from error
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UserError(
            f"`{argument}` must have a header and two columns or more, of "
            "which the first has file names. "
            f"Received: {path} with {len(rows)} rows"
        )
    header, *lines = rows
    place = header.index("file") if "file" in header else 0
    return {
        column: {
            stem(line[place]): line[i]
            for line in lines
            if len(line) > max(i, place) and line[i]
        }
        for i, column in enumerate(header)
        if i != place and column != "split"
    }


def folder_labels(names):
    """Returns the names of the images' folders as labels.

    Args:
        names: names of a store's images, such as `train/7/0042.png`, whose
            label is "7".

    Returns:
        A dictionary as from `read_labels` with the column "folder". The
        dictionary is empty if an image is not in a folder of a class, or if two
        images have the same file name.
    """
    folders = [Path(name).parent.name for name in names]
    stems = list(map(stem, names))
    if {*folders} & {"", *SPLITS} or len({*stems}) < len(stems):
        return {}
    return {"folder": dict(zip(stems, folders, strict=True))}


def check_labels(table, names, argument):
    """Raises an error if no label of a table belongs to the given images.

    Args:
        table: labels from `read_labels`.
        names: names of a store's images.
        argument: name of the argument in the error message.

    Raises:
        UserError: the table has labels, but none of the images has one.
    """
    labelled = [name for labels in table.values() for name in labels]
    if table and not {*labelled} & {*map(stem, names)}:
        raise UserError(
            f"`{argument}` must name image files of the domain in the column "
            "'file' or, without such a column, in the first column. "
            f"Received: {next(iter(labelled), 'no label')}, ..."
        )


def class_names(*columns):
    """Returns all different labels; the index of a label is its class number.

    Args:
        *columns: dictionaries from file names to labels. The sorted labels of
            the first dictionary come first, followed by the sorted new labels
            of each further dictionary.
    """
    known: list = []
    for labels in columns:
        known += sorted(set(labels.values()) - set(known), key=str)
    return known


def class_numbers(table, names, classes):
    """Returns the class number of each image, to train a classifier.

    Args:
        table: labels from `read_labels`, of which the first column is used.
        names: names of a store's images.
        classes: number of classes of the classifier.

    Returns:
        int32 `[len(names)]`: indices into `class_names`.

    Raises:
        UserError: an image has no label, or there are too many different
            labels.
    """
    if not table:
        raise UserError(
            "`--labels_a` must be a CSV file of A's labels, or the images "
            "must lie in one folder for each class, because this method "
            "learns classes. Received: neither"
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


def annotation_numbers(table, names, columns):
    """Returns columns of labels as numbers, one row for each image.

    Args:
        table: labels from `read_labels`.
        names: names of a store's images.
        columns: names of the columns to return, in this order.

    Returns:
        float32 `[len(names), len(columns)]`.

    Raises:
        UserError: a column or the row of an image is missing, or a label is
            not a number.
    """
    missing = [column for column in columns if column not in table]
    if missing:
        raise UserError(
            "`--labels_a` must be a CSV file with the columns "
            f"{', '.join(columns)}, because this method learns from them. "
            f"Received: no column {missing[0]}"
        )
    found = [labels_of(table[column], names, "a") for column in columns]
    try:
        return np.array(found, np.float32).T
    except ValueError as error:
        raise UserError(
            f"`--labels_a` must have numbers in the columns "
            f"{', '.join(columns)}. Received: {error}"
        ) from error


def word_numbers(table, names, words):
    """Returns the numbers of the words that describe each image of B.

    Args:
        table: labels from `read_labels`, or an empty dictionary.
        names: names of a store's images.
        words: dictionary from the names of columns to the words that they may
            contain.

    Returns:
        float32 `[len(names), len(words)]`: indices into `words`, `NOT_KNOWN`
        where the word or the column is missing.

    Raises:
        UserError: a label is not one of these words.
    """
    for column, known in words.items():
        for name, word in table.get(column, {}).items():
            if word not in known:
                raise UserError(
                    f"`--labels_b` must have one of the words "
                    f"{', '.join(known)}, or an empty cell, in the column "
                    f"{column}. Received: {word!r} for {name}"
                )
    columns = [
        numbers_of(table.get(column, {}), names, known)
        for column, known in words.items()
    ]
    return np.array(columns, np.float32).T


def labels_of(labels, names, domain):
    """Returns the labels of some images, in the order of the images.

    Args:
        labels: dictionary from file names without folder and suffix to
            labels.
        names: names of a store's images.
        domain: "a" or "b", for the error message.

    Raises:
        UserError: an image has no label.
    """
    stems = list(map(stem, names))
    missing = [name for name in stems if name not in labels]
    if missing:
        raise UserError(
            f"`--labels_{domain}` must have a label for every image. "
            f"Received: no label for {missing[0]}"
        )
    return [labels[name] for name in stems]


def numbers_of(labels, names, known):
    """Returns the class numbers of images, some of which may have no label.

    Args:
        labels: dictionary from file names without folder and suffix to
            labels.
        names: names of a store's images.
        known: list of the labels of all classes.

    Returns:
        int64 `[len(names)]`: indices into `known`, `NOT_KNOWN` for images
        without a label.
    """
    number = {label: i for i, label in enumerate(known)}
    stems = map(stem, names)
    return np.array(
        [number[labels[s]] if s in labels else NOT_KNOWN for s in stems],
        np.int64,
    )


def stem(name):
    """Returns the name of an image file without its folder and its suffix."""
    return Path(name).stem
