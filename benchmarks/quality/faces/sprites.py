"""Finds the parts of avatars by clustering, and learns to draw them."""
import sys, time
import numpy as np
import cv2
import yardstick as y
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

S = 128
GROUND = np.float32([242, 244, 247])
# rows and columns in shares, number of options
SLOTS = {
    "hair": ((0.0, 1.0, 0.0, 1.0), 22),
    "clothes": ((0.62, 1.0, 0.0, 1.0), 9),
    "beard": ((0.47, 0.74, 0.24, 0.76), 6),
    "eyes": ((0.38, 0.47, 0.34, 0.66), 10),
    "brows": ((0.33, 0.41, 0.32, 0.68), 8),
    "mouth": ((0.52, 0.63, 0.40, 0.60), 8),
    "glasses": ((0.32, 0.50, 0.22, 0.78), 4),
}
# entries of the palette that a slot may use
USES = {
    "hair": (5, 6, 7),
    "clothes": (1, 2, 4, 8, 9, 10, 11, 12, 13),
    "beard": (1, 2, 5, 6, 7, 13, 14),
    "eyes": (1, 2, 3, 4, 11, 12, 13, 14),
    "brows": (1, 2, 3, 4, 13, 14),
    "mouth": (1, 2, 3, 4, 11, 12, 13, 14, 16, 17),
    "glasses": (1, 2, 3, 4, 11, 12, 13, 14, 15),
}
# where and in which groups of colours options are first looked for
FIRST = {
    "clothes": ((.68,.98,.36,.64), ((8,),(9,10),(11,12),(13,14),(1,2,3,4))),
    "beard": ((.50,.68,.34,.66), ((5,6,7),)),
    "eyes": ((.40,.47,.36,.64), ((11,12),(13,14))),
    "brows": ((.34,.40,.36,.64), ((13,14,4),)),
    "mouth": ((.53,.62,.42,.58), ((11,12),(13,14),(16,17))),
    "glasses": ((.34,.48,.26,.74), ((13,14,15),)),
}
FREE = np.float32([[255,255,255],[230,230,230],[40,40,44],[0,0,0],[95,98,110],[255,79,109],[150,60,70]])

def palette(skin, hair, clothes):
    """Returns colours `[N, P, 3]` in 0..255."""
    n = len(skin)
    own = [np.tile(GROUND, (n,1)), skin, .84*skin, .90*skin, .6*skin, hair, .85*hair, hair+20, clothes, .84*clothes, .7*clothes]
    own = np.stack([np.asarray(o, np.float32) for o in own], 1)
    return np.concatenate([own, np.tile(FREE, (n,1,1))], 1)

def described():
    with np.load(y.WORK / "cache" / "described.npz") as f:
        return {k[13:]: f[k] for k in f.files if k.startswith("avatar_train_")}

def indexed(images, pal):
    """Nearest palette entry of every pixel, uint8 [N,S,S]."""
    out = np.zeros(images.shape[:3], np.uint8)
    for i, im in enumerate(images):
        d = ((im[..., None, :].astype(np.float32) - pal[i]) ** 2).sum(-1)
        out[i] = d.argmin(-1)
    return out

def box(region, s=S):
    a,b,c,d = region
    return slice(round(a*s), round(b*s)), slice(round(c*s), round(d*s))

def parts():
    path = y.WORK/"cache"/"parts.npz"
    a = described()
    images, _ = y.load("avatar", "train", 256)
    images = np.stack([cv2.resize(i,(S,S),interpolation=cv2.INTER_AREA) for i in images])
    skin, hair, clothes = a["skin"], a["hair"].copy(), a["clothes"]
    for i in np.flatnonzero(a["bald"] > .5):
        r = box((.57,.66,.40,.60))
        p = images[i][r[0], r[1]].reshape(-1,3).astype(int)
        p = p[np.abs(p-skin[i]).max(-1) > 25]
        keys, counts = np.unique(p @ (65536,256,1), return_counts=True) if len(p) > 30 else ([0],[0])
        if max(counts) > 12:
            k = keys[np.argmax(counts)]; hair[i] = k>>16, k>>8&255, k&255
    pal = palette(skin, hair, clothes)
    index = indexed(images, pal)
    P = pal.shape[1]
    code = {}
    for name,(region, count) in SLOTS.items():
        if name == "hair":
            keep = np.isin(index, (5,6,7)) & ~(a["bald"]>0.5)[:,None,None]
            # Beards are no hair of the head.
            r = box((.40,.78,.29,.71)); keep[:, r[0], r[1]] = 0
            x = np.stack([cv2.resize(k.astype(np.float32),(32,32),interpolation=cv2.INTER_AREA) for k in keep]).reshape(len(index),-1)
        else:
            where, groups = FIRST[name]
            r = box(where)
            x = np.stack([np.isin(index[:, r[0], r[1]], g) for g in groups], -1)
            x = x.astype(np.float32).reshape(len(index), -1)
        x = PCA(40, random_state=0).fit_transform(x)
        code[name] = KMeans(count, n_init=6, random_state=0).fit_predict(x)
        if name in ("beard", "glasses"):
            merge_none(code, name, a)
        print(name, np.bincount(code[name]), flush=True)
    np.savez(path, index=index, images=images, skin=skin, hair=hair, clothes=clothes, **{"slot_"+k:v for k,v in code.items()})

def merge_none(code, name, a):
    """Makes one option 0 of all that show no beard, or no glasses."""
    import pseudo
    none = pseudo.avatar_kinds(a)[{"glasses": 1, "beard": 2}[name]] == "none"
    k = code[name]
    empty = [c for c in range(k.max()+1) if none[k==c].mean() > .5]
    order = empty + [c for c in range(k.max()+1) if c not in empty]
    new = {c: max(0, i-len(empty)+1) for i, c in enumerate(order)}
    code[name] = np.array([new[c] for c in k])

def sheet():
    f = np.load(y.WORK/"cache"/"parts.npz")
    rows=[]
    for name in SLOTS:
        k = f["slot_"+name]
        row=[f["images"][k==c].astype(np.float32).mean(0).astype(np.uint8) for c in range(k.max()+1)]
        row += [np.full((S,S,3),255,np.uint8)]*(24-len(row)); rows.append(row)
    y.grid(rows, y.WORK/"parts.png", 80, 24)


class Drawer:
    def __init__(self, counts, P, sharp=1.0):
        import tensorflow as tf
        self.tf = tf
        self.base = tf.Variable(tf.zeros([S,S,P]))
        self.w = {}
        for n,(region,_) in SLOTS.items():
            r = box(region)
            self.w[n] = tf.Variable(tf.zeros([counts[n], r[0].stop-r[0].start, r[1].stop-r[1].start, len(USES[n])]))
    def variables(self): return [self.base, *self.w.values()]
    def spread(self, n, part):
        """From a slot's entries of the palette to all entries."""
        tf = self.tf
        return tf.matmul(part, tf.constant(np.eye(self.base.shape[-1], dtype=np.float32)[list(USES[n])]))
    def logits(self, code, but=None):
        tf = self.tf
        total = self.base[None]
        for n,(region,_) in SLOTS.items():
            if n == but: continue
            r = box(region)
            part = tf.gather(self.w[n], code[n]) if code[n].dtype.is_integer else tf.einsum("nk,khwp->nhwp", code[n], self.w[n])
            part = self.spread(n, part)
            total += tf.pad(part, [[0,0],[r[0].start,S-r[0].stop],[r[1].start,S-r[1].stop],[0,0]])
        return total
    def draw(self, code, pal):
        return self.tf.einsum("nhwp,npc->nhwc", self.tf.nn.softmax(self.logits(code)), pal)

def start(d, index, code, P):
    eye = np.eye(P, dtype=np.float32)
    mean = np.stack([(index==p).mean(0) for p in range(P)],-1)
    base = np.log(mean+1e-3); d.base.assign(base)
    for n,(region,_) in SLOTS.items():
        r = box(region); m = mean[r[0],r[1]]
        for c in range(d.w[n].shape[0]):
            at = index[code[n]==c][:, r[0], r[1]]
            if len(at)==0: continue
            mc = np.stack([(at==p).mean(0) for p in range(P)],-1)
            w = np.log((mc*len(at)+m*2)/(len(at)+2)+1e-3)-np.log(m+1e-3)
            d.w[n][c].assign(w[..., list(USES[n])])

def train(name, rounds=3, epochs=4):
    import tensorflow as tf, keras
    f = dict(np.load(y.WORK/"cache"/"parts.npz"))
    images = f["images"].astype(np.float32)/255
    pal = (palette(f["skin"], f["hair"], f["clothes"])/255).astype(np.float32)
    N,P = pal.shape[:2]
    code = {n: f["slot_"+n].astype(np.int32) for n in SLOTS}
    counts = {n: int(v.max())+1 for n,v in code.items()}
    d = Drawer(counts, P); start(d, f["index"], code, P)
    total = rounds*epochs*(N//32)
    opt = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(.15, total, alpha=.05), .8, .99)
    opt.build(d.variables())
    @tf.function(autograph=False)
    def step(c, pl, want):
        with tf.GradientTape() as t:
            loss = tf.reduce_mean(tf.abs(d.draw(c, pl)-want))
        opt.apply(t.gradient(loss, d.variables()), d.variables()); return loss
    @tf.function(autograph=False)
    def errors(rest, pl, want, w, top, left):
        # rest [n,h,w,P] logits without this slot in its region
        out=[]
        for o in range(w.shape[0]):
            m = tf.nn.softmax(rest + w[o])
            out.append(tf.reduce_sum(tf.abs(tf.einsum("nhwp,npc->nhwc", m, pl)-want), (1,2,3)))
        return tf.stack(out,1)
    rng = np.random.default_rng(0); began=time.time()
    for k in range(rounds):
        for e in range(epochs):
            order = rng.permutation(N); sums=[]
            for i in range(0, N-31, 32):
                at = order[i:i+32]
                sums.append(float(step({n: tf.constant(v[at]) for n,v in code.items()}, pal[at], images[at])))
            print(k, e, "l1 %.5f"%np.mean(sums), "%.0f s"%(time.time()-began), flush=True)
        if k < rounds-1:
            for n,(region,_) in SLOTS.items():
                r = box(region); q = 2 if n in ("hair","clothes") else 1
                new = np.empty(N, np.int32)
                for i in range(0,N,80):
                    at = slice(i,i+80)
                    rest = d.logits({m: tf.constant(v[at]) for m,v in code.items()}, but=n)[:, r[0], r[1]][:, ::q, ::q]
                    er = errors(rest, pal[at], images[at][:, r[0], r[1]][:, ::q, ::q], d.spread(n, d.w[n][:, ::q, ::q]), 0,0)
                    new[at] = er.numpy().argmin(1)
                print("  ", n, "moved", int((new!=code[n]).sum()), np.bincount(new, minlength=counts[n]), "%.0f s"%(time.time()-began), flush=True)
                code[n] = new
    np.savez(y.WORK/"runs"/f"{name}_drawer.npz", base=d.base.numpy(), **{"w_"+n: v.numpy().astype(np.float16) for n,v in d.w.items()}, **{"slot_"+n:v for n,v in code.items()}, hair=f["hair"])
    # look
    at = np.arange(0,N,N//24)[:24]
    out = d.draw({n: tf.constant(v[at]) for n,v in code.items()}, pal[at]).numpy()
    out = np.clip(out*255+.5,0,255).astype(np.uint8)
    y.grid([list(f["images"][at[:12]]), list(out[:12]), list(f["images"][at[12:]]), list(out[12:])], y.WORK/f"{name}_drawn.png", 128, 12)

if __name__ == "__main__":
    if sys.argv[1]=="parts": parts(); sheet()
    else: train(sys.argv[2])
