"""Reports of an evaluation: one HTML file, and tables for the terminal.

    a_to_b = DirectionReport("a_to_b", table, pictures=[examples(...)])
    write_report("report.html", "Evaluation", facts, [a_to_b], curves)

The HTML file contains its styles, images (PNG) and charts (SVG). The page runs
no script and loads no other file. No module here imports TensorFlow.
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
