"""Trains runs of the lab on a machine with an accelerator, without TensorFlow.

A run is one row of the tables that `lab.py` makes.

    python benchmarks/quality/elsewhere.py write ROW ... --to=packed/
    python elsewhere_train.py packed/ trained/ plan.json
    python benchmarks/quality/elsewhere.py read ROW ... --trained=trained/

The second command runs on the machine with the accelerator.

`write` compiles the training step of each phase of a row to StableHLO (as
`train.jit_compile` would, with optimizers and averages), adds the training loop
with JAX, and packs both with the images and the initial state. `read` writes
the trained averages into a run directory of the lab, and scores them. This
script needs `pip install jax` in addition to the package.

Such a run differs from a run of the package as follows. The random order,
crops and mirrors of images come from NumPy and JAX. Large convolution kernels
are initialized with other random numbers of the same standard deviation. A
training step with infinite losses or NaN is carried out, but the training stops
when the mean losses are not finite. The plan sets the length of a phase. No
checkpoints or sample images are written during training.
"""

import argparse
import hashlib
import io
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CHUNK = 200  # Number of training steps in one call of a compiled program.


def write(name, to, work, data_root, skip):
    """Packs a row for training, without the phases in `skip`."""
    import jax

    # JAX supports the counters, which have 64 bits, only with this setting.
    jax.config.update("jax_enable_x64", True)
    run = _opened(name, work, data_root)
    model = run.model
    variables = _variables(model)
    places = {id(v): i for i, v in enumerate(variables)}
    start = [np.asarray(v) for v in variables]
    (to / name).mkdir(parents=True, exist_ok=True)
    copies = {places[id(a)]: places[id(v)] for a, v in model.average_pairs}
    told, given = _told_of(start, copies)
    np.savez_compressed(to / name / "state.npz", **given)
    images = {d: _packed_images(run, d, to) for d in "ab"}
    frozen = _Frozen(to)
    phases, written = [], set()
    for number, phase in enumerate(run.phases):
        if phase.name in skip:
            continue
        _enter(model, phase)
        files = {
            "begin": f"{name}/begin_{phase.reset_optimizers}.bin",
            "loop": f"{name}/loop_{number}.bin",
        }
        for kind, path in files.items():
            if path not in written:
                make = _loop if kind == "loop" else _begin
                program = make(run, model, variables, phase, images, frozen)
                (to / path).write_bytes(zlib.compress(program.serialize()))
                written.add(path)
        shown = np.linspace(0, phase.images, 1001)
        factors = [run.config.schedule(phase.start + i, phase) for i in shown]
        phases.append(
            {
                "name": phase.name,
                "images": phase.images,
                "batch_size": phase.batch_size,
                "factors": np.round(factors, 5).tolist(),
                "frozen": len(frozen.shapes),
                **files,
            }
        )
    row = {
        "seed": run.config.seed,
        "chunk": CHUNK,
        "images": {d: path for d, (path, _) in images.items()},
        "counts": {d: shape[0] for d, (_, shape) in images.items()},
        "phases": phases,
        "metrics": {
            key: [places[id(mean.total)], places[id(mean.count)]]
            for key, mean in model.loss_metrics.items()
        },
        "kept": [places[id(v)] for v in _kept(model)],
        "variables": told,
        "paths": [v.path for v in model.weights],
        "frozen": list(frozen.shapes),
    }
    (to / name / "row.json").write_text(json.dumps(row), encoding="utf-8")


def _told_of(values, copies):
    """Returns a description of the initial state, and the values it needs."""
    told, given = [], {}
    for i, value in enumerate(values):
        entry = {"shape": value.shape, "dtype": str(value.dtype)}
        if i in copies:
            entry |= {"kind": "copy", "of": copies[i]}
        elif not value.any():
            entry |= {"kind": "zeros"}
        elif value.size > 4096 and value.dtype == np.float32:
            entry |= {
                "kind": "normal",
                "mean": float(value.mean()) if value.ndim < 2 else 0.0,
                "deviation": float(value.std()),
            }
        else:
            entry |= {"kind": "given"}
            given[f"v{i}"] = value
        told.append(entry)
    return told, given


def _kept(model):
    """Returns the variables to send back: the averages and two counters."""
    return [*model.averages, model.step, model.images_shown]


class _Frozen:
    """Tensors of frozen networks; all rows share one file of each tensor."""

    def __init__(self, to):
        self.to = to
        # The frozen tensors, by the names of the files that contain them.
        self.shapes: dict = {}

    def place(self, tensor):
        """Writes a tensor if it is new, and returns its index in `shapes`."""
        value = tensor.numpy()
        key = hashlib.sha256(value.tobytes()).hexdigest()[:16]
        if key not in self.shapes:
            self.shapes[key] = value.shape
            if value.size > 4096:
                value = value.astype(np.float16)
            np.save(self.to / f"{key}.npy", value)
        return list(self.shapes).index(key)


def _opened(name, work, data_root, seed=0):
    import lab

    from tf_i2i import cli

    cli.import_tensorflow()
    from tf_i2i.configs import find_config
    from tf_i2i.runs import open_run

    row = lab.ROWS[name]
    data, _ = lab.prepare(row.task, work, data_root)
    places = [flag.removeprefix("--").split("=", 1) for flag in data]
    bindings = [
        *row.settings,
        *(
            f"train.{key} = {str(Path(path).resolve())!r}"
            for key, path in places
        ),
        "train.precision = 'mixed_bfloat16'",
        f"train.seed = {seed}",
    ]
    run_dir = work / "runs" / f"{name}_{seed}"
    return open_run(run_dir, [find_config(row.gin_file)], bindings)


def _variables(model):
    """Returns all variables that a step may change, without duplicates."""
    found = {}
    for variable in (
        *model.weights,
        *(v for o in model.optimizers.values() for v in o.variables),
        *(v for mean in model.loss_metrics.values() for v in mean.variables),
    ):
        found.setdefault(id(variable), variable)
    return list(found.values())


def _packed_images(run, domain, to):
    """Packs training images into one file; returns its name and their shape."""
    store = run.data.store(domain)
    path = to / f"{store.path.stem[:16]}.npz"
    kind = {"format": "PNG"}
    # Images of more than 64 px are saved as JPEG, because PNG files would be
    # too large.
    if store.images.shape[1] > 64:
        kind = {"format": "JPEG", "quality": 95, "subsampling": 0}
    rows = store.split("train")
    if not path.exists():
        parts = []
        for i in rows:
            file = io.BytesIO()
            Image.fromarray(store.images[i]).save(file, **kind)
            parts.append(file.getvalue())
        np.savez(
            path,
            content=np.frombuffer(b"".join(parts), np.uint8),
            ends=np.cumsum([len(part) for part in parts]),
        )
    return path.name, (len(rows), *store.images.shape[1:])


def _enter(model, phase):
    import tensorflow as tf

    model.enter_phase(**phase.path)
    # The check is left out, because its messages are strings, which XLA cannot
    # compile.
    model._check_finite = lambda losses, gradients: tf.no_op()


def _exported(function, *args):
    import jax
    from jax import export

    exported = export.export(jax.jit(function), platforms=("cpu", "cuda"))
    return exported(*args)


def _shape(array):
    import jax

    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _begin(run, model, variables, phase, images, frozen):
    """Returns a function that prepares the state for a phase."""
    import tensorflow as tf

    from tf_i2i.optimizers import reset_optimizers

    def begin():
        model.begin_phase()
        if phase.reset_optimizers:
            reset_optimizers(model)
        return [tf.identity(v.value) for v in variables]

    begin = _as_jax(begin, (), variables, frozen)
    state = [_shape(np.asarray(v)) for v in variables]
    return _exported(lambda state: begin(state, []), state)


def _loop(run, model, variables, phase, images, frozen):
    """Returns a function that runs `CHUNK` training steps of a phase."""
    import jax
    import tensorflow as tf

    from tf_i2i.layers import portable

    def step(a, b):
        model.train_step((a, b))
        return [tf.identity(v.value) for v in variables]

    batch = tf.zeros((phase.batch_size, phase.size, phase.size, 3))
    with portable():
        step = _as_jax(step, (batch, batch), variables, frozen)
    rates = {
        place: optimizer.learning_rate.numpy()
        for optimizer in model.optimizers.values()
        for place, v in enumerate(variables)
        if v is optimizer.learning_rate
    }
    views = [_view(run, domain, phase) for domain in "ab"]

    def loop(state, pictures, orders, factors, first, given):
        def body(i, state):
            batch = []
            for domain in range(2):
                key = jax.random.key(2 * run.config.seed + domain)
                key = jax.random.fold_in(key, first + i)
                chosen = pictures[domain][orders[domain][i]]
                batch.append(views[domain](chosen, key))
            for place, rate in rates.items():
                state[place] = rate * factors[i]
            return step(*batch, state, given)

        return jax.lax.fori_loop(0, CHUNK, body, state)

    return _exported(
        loop,
        [_shape(np.asarray(v)) for v in variables],
        [jax.ShapeDtypeStruct(images[d][1], np.uint8) for d in "ab"],
        [jax.ShapeDtypeStruct((CHUNK, phase.batch_size), np.int32)] * 2,
        jax.ShapeDtypeStruct((CHUNK,), np.float32),
        jax.ShapeDtypeStruct((), np.int32),
        [
            jax.ShapeDtypeStruct(shape, np.float32)
            for shape in frozen.shapes.values()
        ],
    )


def _as_jax(function, args, variables, frozen):
    """Converts a TensorFlow function of tensors and variables for JAX.

    Args:
        function: function of `args` that returns the new values of the
            variables.
        args: tensors whose shapes the function is compiled for.
        variables: all variables that the function reads or changes.
        frozen: `_Frozen`, for all other tensors that the function reads.

    Returns:
        Function that takes `args`, the values of the variables and the tensors
        of `frozen`, and returns the new values of the variables.
    """
    import tensorflow as tf
    from jax import core
    from jax._src.interpreters import mlir as inner
    from jax._src.lib import xla_client
    from jax._src.lib.mlir import ir
    from jax._src.lib.mlir.dialects import func
    from jax.extend.core import Primitive
    from jax.interpreters import mlir

    compiled = tf.function(function, jit_compile=True, autograph=False)
    concrete = compiled.get_concrete_function(*args)
    places = {id(v.value.handle): i for i, v in enumerate(variables)}
    read = [
        (0, places[id(tensor)])
        if tensor.dtype == tf.resource
        else (1, frozen.place(tensor))
        for tensor in concrete.captured_inputs
    ]
    hlo = compiled.experimental_get_compiler_ir(*args)(stage="hlo_serialized")
    text = xla_client._xla.mlir.xla_computation_to_mlir_module(
        xla_client.XlaComputation(hlo)
    )
    values = [np.asarray(v) for v in variables]
    results = [core.ShapedArray(x.shape, x.dtype) for x in values]
    primitive = Primitive(f"tensorflow_{function.__name__}")
    primitive.multiple_results = True
    primitive.def_abstract_eval(lambda *operands: results)

    def lower(context, *operands):
        module = ir.Module.parse(text)
        _without_copies(module)
        symbols = ir.SymbolTable(module.operation)
        wanted = symbols["main"].type.results
        name = inner.merge_mlir_modules(
            context.module_context.module,
            primitive.name,
            module,
            dst_symtab=context.module_context.symbol_table,
        )
        called = func.CallOp(wanted, ir.FlatSymbolRefAttr.get(name), operands)
        return list(called.results)[: len(results)]

    mlir.register_lowering(primitive, lower)

    def call(*operands):
        *tensors, state, given = operands
        both = state, given
        return primitive.bind(*tensors, *(both[kind][i] for kind, i in read))

    return call


def _without_copies(module):
    """Removes operations that do not exist in StableHLO."""
    for function in module.body.operations:
        for block in function.regions[0].blocks:
            for operation in list(block.operations):
                if operation.name == "mhlo.copy":
                    (source,), (copy,) = operation.operands, operation.results
                    copy.replace_all_uses_with(source)
                    operation.erase()


def _view(run, domain, phase):
    """Crops and mirrors uint8 images at random, as `Augmentation` does."""
    import jax
    import jax.numpy as jnp

    config = run.config
    augmentation = config.augmentations[domain]
    recolours = (
        *(augmentation.contrast, augmentation.hue),
        *(augmentation.brightness, augmentation.saturation),
    )
    if (
        any(recolours)
        or augmentation.invert
        or phase.size != run.config.image_size
    ):
        raise SystemExit("elsewhere.py supports crops and mirrors only")
    if augmentation.maps and augmentation.crop:
        raise SystemExit("elsewhere.py does not crop label maps")

    def one(image, key):
        draws = jax.random.uniform(key, (4,), jnp.float32)
        view = image.astype(jnp.float32)
        if augmentation.crop:
            low, high = augmentation.crop
            side = (low + (high - low) * draws[0]) * image.shape[0]
            corner = (image.shape[0] - side) * draws[1:3]
            scale = jnp.full(2, phase.size, jnp.float32) / side
            view = jax.image.scale_and_translate(
                view,
                (phase.size, phase.size, 3),
                (0, 1),
                scale,
                -scale * corner,
                method="linear",
                antialias=True,
            )
        if augmentation.flip:
            view = jnp.where(draws[3] < 0.5, view, view[:, ::-1])
        return jnp.clip(view / 127.5 - 1.0, -1.0, 1.0)

    def view(images, key):
        return jax.vmap(one)(images, jax.random.split(key, len(images)))

    return view


def write_images(name, to, work, data_root):
    """Packs the images of a row that uses another row's compiled steps."""
    run = _opened(name, work, data_root)
    images = {d: _packed_images(run, d, to)[0] for d in "ab"}
    (to / name).mkdir(parents=True, exist_ok=True)
    (to / name / "images.json").write_text(json.dumps(images), encoding="utf-8")


def read(name, seed, trained, work, data_root, features, cheats, device):
    """Writes trained weights into the lab's run directory, and scores the run.

    Args:
        name: name of the row.
        seed: seed of the row. Unless the seed is 0, the name of the row in the
            plan ends with the seed.
        trained: folder with the results of `elsewhere_train.py`.
        work, data_root: folders of runs and of data; see `lab.py`.
        features: name of the network that computes features.
        cheats: value of the flag `--cheats` of the command `evaluate`.
        device: description of the device that trained the row.
    """
    import lab

    from tf_i2i.training.checkpoints import Checkpoints

    run = _opened(name, work, data_root, seed)
    model = run.model
    planned = f"{name}_{seed}" if seed else name
    files = np.load(trained / f"{planned}.npz")
    kept = [files[f"arr_{i}"] for i in range(len(files.files))]
    for variable, value in zip(_kept(model), kept, strict=True):
        variable.assign(value)
    for average, variable in model.average_pairs:
        variable.assign(average)
    lines = (trained / "log.jsonl").read_text("utf-8").splitlines()
    lines = [x for x in map(json.loads, lines) if x.get("row") == planned]
    (last,) = (line for line in lines if "kept" in line)
    # The plan determines how many images a phase was trained on. The run is
    # recorded as if the phase had the length that its config sets.
    (phase,) = (p for p in run.phases if p.name == last["phase"])
    model.images_shown.assign(phase.end)
    run.write_config()
    Checkpoints(run.run_dir, run.config.keep).save(model)
    with open(run.run_dir / "metrics.jsonl", "w", encoding="utf-8") as file:
        for line in lines:
            if "step" in line:
                del line["row"], line["at"]
                print(json.dumps(line), file=file)
    row = lab.ROWS[name]
    _, judging = lab.prepare(row.task, work, data_root)
    lab.keep(
        name,
        row,
        seed,
        run.run_dir,
        last["seconds"] / 60,
        judging,
        features,
        cheats,
        hardware=device,
        images_shown=last["images_shown"],
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    writing, reading = what.add_parser("write"), what.add_parser("read")
    for one in (writing, reading):
        one.add_argument("names", nargs="+", help="names of rows")
        one.add_argument("--work", type=Path, default=Path("runs/lab"))
        one.add_argument("--data_root", type=Path, help="folder of real images")
    writing.add_argument("--to", type=Path, default=Path("packed"))
    writing.add_argument(
        "--skip", nargs="*", default=(), help="names of phases to skip"
    )
    writing.add_argument(
        "--images_alone",
        action="store_true",
        help='pack images only, for a row with "as" in the plan',
    )
    reading.add_argument("--seed", type=int, default=0)
    reading.add_argument("--trained", type=Path, default=Path("trained"))
    reading.add_argument("--device", help="device that trained the rows")
    reading.add_argument(
        "--cheats", default="all", help="value for the flag of evaluate"
    )
    reading.add_argument("--features", default="random-conv")
    args = parser.parse_args()
    for name in args.names:
        where = args.work, args.data_root
        if args.what == "read":
            read(
                name,
                args.seed,
                args.trained,
                *where,
                args.features,
                args.cheats,
                args.device,
            )
        elif args.images_alone:
            write_images(name, args.to, *where)
        else:
            write(name, args.to, *where, args.skip)


if __name__ == "__main__":
    main()
