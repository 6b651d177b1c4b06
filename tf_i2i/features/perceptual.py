"""The feature maps that perceptual losses compare."""

from tf_i2i.errors import UserError
from tf_i2i.features import load_features
from tf_i2i.features.reference import resolvable
from tf_i2i.values import checked


@resolvable
@checked
def perceptual(
    name: str = "hed-vgg16",
    content: tuple[str, ...] | None = None,
    style: tuple[str, ...] | None = None,
):
    """Loads a network whose feature maps a perceptual loss compares.

    Johnson et al. 2016 (arXiv:1603.08155) use relu3_3 of VGG-16 for content and
    relu1_2, relu2_2, relu3_3, relu4_3 for style. Of the default feature maps of
    `hed-vgg16` and `keras:VGG16`, these are the third, and the first four.

    Args:
        name: name of the network as in `load_features`.
        content: names of the feature maps for content; None for the third
            default feature map.
        style: names of the feature maps for style; None for the first four
            default feature maps.

    Returns:
        Function from images `[N, S, S, 3]`, float in [-1, 1], to two lists of
        float32 feature maps `[N, h, w, C]`, for content and for style.

    Raises:
        UserError: the name of the network or of a feature map is unknown. The
            returned function raises this error if a feature map is a vector.
    """
    features = load_features(name)
    known = features.tap_names
    content = _choose("content", content, known, known[2:3])
    style = _choose("style", style, known, known[:4])

    def maps(images):
        found = features(images)
        for tap in {*content, *style}:
            if found[tap].shape.rank != 4:
                raise UserError(
                    "`perceptual.name` must be a network with feature maps "
                    f"[N, h, w, C]. Received: {features.name}, whose output "
                    f"{tap} has the shape {list(found[tap].shape)}"
                )
        return [found[tap] for tap in content], [found[tap] for tap in style]

    return maps


def _choose(kind, given, known, default):
    """Returns checked names of feature maps, or the default names."""
    chosen = default if given is None else tuple(given)
    if not chosen or not {*chosen} <= {*known}:
        raise UserError(
            f"`perceptual.{kind}` must name feature maps of the network: "
            f"{', '.join(known)}. Received: {given}"
        )
    return chosen
