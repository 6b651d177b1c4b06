"""The measures, one file each, that `evaluation.registry` finds by a scan.

A file defines `MEASURE`, a `tf_i2i.evaluation.measure.Measure`.
"""
