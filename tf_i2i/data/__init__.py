"""Data sets of two image domains: sources, stores, augmentation, batches."""

from tf_i2i.data.augment import Augmentation
from tf_i2i.data.folders import FolderSource
from tf_i2i.data.sources import ArraySource
from tf_i2i.data.sources import ToyFacesSource
from tf_i2i.data.sources import source_for
from tf_i2i.data.store import Store
from tf_i2i.data.store import open_store
from tf_i2i.data.unpaired import evaluation_images
from tf_i2i.data.unpaired import unpaired

__all__ = [
    "ArraySource",
    "Augmentation",
    "FolderSource",
    "Store",
    "ToyFacesSource",
    "evaluation_images",
    "open_store",
    "source_for",
    "unpaired",
]
