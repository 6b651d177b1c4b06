"""Describes faces and avatars by masks, landmarks, colours and features.

Two networks of MediaPipe (Apache-2.0) run in LiteRT: the selfie segmenter and
the face mesh, both taken from the PyPI wheel `mediapipe` 0.10.14, which is not
imported. No label is read here. The results are written to regions.npz,
described.npz and deep.npz in the folder cache/.

    python regions.py SEGMENTER.tflite LANDMARKS.tflite
"""

import sys

import cv2
import numpy as np
import yardstick as y
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from skimage.color import rgb2lab

from tf_i2i.features import load_features

# Crops of a face: top, bottom, left and right in shares of the side.
CROPS = {
    "eyes": (0.30, 0.56, 0.25, 0.75),
    "chin": (0.50, 0.84, 0.27, 0.73),
    "head": (0.0, 1.0, 0.0, 1.0),
}
S = 256


def lab(rgb):
    return rgb2lab(np.asarray(rgb, np.float64).reshape(-1, 1, 3) / 255)[:, 0]


def box(image, y0, y1, x0, x1):
    a, b, c, d = (round(v * S) for v in (y0, y1, x0, x1))
    return image[a:b, c:d].reshape(-1, image.shape[-1])


def mode(pixels):
    """Returns the most frequent colour of pixels, and its share."""
    keys = pixels.astype(np.int64) @ (65536, 256, 1)
    values, counts = np.unique(keys, return_counts=True)
    best = values[counts.argmax()]
    rgb = np.array([best >> 16, best >> 8 & 255, best & 255])
    return rgb, counts.max() / len(keys)


GROUND = np.array([242, 244, 247])
YY, XX = np.mgrid[0:S, 0:S] / S
INNER = ((XX - 0.5) / 0.20) ** 2 + ((YY - 0.46) / 0.19) ** 2 < 1


def avatar(image):
    """Returns a dictionary of measurements of an avatar `[256, 256, 3]`."""

    def far(x, c):
        return np.abs(x.astype(int) - c).max(-1)

    skin, _ = mode(
        np.concatenate(
            [
                box(image, 0.475, 0.5, 0.35, 0.42),
                box(image, 0.41, 0.45, 0.48, 0.52),
                box(image, 0.475, 0.5, 0.58, 0.65),
            ]
        )
    )
    top = box(image, 0.0, 0.33, 0.15, 0.85)
    top = top[(far(top, GROUND) > 12) & (far(top, skin) > 12)]
    full = 0.33 * 0.7 * S * S
    bald = len(top) < 0.035 * full
    hair = skin if bald else mode(top)[0]
    d = far(image, hair) < 14
    hair_map = (~INNER) & d if not bald else np.zeros((S, S), bool)
    low = (XX < 0.36) | (XX > 0.64)
    person = far(image, GROUND) > 12
    clothes, _ = mode(box(image, 0.9, 1.0, 0.2, 0.35))
    mouth = box(image, 0.53, 0.58, 0.44, 0.56)

    def dark(p):
        return np.mean(lab(p)[:, 0] < 30)

    chin = far(box(image, 0.605, 0.645, 0.46, 0.54), skin) > 25
    lip = np.concatenate(
        [
            box(image, 0.515, 0.535, 0.42, 0.47),
            box(image, 0.515, 0.535, 0.53, 0.58),
        ]
    )
    lip = far(lip, skin) > 25
    bridge = box(image, 0.335, 0.40, 0.47, 0.53)
    lens = np.concatenate(
        [box(image, 0.37, 0.45, 0.33, 0.45), box(image, 0.37, 0.45, 0.55, 0.67)]
    )
    return {
        "skin": skin,
        "hair": hair,
        "bald": bald,
        "hair_map": cv2.resize(
            hair_map.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA
        ),
        "low": np.mean(hair_map[(YY > 0.58) & (YY < 0.74) & low]),
        "lower": np.mean(hair_map[(YY > 0.74) & (YY < 0.86)]),
        "height": 0.40 - YY[person].min(),
        "width": np.ptp(XX[hair_map & (YY < 0.4)]) if not bald else 0.4,
        "lens": np.median(lab(lens)[:, 0]),
        "bridge": dark(bridge),
        "chin": chin.mean(),
        "lip": lip.mean(),
        "clothes": clothes,
        "mouth": dark(mouth),
    }


OVAL = [
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
]
EYES = ([33, 160, 158, 133, 153, 144], [362, 385, 387, 263, 373, 380])
# Landmarks whose means are the centres of the eyes and of the mouth, and where
# these centres are in avatars.
ANCHORS = ([33, 133], [362, 263], [13, 14])
TEMPLATE = np.float32([[0.414, 0.4416], [0.587, 0.441], [0.5012, 0.632]]) * S


def anchors(points):
    """Returns the centres of eyes and mouth, float32 `[3, 2]`, in pixels."""
    return np.float32([points[i].mean(0) for i in ANCHORS])


def aligned(image, mask, points):
    """Returns image, mask and landmarks, aligned with the avatars' faces."""
    m, _ = cv2.estimateAffinePartial2D(anchors(points), TEMPLATE)
    image = cv2.warpAffine(
        image, m, (S, S), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpAffine(mask, m, (S, S), borderMode=cv2.BORDER_REPLICATE)
    return image, mask, points @ m[:, :2].T + m[:, 2]


def patch(tones, points, ids, radius):
    found = []
    for i in ids:
        x, v = np.clip(points[i], 0, S - 1).astype(int)
        found.append(
            tones[
                max(v - radius, 0) : v + radius + 1,
                max(x - radius, 0) : x + radius + 1,
            ].reshape(-1, tones.shape[-1])
        )
    return np.concatenate(found)


def face(image, mask, points):
    """Returns a dictionary of measurements of the face in a photo."""
    image, mask, p = aligned(image, mask, points)
    tones = rgb2lab(image)
    grey = cv2.GaussianBlur(tones[..., 0], (0, 0), 1.0)
    person = mask > 150
    fw = np.linalg.norm(p[234] - p[454])
    fh = np.linalg.norm(p[10] - p[152])
    skin_lab = np.median(patch(tones, p, (50, 280, 117, 346), 4), 0)
    skin = np.median(patch(image, p, (50, 280, 117, 346), 4), 0)
    hull = np.zeros((S, S), np.uint8)
    cv2.fillPoly(hull, [p[OVAL].astype(np.int32)], 1)
    yy, xx = np.mgrid[0:S, 0:S]
    x10, y10 = p[10]
    chin_y = p[152][1]
    top_y = yy[person].min() if person.any() else 0
    # Above the forehead.
    band = (
        person
        & (hull == 0)
        & (yy < y10 + 0.02 * fh)
        & (yy > y10 - 0.38 * fh)
        & (np.abs(xx - x10) < 0.42 * fw)
    )
    # The mesh of landmarks often ends below the hairline. Therefore the rows
    # just above the mesh are left out.
    upper = band & (yy < y10 - 0.07 * fh)
    seed = (
        tones[upper]
        if upper.sum() > 60
        else tones[band]
        if band.sum() > 30
        else skin_lab[None]
    )
    hair_lab = np.median(seed, 0)
    hair_rgb = (
        np.median(image[upper], 0)
        if upper.sum() > 60
        else np.median(image[band], 0)
        if band.sum() > 30
        else skin
    )
    gx, gy = (
        cv2.Sobel(grey, cv2.CV_64F, 1, 0),
        cv2.Sobel(grey, cv2.CV_64F, 0, 1),
    )
    energy = np.hypot(gx, gy)
    weights = np.array([0.6, 1.0, 1.0])
    to_hair = np.sqrt((((tones - hair_lab) * weights) ** 2).sum(-1))
    to_skin = np.sqrt((((tones - skin_lab) * weights) ** 2).sum(-1))
    hair_map = person & (hull == 0) & (to_hair < np.minimum(26, to_skin * 1.2))
    hair_map = (
        cv2.morphologyEx(
            hair_map.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))
        )
        > 0
    )
    # Only parts that are connected with the top of the head are hair.
    _, parts = cv2.connectedComponents(hair_map.astype(np.uint8))
    ids = np.unique(parts[upper & hair_map]) if (upper & hair_map).any() else []
    hair_map = np.isin(parts, [i for i in ids if i])
    side = (xx < p[234][0] + 0.05 * fw) | (xx > p[454][0] - 0.05 * fw)
    near = np.abs(xx - p[152][0]) < 1.0 * fw
    low = side & near & (yy > chin_y - 0.12 * fh) & (yy < chin_y + 0.22 * fh)
    lower = near & (yy > chin_y + 0.2 * fh) & (yy < chin_y + 0.5 * fh)
    ear = side & near & (yy > y10 + 0.45 * fh) & (yy < y10 + 0.75 * fh)
    lens_pix = np.concatenate(
        [
            tones[
                cv2.fillPoly(
                    np.zeros((S, S), np.uint8), [p[e].astype(np.int32)], 1
                )
                > 0
            ][:, 0]
            for e in EYES
        ]
    )
    under = patch(tones, p, (230, 450, 229, 449, 231, 451), 3)[:, 0]
    bridge_p = patch(np.abs(gy)[..., None], p, (168, 6), 4)[:, 0]
    rim = patch(
        np.abs(gy)[..., None], p, (118, 119, 120, 347, 348, 349, 230, 450), 4
    )[:, 0]
    temple = patch(np.abs(gy)[..., None], p, (226, 446, 35, 265, 143, 372), 5)[
        :, 0
    ]
    chin = np.median(patch(tones, p, (200, 199, 175, 201, 421, 208, 428), 4), 0)
    jaw = np.median(
        patch(tones, p, (135, 364, 169, 394, 210, 430, 214, 434), 4), 0
    )
    lip = np.median(patch(tones, p, (164, 165, 391, 92, 322), 3), 0)
    nose = np.median(patch(tones, p, (4, 5, 51, 281), 3), 0)
    bottom = person & (yy > 0.9 * S)
    open_ = np.linalg.norm(p[13] - p[14]) / fh
    yaw = np.log((p[1][0] - p[234][0]).clip(1) / (p[454][0] - p[1][0]).clip(1))
    return {
        "skin": skin,
        "skin_lab": skin_lab,
        "hair": hair_rgb,
        "hair_lab": hair_lab,
        "hair_map": cv2.resize(
            hair_map.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA
        ),
        "band": band.sum() / (0.38 * fh * 0.84 * fw),
        "height": (y10 - top_y) / fh,
        "width": np.ptp(xx[person & (yy < y10 + 0.3 * fh)]) / fw
        if (person & (yy < y10 + 0.3 * fh)).any()
        else 1,
        "texture": energy[upper].mean() if upper.sum() > 60 else 0,
        "hair_to_skin": np.sqrt((((hair_lab - skin_lab) * weights) ** 2).sum()),
        "low": hair_map[low].mean(),
        "lower": hair_map[lower].mean(),
        "ear": hair_map[ear].mean(),
        "lens": np.median(lens_pix) if len(lens_pix) else 0,
        "under": np.median(under),
        "bridge": np.percentile(bridge_p, 80) / (skin_lab[0] + 10),
        "rim": np.percentile(rim, 85) / (skin_lab[0] + 10),
        "temple": np.percentile(temple, 85) / (skin_lab[0] + 10),
        "nose_l": nose[0],
        "chin_d": chin - skin_lab,
        "jaw_d": jaw - skin_lab,
        "lip_d": lip - skin_lab,
        "chin_t": patch(
            energy[..., None], p, (200, 199, 175, 208, 428), 5
        ).mean()
        / (skin_lab[0] + 10),
        "jaw_t": patch(
            energy[..., None], p, (135, 364, 169, 394, 210, 430), 5
        ).mean()
        / (skin_lab[0] + 10),
        "cheek_t": patch(energy[..., None], p, (50, 280), 5).mean()
        / (skin_lab[0] + 10),
        "clothes": np.median(image[bottom], 0)
        if bottom.sum() > 30
        else np.array([60, 60, 70]),
        "mouth": open_,
        "yaw": yaw,
    }


def stacked(rows):
    return {
        k: np.stack([np.asarray(r[k], np.float32) for r in rows])
        for k in rows[0]
    }


def runner(path):
    net = Interpreter(str(path), num_threads=1)
    net.allocate_tensors()
    at = net.get_input_details()[0]["index"]
    outs = [d["index"] for d in net.get_output_details()]

    def run(x):
        net.set_tensor(at, x[None].astype(np.float32))
        net.invoke()
        return [net.get_tensor(o)[0].copy() for o in outs]

    return run


def landmarks(run, image, box):
    """Returns landmarks `[468, 2]` in pixels of the image, and a logit.

    The logit is above 0 if the network detects a face within `box`, which is
    (x, y, side).
    """
    x0, y0, side = box
    cut = Image.fromarray(image).resize(
        (192, 192), Image.BILINEAR, box=(x0, y0, x0 + side, y0 + side)
    )
    points, seen = run(np.asarray(cut) / 255.0)
    points = points.reshape(468, 3)[:, :2] * side / 192 + (x0, y0)
    return points, float(seen.ravel()[0])


def regions(run_mask, run_points, image):
    mask = run_mask(image / 255.0)[0][..., 0]
    side = image.shape[0]
    box = (side * 0.15, side * 0.15, side * 0.7)
    # The face is searched in the centre, and then around the face that was
    # found there.
    for _ in range(2):
        points, seen = landmarks(run_points, image, box)
        low, high = points.min(0), points.max(0)
        edge = 1.5 * max(high - low)
        edge = float(np.clip(edge, side * 0.2, side))
        corner = (low + high) / 2 - edge / 2
        corner = np.clip(corner, 0, side - edge)
        box = (*corner, edge)
    return (mask * 255).astype(np.uint8), points.astype(np.float32), seen


def find_regions(segmenter, mesh):
    """Writes masks and landmarks of all faces to cache/regions.npz."""
    run_mask, run_points = runner(segmenter), runner(mesh)
    kept = {}
    for split in ("train", "test"):
        images, files = y.load("face", split, S)
        got = [regions(run_mask, run_points, image) for image in images]
        masks, points, seen = zip(*got, strict=True)
        kept |= {
            f"{split}_files": files,
            f"{split}_masks": np.stack(masks),
            f"{split}_points": np.stack(points),
            f"{split}_seen": np.array(seen),
        }
    np.savez_compressed(y.WORK / "cache" / "regions.npz", **kept)


def embed_crops(images, masks, points, look):
    """Returns a dictionary of frozen features of eyes, chin and head."""
    crops = {k: [] for k in CROPS}
    for image, mask, places in zip(images, masks, points, strict=True):
        image, mask, _ = aligned(image, mask, places)
        m = mask[..., None] / 255
        clean = (image * m + GROUND * (1 - m)).astype(np.uint8)
        for k, (y0, y1, x0, x1) in CROPS.items():
            a, b, c, d = (round(v * S) for v in (y0, y1, x0, x1))
            part = (clean if k == "head" else image)[a:b, c:d]
            how = cv2.INTER_AREA
            crops[k].append(cv2.resize(part, (128, 128), interpolation=how))
    return {
        k: look.embed(np.stack(v), grid=2).astype(np.float32)
        for k, v in crops.items()
    }


def main():
    find_regions(*sys.argv[1:3])
    with np.load(y.WORK / "cache" / "regions.npz") as file:
        r = dict(file)
    look = load_features("efficientnet-lite0@128")
    described, deep = {}, {}
    for split in ("train", "test"):
        images, _ = y.load("face", split, S)
        masks, points = r[f"{split}_masks"], r[f"{split}_points"]
        rows = [face(*v) for v in zip(images, masks, points, strict=True)]
        for k, v in stacked(rows).items():
            described[f"face_{split}_{k}"] = v
        for k, v in embed_crops(images, masks, points, look).items():
            deep[f"{split}_{k}"] = v
    images, _ = y.load("avatar", "train", S)
    for k, v in stacked([avatar(i) for i in images]).items():
        described[f"avatar_train_{k}"] = v
    np.savez(y.WORK / "cache" / "described.npz", **described)
    np.savez(y.WORK / "cache" / "deep.npz", **deep)


if __name__ == "__main__":
    main()
