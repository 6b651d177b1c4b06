"""Translation of data sets of any size by a pool of workers."""
