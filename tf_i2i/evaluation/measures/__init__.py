"""The measures, one file each.

Each file defines `MEASURE`, a `tf_i2i.evaluation.measure.Measure`.
`evaluation.registry` finds the files by scanning this folder.
"""
