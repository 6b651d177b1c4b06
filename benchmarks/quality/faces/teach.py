"""Reads photos without labels: kind of hair, glasses, beard, mouth, colours."""
import csv, sys
import cv2
import numpy as np
import pseudo as p
import yardstick as y
from regions import TEMPLATE, lab
from sklearn.linear_model import LogisticRegression

SHARES = {"bald": .05, "curly": .13, "long": .14, "bob": .15}
z = p.z

def hair_kinds(f, n):
    """Returns kinds of hair of all photos, training photos first."""
    with np.load(y.WORK/"cache"/"geometry.npz") as g:
        q = {k: z(g[k]) for k in g.files if k != "n"}
    with np.load(y.WORK/"cache"/"aligned.npz") as a:
        aligned = a["a"].astype(np.float32)
    e = p.deep(n)
    everything = np.concatenate([e["head"], 1.5*pca(aligned[..., :2], n), np.stack(list(q.values()),1)*.6],1)
    bald = -(q["band"]+q["top"]+q["area"])+q["inface"]
    falls = 2*q["ears"]+q["jaw"]+.5*q["neck"]
    curly = q["wide"]+q["tex"]+.5*q["height"]+.5*q["top"]
    afro = z(f["width"])+.5*z(f["height"])
    afro = z(afro)+z(p.taught(afro, e["head"], n, .04, .7))
    long = q["neck"]+.5*q["deep"]+.5*q["jaw"]
    bald = z(p.taught(bald, everything, n, .04, .6))+.5*z(bald)
    falls = z(p.taught(falls, e["head"], n, .2, .5))+.7*z(falls)
    curly = z(curly)+z(afro)
    def top(score, share, free):
        cut = np.sort(score[:n][free[:n]])[::-1][int(share*n)]
        return free & (score > cut)
    every = np.ones(len(bald), bool)
    kind = np.full(len(bald), "short", "U8")
    no = top(bald, SHARES["bald"], every)
    wide = top(curly, SHARES["curly"], ~no)
    low = top(falls, SHARES["long"]+SHARES["bob"], ~no & ~wide)
    is_long = top(long, SHARES["long"], low)
    kind[no], kind[wide], kind[low], kind[is_long] = "bald", "curly", "bob", "long"
    return kind, aligned

def pca(x, n, k=60):
    from sklearn.decomposition import PCA
    x = x.reshape(len(x), -1)
    v = PCA(k, random_state=0).fit(x[:n]).transform(x)
    return v/v.std()

def annotated(n):
    out = {}
    for split, name, off in (("test","annotated.csv",n),("train","annotated_train.csv",0)):
        _, files = y.load("face", split, 256)
        at = {x:i+off for i,x in enumerate(files)}
        with open(y.WORK/name) as file:
            for r in csv.DictReader(file): out[at[r["file"]]] = r
    return out

def report(kind, glasses, facial, colour, n):
    rows = annotated(n)
    for split in ("train","test"):
        at = [i for i in rows if (i>=n)==(split=="test") and rows[i]["hat"]!="yes"]
        for name, key, got in (("hair","truth_hair",kind),("glasses","glasses",glasses),("facial","facial_hair",facial),("colour","hair_color",colour)):
            want = [rows[i][key].replace("stubble","none").replace("gray","grey") for i in at]
            ok = [(w,g) for w,g in zip(want,got[at]) if w not in ("","unknown","other","none" if name=="colour" else "?")]
            if name=="colour": ok=[(w,{"dark_brown":"brown","auburn":"brown"}.get(g,g)) for w,g in ok]
            acc = np.mean([w==g for w,g in ok])
            bal = np.mean([np.mean([g==w for w,g in ok if w==c]) for c in {w for w,_ in ok}])
            print(split, name, len(ok), "accuracy %.2f balanced %.2f"%(acc,bal), {c:{str(g):sum(1 for w,h in ok if w==c and h==g) for g in sorted({h for w,h in ok if w==c})} for c in sorted({w for w,_ in ok})})


def options(slots, index):
    """Returns for each slot what its options are, by their own pictures."""
    d = np.load(y.WORK/"cache"/"described.npz")
    a = {k[13:]: d[k] for k in d.files if k.startswith("avatar_train_")}
    hair, glasses, facial = p.avatar_kinds(a)
    def majority(slot, names):
        out = []
        for c in range(slots[slot].max()+1):
            mine = names[slots[slot]==c]
            v, k = np.unique(mine, return_counts=True)
            out.append((str(v[k.argmax()]) if len(v) else "", round(float(k.max()/k.sum()),2) if len(v) else 0, len(mine)))
        return out
    return {"hair": majority("hair", hair), "glasses": majority("glasses", glasses), "beard": majority("beard", facial)}

def smile(pts):
    """How far the corners of the mouth are above its middle, in widths."""
    w = np.linalg.norm(pts[:,61]-pts[:,291],axis=1)
    mid = (pts[:,13,1]+pts[:,14,1])/2
    return (mid-(pts[:,61,1]+pts[:,291,1])/2)/w

if __name__ == "__main__":
    f, n = p.photos()
    _, glasses, facial, q = p.kinds(f, n)
    kind, aligned = hair_kinds(f, n)
    colour = p.NAMES[p.hair_colour(f)]
    report(kind, glasses, facial, colour, n)
    if len(sys.argv) > 1:
        k = np.load(y.WORK/"runs"/f"{sys.argv[1]}_drawer.npz")
        slots = {x[5:]: k[x] for x in k.files if x.startswith("slot_")}
        for s, o in options(slots, None).items(): print(s, list(enumerate(o)))
