"""The measures, each of which has a file of its own.

Each file defines `MEASURE`, a `tf_i2i.evaluation.measure.Measure`.
`evaluation.registry` finds the files by scanning this folder.
"""
