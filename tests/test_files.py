"""Names of outputs."""

from pathlib import Path

from tf_i2i.files import name_outputs


def names(*paths):
    inputs = {Path("in", p): Path(p) for p in paths}
    outputs = name_outputs(inputs, "out")
    return [path.relative_to("out").as_posix() for path in outputs.values()]


def test_names_are_kept_and_distinct():
    assert names("me.jpg", "sub/me.jpg", "x.y.webp") == [
        "me.png",
        "sub/me.png",
        "x.y.png",
    ]
    assert names("me.jpg", "Me.png", "you.gif") == [
        "me.jpg.png",
        "Me.png.png",
        "you.png",
    ]
    crowded = names("me.jpg", "me.png", "me.jpg.gif", "me.jpg.bmp")
    assert len({name.casefold() for name in crowded}) == 4
