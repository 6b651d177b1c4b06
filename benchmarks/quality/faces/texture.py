"""Measures the texture and the outline of the hair of photos.

The strands of straight hair are parallel, so that the gradients of lightness at
neighbouring pixels have the same orientation. In curly hair they have many
orientations. The structure tensor (Bigun and Granlund 1987) measures this. No
label of the data set is read.

    python texture.py   # writes cache/texture.npz

The command needs regions.npz (see regions.py) and segments.npz (see hair.py).
"""

import cv2
import numpy as np
import yardstick as y

SIDE = 256
HAIR, SKIN = 1, 2  # Indices in the shares of segments.npz.
# Standard deviations, in pixels, of the smoothing before gradients are taken.
SCALES = (0.8, 2.0)
# Gradients are measured where at least this many pixels are hair.
LEAST = 60
# Bands of the head, in heights of the face below the forehead.
BANDS = {
    "top": (-0.25, -0.05),
    "brow": (0.1, 0.3),
    "eye": (0.35, 0.5),
    "cheek": (0.5, 0.7),
    "jaw": (0.75, 0.95),
    "neck": (1.05, 1.2),
    "chest": (1.3, 1.6),
}


def tensor(light, scale):
    """Returns the structure tensor of an image, three arrays `[S, S]`.

    They are the local means of the squared horizontal gradient, of the product
    of both gradients, and of the squared vertical gradient.

    Args:
        light: lightness, float32 `[S, S]`.
        scale: one of `SCALES`.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), scale)
    right = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8
    window = (int(6 * scale) | 1,) * 2
    products = (right * right, right * down, down * down)
    return [cv2.blur(product, window) for product in products]


def orientation(light, regions):
    """Measures how the strands of hair lie, at each scale and in each region.

    Args:
        light: lightness, float32 `[S, S]`, 0 to 100.
        regions: dictionary from names to bool `[S, S]`.

    Returns:
        A dictionary of numbers, which are missing for small regions. `energy`
        is the strength of the gradients relative to the lightness. `parallel`
        is 1 if neighbouring gradients have one orientation and 0 if they have
        all, weighted by energy, and `parallel_mean` is its mean over pixels.
        `vertical` is the share of the energy in vertical strands. `spread` is
        0 if the gradients of the whole region have one orientation.
    """
    found = {}
    for scale in SCALES:
        xx, xy, yy = tensor(light, scale)
        energy = xx + yy
        aligned = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
        doubled = np.exp(1j * np.arctan2(2 * xy, xx - yy))
        for name, where in regions.items():
            if where.sum() <= LEAST:
                continue
            total = energy[where].sum() + 1e-6
            in_line = aligned[where]
            mean = np.abs((in_line * doubled[where]).sum())
            parallel = in_line / (energy[where] + 1e-3)
            bright = light[where].mean() + 10
            measured = {
                "energy": np.sqrt(energy[where].mean()) / bright,
                "parallel": in_line.sum() / total,
                "parallel_mean": parallel.mean(),
                "vertical": xx[where].sum() / total,
                "spread": 1 - mean / (in_line.sum() + 1e-6),
            }
            found |= {f"{k}_{name}_{scale}": v for k, v in measured.items()}
    return found


def outline(hair, across, down):
    """Returns areas and widths of hair in `BANDS`, in units of the face.

    Args:
        hair: bool `[S, S]`.
        across, down: place of each pixel, in widths and heights of the face.
    """
    found = {}
    # Area of one pixel, in areas of the face.
    pixel = abs(across[0, 1] - across[0, 0]) * abs(down[1, 0] - down[0, 0])
    for name, (low, high) in BANDS.items():
        here = hair & (down > low) & (down < high)
        found[f"area_{name}"] = here.sum() * pixel / (high - low)
        found[f"width_{name}"] = np.ptp(across[here]) if here.any() else 0
    return found


def covered(hair, skin, where):
    """Returns the share of hair among hair and skin in a region of the head."""
    head = where & (hair + skin > 0.5)
    return (hair * head).sum() / max(((hair + skin) * head).sum(), 20)


def measured(image, shares, points):
    """Returns a dictionary of all measurements of a photo.

    Args:
        image: uint8 `[S, S, 3]`.
        shares: shares of the parts in cells, float32 `[64, 64, 4]`.
        points: landmarks `[468, 2]` in pixels.
    """
    hair, skin = (
        cv2.resize(np.ascontiguousarray(shares[..., part]), (SIDE, SIDE))
        for part in (HAIR, SKIN)
    )
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    middle = (points[234, 0] + points[454, 0]) / 2
    across = (columns - middle) / np.linalg.norm(points[234] - points[454])
    height = np.linalg.norm(points[10] - points[152])
    down = (rows - points[10, 1]) / height
    inside = cv2.erode((hair > 0.6).astype(np.uint8), np.ones((7, 7))) > 0
    light = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 0]
    light = light.astype(np.float32) * (100 / 255)
    regions = {
        "all": inside,
        "top": inside & (down < 0.25),
        "side": inside & (down > 0.25),
    }
    near = np.abs(across) < 0.6
    return (
        orientation(light, regions)
        | outline(hair > 0.5, across, down)
        | {
            "covered_brow": covered(hair, skin, near & (down < 0.22)),
            "covered_top": covered(hair, skin, near & (down < -0.03)),
        }
    )


def load_texture():
    """Returns a dictionary of the numbers of all photos, `[N]` each.

    Training photos come first. Numbers that a photo lacks are the median.
    """
    with np.load(y.WORK / "cache" / "texture.npz") as file:
        return {
            k: np.nan_to_num(file[k], nan=np.nanmedian(file[k]))
            for k in file.files
        }


def main():
    cache = y.WORK / "cache"
    with np.load(cache / "regions.npz") as file:
        points = [file["train_points"], file["test_points"]]
    with np.load(cache / "segments.npz") as file:
        shares = file["p"].astype(np.float32)
    images = [y.load("face", split, SIDE)[0] for split in ("train", "test")]
    images, points = np.concatenate(images), np.concatenate(points)
    found = [measured(*v) for v in zip(images, shares, points, strict=True)]
    names = sorted({name for row in found for name in row})
    out = {k: np.array([row.get(k, np.nan) for row in found]) for k in names}
    np.savez(cache / "texture.npz", **out)


if __name__ == "__main__":
    main()
