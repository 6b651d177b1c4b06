"""Segments hair, skin and clothes of photos by a network taught by rules.

Rules about the person mask, the landmarks and colours label the pixels that
are clear. A small network of the pixel's colours and of frozen feature maps
learns them from all photos together, so that the mistakes of a rule on
one photo are outvoted. No label of the data set is read.
"""
import sys
import cv2, keras, numpy as np, tensorflow as tf
import yardstick as y
from regions import OVAL, patch
from skimage.color import rgb2lab
from tf_i2i.features import load_features

S, G = 256, 64   # side of photos, cells of maps
CLASSES = ("ground", "hair", "skin", "clothes")

def seeds(image, mask, p):
    """Returns class of clear pixels `[S, S]`, 255 where unclear, and context colours."""
    tones = rgb2lab(image)
    fw = np.linalg.norm(p[234]-p[454]); fh = np.linalg.norm(p[10]-p[152])
    yy, xx = np.mgrid[0:S,0:S]
    hull = np.zeros((S,S),np.uint8); cv2.fillPoly(hull,[p[OVAL].astype(np.int32)],1)
    inner = cv2.erode(hull, np.ones((7,7)))
    person = mask>170
    w = np.array([.6,1,1])
    skin = np.median(patch(tones,p,(50,280,117,346,4),4),0)
    d_skin = np.sqrt((((tones-skin)*w)**2).sum(-1))
    x10,y10 = p[10]; chin = p[152][1]
    up = person & (hull==0) & (yy < y10-.04*fh) & (yy > y10-.45*fh) & (np.abs(xx-x10)<.5*fw)
    out = np.full((S,S),255,np.uint8)
    out[mask<60] = 0
    top = up & (d_skin>16)
    hairy = top.sum() > .25*max(up.sum(),1) and top.sum()>40
    hair = np.median(tones[top],0) if hairy else np.median(tones[up],0) if up.sum()>40 else skin
    d_hair = np.sqrt((((tones-hair)*w)**2).sum(-1))
    body = person & (yy > chin+.35*fh)
    clothes = np.median(tones[body & (d_skin>14)],0) if (body&(d_skin>14)).sum()>60 else np.array([30.,0,0])
    d_cl = np.sqrt((((tones-clothes)*w)**2).sum(-1))
    out[(inner>0) & (d_skin<22)] = 2
    out[person & (hull==0) & (d_skin<9) & (d_hair>16)] = 2
    if not hairy: out[up & (d_skin<16)] = 2
    if hairy:
        cand = person & (inner==0) & (d_hair<np.minimum(18,.7*d_skin)) & (yy<chin+.75*fh) & (np.abs(xx-p[152][0])<1.1*fw)
        cand = cv2.morphologyEx(cand.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3,3)))
        _, parts = cv2.connectedComponents(cand)
        ids = np.unique(parts[top & (cand>0)])
        out[np.isin(parts,[i for i in ids if i])] = 1
        out[top & (d_hair<30) & (yy<y10-.08*fh)] = 1
    out[body & (d_hair>26) & (d_skin>16)] = 3
    out[body & (d_cl<14) & (d_hair>16) & (d_skin>14)] = 3
    return out, tones, skin, hair, clothes

def inputs(images, masks, points, look):
    """Returns per-cell features [N,G,G,F] float16 and class targets [N,G,G]."""
    @tf.function(autograph=False)
    def maps(x):
        t = look(tf.image.resize(tf.cast(x,tf.float32), [192,192], antialias=True)/127.5-1)
        return [tf.image.resize(t[k],[G,G]) for k in ("stage2","stage3","stage5")]
    feats, goal = [], []
    for i in range(0,len(images),32):
        deep = tf.concat(maps(images[i:i+32]),-1).numpy()
        for im, m, p, d in zip(images[i:i+32], masks[i:i+32], points[i:i+32], deep):
            s, tones, skin, hair, cl = seeds(im, m, p)
            small = cv2.resize(tones.astype(np.float32),(G,G),interpolation=cv2.INTER_AREA)
            q = S//G
            cells = s.reshape(G,q,G,q).transpose(0,2,1,3).reshape(G,G,-1)
            counts = np.stack([(cells==c).sum(-1) for c in range(4)],-1)
            best = counts.argmax(-1); best[counts.max(-1) < .7*q*q] = 255
            mm = cv2.resize(m.astype(np.float32),(G,G),interpolation=cv2.INTER_AREA)[...,None]/255
            fh = np.linalg.norm(p[10]-p[152]); fw=np.linalg.norm(p[234]-p[454])
            yy,xx = (np.mgrid[0:G,0:G]+.5)*q
            where = np.stack([(xx-p[1][0])/fw, (yy-p[10][1])/fh, np.abs(xx-p[1][0])/fw],-1)
            colours = np.concatenate([(small-c)/20 for c in (skin,hair,cl)],-1)
            feats.append(np.concatenate([d, small/50, colours, mm, where],-1).astype(np.float16)); goal.append(best.astype(np.uint8))
    return np.stack(feats), np.stack(goal)

def main():
    r = np.load(y.WORK/"cache"/"regions.npz")
    look = load_features("efficientnet-lite0")
    F, T, ims = [], [], []
    for s in ("train","test"):
        im,_ = y.load("face",s,S)
        f,t = inputs(im, r[s+"_masks"], r[s+"_points"], look); F.append(f); T.append(t); ims.append(im); print(s, f.shape, np.bincount(t.ravel(),minlength=4)[:4], flush=True)
    n = len(F[0]); F=np.concatenate(F); T=np.concatenate(T); ims=np.concatenate(ims)
    flat=F.reshape(-1,F.shape[-1]); want=T.ravel()
    rng=np.random.default_rng(0)
    mean=flat[::97].astype(np.float32).mean(0); std=flat[::97].astype(np.float32).std(0)+1e-3
    cells=T[:n].size
    at=np.concatenate([rng.choice(np.flatnonzero(want[:cells]==c),120000) for c in range(4)]); rng.shuffle(at)
    net=keras.Sequential([keras.Input((flat.shape[-1],)),keras.layers.Dropout(.2),keras.layers.Dense(64,"relu"),keras.layers.Dropout(.3),keras.layers.Dense(4)])
    net.compile(keras.optimizers.Adam(2e-3),keras.losses.SparseCategoricalCrossentropy(True,),metrics=["accuracy"])
    x=((flat[at].astype(np.float32)-mean)/std); net.fit(x,want[at],batch_size=512,epochs=4,verbose=2)
    out=np.zeros((len(F),G,G,4),np.float16)
    for i in range(0,len(F),50):
        v=(F[i:i+50].astype(np.float32)-mean)/std
        out[i:i+50]=tf.nn.softmax(net(v.reshape(-1,v.shape[-1]),training=False)).numpy().reshape(-1,G,G,4)
    np.savez(y.WORK/"cache"/"segments.npz",p=out,n=n)
    pick=list(range(n,n+196,8))[:24]
    col=np.array([[240,240,240],[200,30,30],[250,200,160],[40,80,200]],np.float32)
    def paint(i): return cv2.resize((out[i].astype(np.float32)@col).astype(np.uint8),(S,S))
    def raw(i): return cv2.resize(np.where(T[i][...,None]==255,0,col[np.minimum(T[i],3)]).astype(np.uint8),(S,S),interpolation=cv2.INTER_NEAREST)
    rows=[]
    for k in (0,12): rows+=[[ims[i] for i in pick[k:k+12]],[raw(i) for i in pick[k:k+12]],[paint(i) for i in pick[k:k+12]]]
    y.grid(rows,y.WORK/"segments.png",110,12)
main()
