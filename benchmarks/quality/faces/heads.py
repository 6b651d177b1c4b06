"""Learns the code of an avatar from a photo.

    python heads.py maps        # cache/views.npz
    python heads.py fit DRAWER NAME
"""
import csv, sys, time
import cv2, keras, numpy as np, tensorflow as tf
import pseudo as p, teach, yardstick as y
from maps import view
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from tf_i2i.features import load_features
import maps as m_

V, IN, G = 6, 192, 24
m_.JITTER = .08

def cells(x, count):
    s = x.shape[1]//count
    return x.astype(np.float32).reshape(len(x),count,s,count,s,-1).mean((2,4))

def make_maps():
    look = load_features("efficientnet-lite0")
    @tf.function(autograph=False)
    def run(x):
        x = tf.image.resize(tf.cast(x, tf.float32), [IN, IN])/127.5-1
        t = look(x)
        return t["stage3"], t["stage5"]
    seg = np.load(y.WORK/"cache"/"segments.npz"); n = int(seg["n"])
    r = np.load(y.WORK/"cache"/"regions.npz"); d = np.load(y.WORK/"cache"/"described.npz")
    images, files = y.load("face","train",256); test,_ = y.load("face","test",256)
    hats=set()
    with open(y.DATA/"face_labels.csv", newline="") as f:
        for row in csv.DictReader(f):
            if row["split"]=="train" and row["attribute"]=="Hats": hats.add(row["file"])
    keep=(r["train_seen"]>0)&(np.abs(d["face_train_yaw"])<1.3)&np.array([f not in hats for f in files])
    who=np.flatnonzero(keep); masks=r["train_masks"]; P=seg["p"].astype(np.float32)
    print(len(who), "faces")
    m_.IN = 256
    rng=np.random.default_rng(0)
    out={"who":who}
    def add(key, ims, parts):
        a,b=[],[]
        for i in range(0,len(ims),32):
            u,v=run(ims[i:i+32]); a.append(u.numpy().astype(np.float16)); b.append(v.numpy().astype(np.float16))
        out.setdefault(key+"_s3",[]).append(np.concatenate(a)); out.setdefault(key+"_s5",[]).append(np.concatenate(b))
        out.setdefault(key+"_rgb",[]).append(cells(ims[:, 8:248, 8:248] if False else np.stack([cv2.resize(i,(48,48),interpolation=cv2.INTER_AREA) for i in ims]),G).astype(np.uint8))
        out.setdefault(key+"_seg",[]).append(parts)
    def small(q): return np.stack([cv2.resize(np.ascontiguousarray(v),(G,G),interpolation=cv2.INTER_AREA) for v in q]).astype(np.float16)
    add("test", test, small(P[n:]))
    for k in range(V):
        ims,parts=[],[]
        for i in who:
            state=rng.bit_generator.state
            ground=images[rng.integers(len(images))]; state=rng.bit_generator.state
            if k==0: ims.append(images[i]); parts.append(P[i]); continue
            ims.append(view(images[i],masks[i],ground,rng,k%2==1))
            after=rng.bit_generator.state; rng.bit_generator.state=state
            scale=rng.uniform(.84,1.06); turn=rng.uniform(-6,6); m=cv2.getRotationMatrix2D((128,128),turn,1/scale); m[:,2]+=rng.uniform(-.05,.05,2)*256
            rng.bit_generator.state=after
            m[:,2]/=4
            # cell centres: x_cell = (x+.5)/4-.5
            m[:,2]+=(m[:,:2].sum(1)*.5*4-.5*4)/4-(m[:,:2].sum(1)*.5-.5)*1.0 if False else 0
            w=cv2.warpAffine(P[i],m,(64,64),borderMode=cv2.BORDER_REFLECT)
            if k%2==1: w=w[:,::-1]
            parts.append(w)
        add("train", np.stack(ims), small(parts)); print("view",k,flush=True)
        if k==1:
            col=np.array([[240,240,240],[200,30,30],[250,200,160],[40,80,200]],np.float32)
            y.grid([ims[:12],[cv2.resize((w.astype(np.float32)@col).astype(np.uint8),(256,256)) for w in parts[:12]]],y.WORK/"views2.png",100,12)
    np.savez(y.WORK/"cache"/"views.npz", **{k:np.stack(v) if isinstance(v,list) else v for k,v in out.items()})

if __name__=="__main__" and sys.argv[1]=="maps": make_maps()

# ---------------------------------------------------------------- codes
def hair_outlines(index, slot):
    """Mean outline of each hair option [K,32,32]."""
    keep=np.isin(index,(5,6,7)).astype(np.float32)
    keep=np.stack([cv2.resize(v,(32,32),interpolation=cv2.INTER_AREA) for v in keep])
    return np.stack([keep[slot==c].mean(0) if (slot==c).any() else np.full((32,32),9.) for c in range(slot.max()+1)])

def photo_codes(table, drawer):
    """Codes of all photos (training photos first) from rules; no labels.

    table: dict slot -> dict kind -> list of options.
    """
    f,n=p.photos(); _,glasses,facial,q=p.kinds(f,n); kind,aligned=teach.hair_kinds(f,n)
    k=np.load(y.WORK/"runs"/f"{drawer}_drawer.npz"); parts=np.load(y.WORK/"cache"/"parts.npz")
    out=hair_outlines(parts["index"],k["slot_hair"])
    r=np.load(y.WORK/"cache"/"regions.npz"); pts=np.concatenate([r["train_points"],r["test_points"]])
    N=len(kind); code={s:np.zeros(N,int) for s in ("hair","beard","glasses","mouth","clothes")}
    where=np.ones((32,32)); where[12:21,10:22]=0
    for i in range(N):
        c=np.array(table["hair"][kind[i]])
        shape=np.abs((out[c]-aligned[i,...,0])*where).mean((1,2))
        code["hair"][i]=c[shape.argmin()]
        code["glasses"][i]=table["glasses"][glasses[i]][0]
    # thick or thin frames, full or light beards by how dark they are
    rim=q(f["rim"]); dark=q(-f["chin_d"][:,0])
    for i in range(N):
        g=table["glasses"][glasses[i]]; code["glasses"][i]=g[0] if len(g)==1 or rim[i]<.5 else g[1]
        b=table["beard"][facial[i]]; code["beard"][i]=b[0] if len(b)==1 or dark[i]<.5 else b[1]
    open_=q(f["mouth"]); s=teach.smile(pts); s=q(s)
    m=np.where(open_>.72,"open",np.where(s>.45,"smile","neutral"))
    code["mouth"]=np.array([table["mouth"][v][0] for v in m])
    code["clothes"]=np.array([table["clothes"][c][0] for c in clothes_kinds(f["clothes"])])
    colour=p.hair_colour(f); tone=np.interp(q_tone(f,q),[0,.1,.3,.5,.75,.95,1],[0,0,1,2,3,4,4])
    return code, colour, tone, f["clothes"], n, (kind,glasses,facial,m)

def clothes_kinds(rgb):
    """Kinds of clothes, which photos seldom show, by colours alone."""
    from regions import lab
    light,a,b=lab(rgb).T; chroma=np.hypot(a,b)
    kind=np.full(len(rgb),"other","U10")
    kind[light<32]="dark"; kind[light>62]="light"; kind[chroma>24]="colourful"
    return kind

def q_tone(f,q):
    cheeks=np.concatenate([y.photo_cheeks(s)[0] for s in ("train","test")])
    from regions import lab
    return q(lab(cheeks)[:,0]*.8+f["nose_l"]*.2)

# ---------------------------------------------------------------- heads
def parts_net(F):
    return keras.Sequential([keras.Input((F,)),keras.layers.Dense(48,"relu"),keras.layers.Dense(4)])

def cell_inputs(s3,s5,rgb):
    up=np.repeat(np.repeat(s5,2,1),2,2)
    yx=np.stack(np.meshgrid(np.linspace(-1,1,G),np.linspace(-1,1,G),indexing="ij"),-1)
    yx=np.broadcast_to(yx,(len(s3),G,G,2))
    return np.concatenate([s3.astype(np.float32),up.astype(np.float32),rgb.astype(np.float32)/127.5-1,yx],-1)

def colours(seg,rgb):
    """[N,21] from the mean colours under hair, skin and clothes."""
    x=rgb.astype(np.float32)/127.5-1
    w=seg[...,1:4]**2
    c=(w[...,None]*x[...,None,:]).sum((1,2))/(w.sum((1,2))[...,None]+1.)   # [N,3,3]
    c=c.reshape(len(x),9)
    return np.concatenate([c,c*c,c[:,:3]*c[:,3:6],w.mean((1,2))],1)

def vectors(s3,s5,rgb,seg):
    flat=lambda v: v.astype(np.float32).reshape(len(v),-1)
    low=s3[:,12:20,7:17].astype(np.float32).reshape(len(s3),4,2,5,2,-1).mean((2,4))
    q=colours(seg,rgb)
    return {"deep":np.concatenate([flat(cells(s3,6)),flat(cells(s5,6))],1),
            "eyes":np.concatenate([flat(s3[:,9:13,6:18]),flat(s5[:,4:7,3:9])],1),
            "chin":np.concatenate([flat(low),flat(s5[:,6:10,3:9])],1),
            "shape":flat(cells(seg[...,1:3],12)),
            "thumb":flat(cells(rgb,12))/127.5-1,
            "colours":q}

KINDS=("bald","short","bob","long","curly")
HEADS={"kind":(("deep","shape"),.01),"glasses":(("eyes",),.003),"beard":(("chin",),.02),"mouth":(("chin",),.01),"tint":(("colours",),.1),"clothes":(("colours","thumb"),.02)}
POWER={"kind":.0,"tint":.4,"beard":.3,"glasses":.6}
DIMS={"deep":150,"eyes":150,"chin":150,"shape":60,"thumb":60,"colours":24}

def fit(drawer,name,table):
    with np.load(y.WORK/"cache"/"views.npz") as file: v=dict(file)
    code,tint,tone,clothes,n,kinds=photo_codes(table,drawer)
    who=v["who"]; K=v["train_s3"].shape[0]
    tr={k:v["train_"+k].reshape(-1,*v["train_"+k].shape[2:]) for k in ("s3","s5","rgb","seg")}
    te={k:v["test_"+k][0] for k in ("s3","s5","rgb","seg")}
    # parts
    rng=np.random.default_rng(0)
    pick=rng.choice(len(tr["s3"]),1500,replace=False)
    x=cell_inputs(tr["s3"][pick],tr["s5"][pick],tr["rgb"][pick]); F=x.shape[-1]
    x=x.reshape(-1,F); t=tr["seg"][pick].astype(np.float32).reshape(-1,4); sub=rng.choice(len(x),300000,replace=False)
    net=parts_net(F); scale=x[sub].std(0)+1e-3; mean=x[sub].mean(0)
    net.compile(keras.optimizers.Adam(2e-3),keras.losses.CategoricalCrossentropy(True))
    net.fit((x[sub]-mean)/scale,t[sub],batch_size=1024,epochs=6,verbose=0)
    w1,b1,w2,b2=[a.numpy() for a in net.weights]; w1=w1/scale[:,None]; b1=b1-mean@w1
    def seg(d):
        out=[]
        for i in range(0,len(d["s3"]),100):
            c=cell_inputs(d["s3"][i:i+100],d["s5"][i:i+100],d["rgb"][i:i+100])
            h=np.maximum(c@w1+b1,0)@w2+b2; e=np.exp(h-h.max(-1,keepdims=True)); out.append(e/e.sum(-1,keepdims=True))
        return np.concatenate(out)
    s_tr,s_te=seg(tr),seg(te)
    print("parts: hair IoU with targets %.2f"%(np.sum((s_te[...,1]>.5)&(te["seg"][...,1]>.5))/np.sum((s_te[...,1]>.5)|(te["seg"][...,1]>.5))),flush=True)
    X=vectors(tr["s3"],tr["s5"],tr["rgb"],s_tr); Z=vectors(te["s3"],te["s5"],te["rgb"],s_te)
    small={}; norms={}
    kind_of_={o:i for i,q in enumerate(KINDS) for o in table["hair"][q]}
    for k,a in X.items():
        mean,sd=a.mean(0),a.std(0)+1e-3
        pc=PCA(min(DIMS[k],a.shape[1]),svd_solver="randomized",random_state=0).fit((a[::2]-mean)/sd)
        u=pc.transform((a-mean)/sd); g=u.std()
        # u/g = a @ M + m0
        M=pc.components_.T/g; m0=-(pc.mean_@pc.components_.T)/g
        small[k]=(u/g, ((Z[k]-mean)/sd)@M+m0, M.astype(np.float32), m0)
        norms[k+"_mean"],norms[k+"_sd"]=mean,sd
    at=np.tile(who,K); W={}; raw={}
    np.savez(y.WORK/"cache"/"small.npz",at=at,n=n,tone=tone,tint=tint,**{k+"_u":v[0].astype(np.float32) for k,v in small.items()},**{k+"_z":v[1].astype(np.float32) for k,v in small.items()},**{"code_"+k:v for k,v in code.items()},kind=np.array([kind_of_[o] for o in code["hair"]]))
    kind_of={o:i for i,q in enumerate(KINDS) for o in table["hair"][q]}
    hair_kind=np.array([kind_of[o] for o in code["hair"]])
    wanted={"kind":hair_kind}|{h:code[h] for h in ("glasses","beard","mouth","clothes")}|{"tint":tint}
    out={}
    def fold(names,coef,icpt):
        ks=[]; b=icpt.copy(); o=0
        for k in names:
            M,m0=small[k][2],small[k][3]; c=coef[:,o:o+M.shape[1]]; o+=M.shape[1]
            ks.append(M@c.T); b=b+c@m0
        return ks,b
    for h,(names,C) in HEADS.items():
        a=np.concatenate([small[k][0] for k in names],1); zt=np.concatenate([small[k][1] for k in names],1)
        v=wanted[h][at]; counts=np.bincount(v); weight=(len(v)/np.maximum(counts,1)[v])**POWER.get(h,0.); weight/=weight.mean()
        m=LogisticRegression(C=C,max_iter=150).fit(a,v,sample_weight=weight)
        total=7 if h=="tint" else 5 if h=="kind" else max(np.load(y.WORK/"runs"/f"{drawer}_drawer.npz")["w_"+h].shape[0],1)
        coef=np.zeros((total,a.shape[1])); ic=np.full(total,-20.)
        if len(m.classes_)==2: raise SystemExit(h)
        coef[m.classes_]=m.coef_; ic[m.classes_]=m.intercept_
        out[h]=zt@coef.T+ic; W[h]=(names,*fold(names,coef,ic)); raw[h]=(coef,ic)
        print(h,"agrees with the rules on test photos %.2f"%np.mean(out[h].argmax(1)==wanted[h][n:]),flush=True)
    # Hair: first its kind, then the option of this kind.
    names=HEADS["kind"][0]; a=np.concatenate([small[k][0] for k in names],1); zt=np.concatenate([small[k][1] for k in names],1)
    total=np.load(y.WORK/"runs"/f"{drawer}_drawer.npz")["w_hair"].shape[0]
    coef=np.zeros((total,a.shape[1])); ic=np.full(total,-60.)
    ck,bk=raw["kind"]
    for q,kind in enumerate(KINDS):
        mine=hair_kind[at]==q; opts=table["hair"][kind]
        if len(opts)>1:
            m=LogisticRegression(C=.003,max_iter=100,class_weight="balanced").fit(a[mine],code["hair"][at][mine])
            cs,bs=(m.coef_,m.intercept_) if len(m.classes_)>2 else (np.concatenate([-m.coef_,m.coef_])/2,np.concatenate([-m.intercept_,m.intercept_])/2)
            for o,c,b in zip(m.classes_,cs,bs): coef[o]=c; ic[o]=b
        else: ic[opts[0]]=0
        for o in opts:
            if ic[o]>-50: coef[o]+=4*ck[q]; ic[o]+=4*bk[q]
    out["hair"]=zt@coef.T+ic; W["hair"]=(names,*fold(names,coef,ic))
    names=("colours","thumb","deep"); a=np.concatenate([small[k][0] for k in names],1); zt=np.concatenate([small[k][1] for k in names],1)
    r=Ridge(20.).fit(a,tone[at]); out["tone"]=r.predict(zt); W["tone"]=(names,*fold(names,r.coef_[None],np.array([r.intercept_])))
    r=Ridge(20.).fit(a,clothes[at]/127.5-1); out["clothes_colour"]=r.predict(zt); W["clothes_colour"]=(names,*fold(names,r.coef_,r.intercept_))
    from scipy.stats import spearmanr
    print("tone rank",spearmanr(out["tone"],tone[n:])[0])
    np.savez(y.WORK/"runs"/f"{name}_heads.npz",w1=w1,b1=b1,w2=w2,b2=b2,**norms,**{f"{h}_b":b for h,(_,_,b) in W.items()},**{f"{h}_{k}":kk for h,(names,ks,_) in W.items() for k,kk in zip(names,ks)})
    np.savez(y.WORK/"runs"/f"{name}_test.npz",**out)
    of={v:q for q,vs in table["glasses"].items() for v in vs}; ofb={v:q for q,vs in table["beard"].items() for v in vs}
    view0={h:(np.concatenate([small[k][0][:len(who)] for k in HEADS[h][0]],1)@raw[h][0].T+raw[h][1]).argmax(1) for h in HEADS}
    def both(given,h,names):
        v=np.array(given,dtype="U12"); v[who]=np.array([names[i] for i in view0[h]]); return np.concatenate([v[:n],[names[i] for i in out[h].argmax(1)]])
    teach.report(both(kinds[0],"kind",dict(enumerate(KINDS))),both(kinds[1],"glasses",of),both(kinds[2],"beard",ofb),both(p.NAMES[tint],"tint",dict(enumerate(p.NAMES))),n)
    return code,tint,tone,clothes,n,kinds,out
    full=[np.concatenate([kinds[0][:n],np.array(KINDS)[out["kind"].argmax(1)]]),np.concatenate([kinds[1][:n],[of[v] for v in out["glasses"].argmax(1)]]),np.concatenate([kinds[2][:n],[ofb[v] for v in out["beard"].argmax(1)]]),np.concatenate([p.NAMES[tint[:n]],p.NAMES[out["tint"].argmax(1)]])]
    teach.report(*[np.array(v) for v in full],n)
    return code,tint,tone,clothes,n,kinds,out

def usual(drawer):
    """Draws each option of each slot beside usual others: a person looks."""
    k=np.load(y.WORK/"runs"/f"{drawer}_drawer.npz")
    import sprites as sp
    d=sp.Drawer({n:k["w_"+n].shape[0] for n in sp.SLOTS},k["base"].shape[-1]); d.base.assign(k["base"])
    for n in sp.SLOTS: d.w[n].assign(k["w_"+n].astype(np.float32))
    common={n:int(np.bincount(k["slot_"+n]).argmax()) for n in sp.SLOTS}
    rows=[]
    pal=(sp.palette(np.array([[237,185,138]]),np.array([[114,65,51]]),np.array([[80,140,220]]))/255).astype(np.float32)
    for n in sp.SLOTS:
        K=k["w_"+n].shape[0]; code={m:tf.constant(np.full(K,common[m],np.int32)) for m in sp.SLOTS}; code[n]=tf.range(K)
        o=np.clip(d.draw(code,np.repeat(pal,K,0)).numpy()*255+.5,0,255).astype(np.uint8)
        counts=np.bincount(k["slot_"+n],minlength=K)
        row=[]
        for i in range(26):
            im=np.full((128,128,3),255,np.uint8)
            if i<K: im=o[i].copy(); cv2.putText(im,f"{i}:{counts[i]}",(2,12),0,.4,(200,0,0),1)
            row.append(im)
        rows.append(row)
    y.grid([r[:13] for r in rows]+[rows[0][13:26]],y.WORK/"options.png",118,13); print(common)
if __name__=="__main__" and sys.argv[1]=="options": usual(sys.argv[2])

# What a person called the options of the drawer, after looking at them.
TABLE = {
    "hair": {"bald": [14], "short": [0, 6, 9, 15, 16, 17, 21], "bob": [12], "long": [2, 4, 5, 8, 13], "curly": [1, 3, 7, 10]},
    "glasses": {"none": [0], "glasses": [3], "sunglasses": [1]},
    "beard": {"none": [0], "moustache": [2], "beard": [1, 3]},
    "mouth": {"open": [4], "smile": [7], "neutral": [3]},
    "clothes": {"dark": [2], "light": [3], "colourful": [6], "other": [5]},
}
# Eyes and brows that belong to each option of glasses.
EYES_OF = {0: (5, 2), 1: (6, 1), 2: (0, 5), 3: (5, 1)}
if __name__=="__main__" and sys.argv[1]=="fit": fit(sys.argv[2],sys.argv[3],TABLE)
