"""Sizes of images, which are squares or rectangles.

A size is written as in .gin files: 64 stands for 64 x 64 pixels, and (48, 64)
for a height of 48 and a width of 64 pixels.
"""

from tf_i2i.values import Count

Size = Count | tuple[Count, Count]


def height_width(size):
    """Returns a size as a pair (height, width)."""
    if isinstance(size, (tuple, list)):
        height, width = size
        return height, width
    return size, size


def shortest(size):
    """Returns a size in its shortest form, an integer for a square."""
    height, width = height_width(size)
    return height if height == width else (height, width)


def short_side(size):
    """Returns the smaller one of height and width."""
    return min(height_width(size))


def image_shape(size):
    """Returns the shape (height, width, 3) of an RGB image of a size."""
    return *height_width(size), 3


def size_text(size):
    """Returns a size as text, such as "64" or "48x64" (height, width)."""
    size = shortest(size)
    return str(size) if isinstance(size, int) else "{}x{}".format(*size)
