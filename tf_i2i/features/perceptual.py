"""A frozen network as a function of images to maps that losses compare."""

from tf_i2i.errors import UserError
from tf_i2i.features import load_features


def perceptual(name="hed-vgg16", content=None, style=None):
    """Loads a network by whose maps images are compared.

    Johnson et al. 2016 (arXiv:1603.08155) take relu3_3 of VGG-16 for content
    and relu1_2, relu2_2, relu3_3, relu4_3 for style: the third and the first
    four of the maps that networks of that kind have here.

    Args:
        name: as in `load_features`.
        content: names of maps; None: the third.
        style: names of maps; None: the first four.

    Returns:
        Function: images `[N, S, S, 3]`, float in [-1, 1], to two lists of
        float32 maps `[N, h, w, C]`, for content and for style.

    Raises:
        UserError: an unknown name of a network or of a map, or maps that are
            vectors.
    """
    features = load_features(name)
    known = features.tap_names
    content = _chosen("content", content, known, known[2:3])
    style = _chosen("style", style, known, known[:4])

    def maps(images):
        found = features(images)
        for tap in {*content, *style}:
            if found[tap].shape.rank != 4:
                raise UserError(
                    "`perceptual.name` must be a network with maps "
                    f"[N, h, w, C]. Received: {features.name}, whose {tap} "
                    f"is {list(found[tap].shape)}"
                )
        return [found[tap] for tap in content], [found[tap] for tap in style]

    return maps


def _chosen(kind, given, known, default):
    chosen = default if given is None else tuple(given)
    if not chosen or not {*chosen} <= {*known}:
        raise UserError(
            f"`perceptual.{kind}` must name maps of the network: "
            f"{', '.join(known)}. Received: {given}"
        )
    return chosen
