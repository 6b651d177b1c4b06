"""One HTML file that shows what an evaluation found, and terminal tables.

    a_to_b = DirectionReport("a_to_b", table, pictures=[examples(...)])
    write_report("report.html", "Evaluation", facts, [a_to_b], curves)

The file holds its own style, pictures (PNG) and drawings (SVG); it runs no
script and reads nothing from anywhere. Nothing here imports TensorFlow.
"""

from tf_i2i.report.page import DirectionReport
from tf_i2i.report.page import write_report
from tf_i2i.report.pictures import embedding_map
from tf_i2i.report.pictures import enlarged
from tf_i2i.report.pictures import examples
from tf_i2i.report.pictures import interpolations
from tf_i2i.report.pictures import side_by_side
from tf_i2i.report.pictures import training_neighbours
from tf_i2i.report.tables import format_summary
from tf_i2i.report.tables import format_table

__all__ = [
    "DirectionReport",
    "embedding_map",
    "enlarged",
    "examples",
    "format_summary",
    "format_table",
    "interpolations",
    "side_by_side",
    "training_neighbours",
    "write_report",
]
