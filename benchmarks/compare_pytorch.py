"""Compares CycleGAN's speed in training and inference with plain PyTorch.

    pip install 'tf-i2i[pytorch]'
    python benchmarks/compare_pytorch.py --rounds=9

The networks are the paper's for 128 px (6 blocks), with batch size 1. A
training step includes the same computations in both packages: identity terms,
pools of 50 images, two Adam optimizers, and weights and losses in float32.
bfloat16 means `mixed_bfloat16` in tf_i2i and autocast in PyTorch. The measured
time of tf_i2i also includes its averages of the weights, its check that all
losses are finite, and the means of the losses.

For inference, tf_i2i has two variants: `model.translate` with variable weights,
and `frozen`, with constant weights, which `translate`, `sample` and
`evaluate` use. The program of `--engine=litert`, which multiplies in int8, is
compared separately. On the random images and with the initial weights of this
script, its results differ more than on photos and with trained weights, for
which `translate` checks them.

Several variants of PyTorch are measured:
- Tensors are NCHW or channels-last.
- Instance normalization is `nn.InstanceNorm2d`, or the fastest compute kernels
  that give the same results. Channels-last tensors always use the latter.
  (For one channels-last image, PyTorch 2.13 computes a wrong gradient of
  `nn.InstanceNorm2d`. The error is several units, whereas with NCHW it is
  1e-6.)
- Each image is passed through a network separately, or two images at once.
  Instance normalization gives the same results in both cases.
- Execution is eager or by `torch.compile`. For inference, compiled
  networks may also have constant weights (`freezing`), in bfloat16.
In all variants, PyTorch uses the fused Adam, critics get no gradients while
generators are updated, and denormals are set to zero as in TensorFlow. Each
package may use all cores. The result of a package is that of its variant with
the best median. If a package has many variants, its best one is also slightly
favoured by chance.

Before anything is timed, all variants must give the same losses for two steps
and the same translation (see `race.py`). PyTorch's convolutions of stride 2
pad on the opposite side. Therefore PyTorch's images and kernels are rotated by
180 degrees, which gives the same results.
"""

import copy
import functools
import os
import random

import numpy as np
from race import Comparison
from race import losses_differ
from race import losses_of_step
from race import main
from race import random_images

from tf_i2i import cli
from tf_i2i.extras import optional

BLOCKS = 6
PARAMETERS = {"generator": 7_837_699, "critic": 2_764_737}
NETWORKS = ("generator_a", "generator_b", "critic_a", "critic_b")
CYCLE, IDENTITY, POOL = 10.0, 5.0, 50
RATE, BETAS, EPSILON = 2e-4, (0.5, 0.999), 1e-8
STEPS_COMPARED = 2
# Largest allowed differences. Those of a translation are absolute, and those of
# losses are relative. "mean" is that of a translation in int8.
TOLERANCES = {
    "float32": {"translation": 1e-3, "losses": 1e-3, "mean": 8 / 255},
    "bfloat16": {"translation": 0.2, "losses": 0.05, "mean": 8 / 255},
}
LITERT = "tf_i2i with --engine=litert"


# These functions run in the worker processes of tf_i2i.


def cyclegan(spec):
    """Returns CycleGAN with the same initial weights in each process."""
    import keras

    from tf_i2i.methods import CycleGAN

    mixed = spec["precision"] == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    keras.utils.set_random_seed(0)
    return CycleGAN(image_size=spec["size"], residual_blocks=BLOCKS)


def litert_worker(spec, record):
    """Returns the inference of `--engine=litert`; see `tf_i2i_worker`."""
    cli.import_tensorflow(training=False)
    from tf_i2i.engines import PRECISION
    from tf_i2i.exporting import litert
    from tf_i2i.images import to_float
    from tf_i2i.images import to_uint8

    program = litert.translator(
        litert.convert(cyclegan(spec), "a_to_b", spec["size"], PRECISION),
        os.cpu_count(),
    )
    images = to_uint8(random_images(spec["size"])[0])

    def infer():
        return program(images, None)

    made = np.asarray(to_float(infer()))
    difference = np.abs(made - np.load(record)["translation"]).mean()
    return {"inference": infer}, [("mean", float(difference))]


def tf_i2i_worker(spec, record):
    """Returns a dictionary of tf_i2i's tasks, and a list of differences.

    The differences are pairs of a name and a number. They compare the results
    with those that are recorded in the file `record`.
    """
    training = spec["work"] == "training step"
    tf = cli.import_tensorflow(training=training)
    from tf_i2i.methods.frozen import frozen
    from tf_i2i.optimizers import Adam

    model = cyclegan(spec)
    weights = {n: getattr(model, n).trainable_variables for n in NETWORKS}
    for name, variables in weights.items():
        check_parameters(name, sum(v.numpy().size for v in variables))
    sides = ("translator", "critic")
    model.compile(*(Adam(RATE, *BETAS, EPSILON) for _ in sides))

    a, b = random_images(spec["size"])
    data = iter(tf.data.Dataset.from_tensors((a, b)).repeat())
    train = model.make_train_function()
    translate = functools.partial(model.translate, direction="a_to_b")
    programs = {
        "inference": tf.function(translate, autograph=False),
        "inference, frozen": frozen(model)(translate),
    }
    source = tf.constant(a)

    def step():
        train(data)
        # Reading a value waits until the device has finished the step.
        model.step.numpy()

    def infer(program):
        return program(source).numpy()

    start = {
        f"{name}/{i}": variable.numpy().copy()
        for name, variables in weights.items()
        for i, variable in enumerate(variables)
    }
    made = infer(programs["inference"])
    losses = functools.partial(losses_of_step, model, step, ("critic",))
    trace = [losses() for _ in range(STEPS_COMPARED)] if training else []
    if not record.exists():
        np.savez(record, translation=made, losses=trace, **start)
    if training:
        differences = [("losses", losses_differ(record, trace))]
        return {"training step": step}, differences
    tasks = {
        name: functools.partial(infer, program)
        for name, program in programs.items()
    }
    differences = [
        ("translation", translation_differs(record, task()))
        for task in tasks.values()
    ]
    return tasks, differences


# These functions and classes are used in the worker processes of PyTorch.


def networks(torch, kernels):
    """Returns two functions, which make a generator and a critic."""
    nn = torch.nn
    functional = nn.functional

    class FastInstanceNorm(nn.Module):
        """Instance normalization by PyTorch's fastest compute kernels.

        `nn.InstanceNorm2d` copies channels-last images to NCHW and back. For
        one image, the kernel of batch normalization is the fastest in the
        backward pass, and that of group normalization with one channel per
        group in the forward pass.
        """

        def forward(self, x):
            if not self.training:
                return functional.group_norm(x, x.shape[1])
            images = [
                functional.batch_norm(image, None, None, training=True)
                for image in x.split(1)
            ]
            return torch.cat(images) if len(images) > 1 else images[0]

    def normalization(channels):
        if kernels == "fast":
            return FastInstanceNorm()
        return nn.InstanceNorm2d(channels)

    class ResidualBlock(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.body = nn.Sequential(
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3),
                normalization(channels),
                nn.ReLU(inplace=True),
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3),
                normalization(channels),
            )

        def forward(self, x):
            return x + self.body(x)

    def bent(convolution):
        return (
            convolution,
            normalization(convolution.out_channels),
            nn.ReLU(inplace=True),
        )

    def generator():
        doubled = {"stride": 2, "padding": 1, "output_padding": 1}
        return nn.Sequential(
            nn.ReflectionPad2d(3),
            *bent(nn.Conv2d(3, 64, 7)),
            *bent(nn.Conv2d(64, 128, 3, stride=2, padding=1)),
            *bent(nn.Conv2d(128, 256, 3, stride=2, padding=1)),
            *(ResidualBlock(256) for _ in range(BLOCKS)),
            *bent(nn.ConvTranspose2d(256, 128, 3, **doubled)),
            *bent(nn.ConvTranspose2d(128, 64, 3, **doubled)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(64, 3, 7),
            nn.Tanh(),
        )

    def critic():
        layers = [nn.Conv2d(3, 64, 4, stride=2, padding=1)]
        for inputs, stride in ((64, 2), (128, 2), (256, 1)):
            layers += [
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(inputs, 2 * inputs, 4, stride=stride, padding=1),
                normalization(2 * inputs),
            ]
        return nn.Sequential(
            *layers,
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(512, 1, 4, padding=1),
        )

    return generator, critic


class ImagePool:
    """A pool of fakes, which returns the new fake or an older one."""

    def __init__(self):
        self.images = []

    def __call__(self, image):
        if len(self.images) < POOL:
            self.images.append(image)
            return image
        if random.random() < 0.5:
            return image
        i = random.randrange(POOL)
        older, self.images[i] = self.images[i], image
        return older


class PyTorchCycleGAN:
    """CycleGAN's training step and translation, written as usual in PyTorch."""

    def __init__(self, torch, spec):
        self.torch = torch
        self.mse = torch.nn.functional.mse_loss
        self.l1 = torch.nn.functional.l1_loss
        self.layout = {
            "NCHW": torch.contiguous_format,
            "channels-last": torch.channels_last,
        }[spec["layout"]]
        self.mixed = spec["precision"] == "bfloat16"
        generator, critic = networks(torch, spec["kernels"])
        for name in NETWORKS:
            network = generator() if "generator" in name else critic()
            network.to(memory_format=self.layout)
            check_parameters(name, sum(p.numel() for p in network.parameters()))
            setattr(self, name, network)
        # The weights are stored in bfloat16, so that they need not be cast for
        # each image at inference.
        self.translator = copy.deepcopy(self.generator_b).eval()
        self.translator.to(torch.bfloat16 if self.mixed else torch.float32)
        self.translators = {"inference": self.translator}
        if spec["compiled"]:
            self.compile()
        images = zip("ab", random_images(spec["size"]), strict=True)
        self.images = {domain: self.tensor(image) for domain, image in images}

    def compile(self):
        # A network needs separate graphs for batches of one image and of two
        # images, and for inputs with and without a gradient.
        self.torch._dynamo.config.recompile_limit = 64
        for name in NETWORKS:
            getattr(self, name).compile(dynamic=False)
        frozen = self.torch.compile(
            self.translator, dynamic=False, options={"freezing": True}
        )
        self.translators = {
            "inference": self.torch.compile(self.translator, dynamic=False),
            "inference, frozen": frozen,
        }

    def start(self, recorded):
        """Sets the recorded weights, and resets pools and optimizers."""
        with self.torch.no_grad():
            for name in NETWORKS:
                parameters = list(getattr(self, name).parameters())
                for i, parameter in enumerate(parameters):
                    kernel = recorded[f"{name}/{i}"]
                    if kernel.ndim == 4:
                        kernel = kernel[::-1, ::-1].transpose(3, 2, 0, 1)
                    assert parameter.shape == kernel.shape
                    parameter.copy_(self.torch.from_numpy(kernel.copy()))
        self.translator.load_state_dict(self.generator_b.state_dict())
        self.pools = {"a": ImagePool(), "b": ImagePool()}
        self.optimizer = self.adam(self.generator_a, self.generator_b)
        self.critic_optimizer = self.adam(self.critic_a, self.critic_b)

    def tensor(self, images):
        """Converts NHWC to NCHW and rotates by 180 degrees."""
        turned = images[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy()
        turned = self.torch.from_numpy(turned)
        return turned.contiguous(memory_format=self.layout)

    def adam(self, *networks):
        parameters = [p for network in networks for p in network.parameters()]
        return self.torch.optim.Adam(parameters, RATE, BETAS, fused=True)

    def autocast(self):
        return self.torch.autocast(
            "cpu", dtype=self.torch.bfloat16, enabled=self.mixed
        )

    def score(self, score, truth):
        score = score.float()
        target = self.torch.full_like(score, truth)
        return self.mse(score, target)

    def distance(self, x, y):
        return self.l1(x.float(), y)

    def step(self, batched):
        """Updates generators and critics once; returns both losses."""
        critics = (self.critic_a, self.critic_b)
        for critic in critics:
            critic.requires_grad_(False)
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss, fakes = self.translator_loss(batched)
        loss.backward()
        self.optimizer.step()

        for critic in critics:
            critic.requires_grad_(True)
        self.critic_optimizer.zero_grad(set_to_none=True)
        pooled = {d: self.pools[d](fakes[d].detach().float()) for d in "ab"}
        with self.autocast():
            critic_loss = self.critic_loss(pooled, batched)
        critic_loss.backward()
        self.critic_optimizer.step()
        return loss.detach(), critic_loss.detach()

    def translator_loss(self, batched):
        a, b = self.images["a"], self.images["b"]
        if batched:
            both = self.torch.cat
            fake_b, same_b = self.generator_b(both([a, b])).chunk(2)
            fake_a, same_a = self.generator_a(both([b, a])).chunk(2)
        else:
            fake_b, same_b = self.generator_b(a), self.generator_b(b)
            fake_a, same_a = self.generator_a(b), self.generator_a(a)
        cycle = self.distance(self.generator_a(fake_b), a)
        cycle = cycle + self.distance(self.generator_b(fake_a), b)
        identity = self.distance(same_a, a) + self.distance(same_b, b)
        adversarial = self.score(self.critic_a(fake_a), 1.0)
        adversarial = adversarial + self.score(self.critic_b(fake_b), 1.0)
        loss = adversarial + CYCLE * cycle + IDENTITY * identity
        return loss, {"a": fake_a, "b": fake_b}

    def critic_loss(self, pooled, batched):
        loss = 0.0
        for d, critic in (("a", self.critic_a), ("b", self.critic_b)):
            if batched:
                both = self.torch.cat([self.images[d], pooled[d]])
                real, fake = critic(both).chunk(2)
            else:
                real, fake = critic(self.images[d]), critic(pooled[d])
            loss = loss + self.score(real, 1.0) + self.score(fake, 0.0)
        return 0.5 * loss

    def translate(self, translator):
        with self.torch.inference_mode():
            images = self.images["a"]
            if self.mixed:
                images = images.to(self.torch.bfloat16)
            return translator(images).float()


def pytorch_worker(spec, record):
    """Returns a dictionary of PyTorch's tasks, and a list of differences.

    The differences are pairs of a name and a number. They compare the results
    with those that are recorded in the file `record`.
    """
    torch = optional("torch", "pytorch")
    torch.set_num_threads(spec["threads"])
    torch.set_flush_denormal(True)
    recorded = np.load(record)
    model = PyTorchCycleGAN(torch, spec)
    tasks, differences = {}, []
    for batched, title in ((False, "one by one"), (True, "two at once")):
        model.start(recorded)
        step = functools.partial(model.step, batched)
        trace = [
            [float(loss) for loss in step()] for _ in range(STEPS_COMPARED)
        ]
        differences.append(("losses", losses_differ(record, trace)))
        tasks[f"training step, {title}"] = step
    model.start(recorded)
    for title, translator in model.translators.items():
        infer = functools.partial(model.translate, translator)
        made = infer().permute(0, 2, 3, 1).numpy()[:, ::-1, ::-1]
        differences.append(("translation", translation_differs(record, made)))
        tasks[title] = infer
    return tasks, differences


# These functions are used for tf_i2i and for PyTorch.


def check_parameters(name, count):
    expected = PARAMETERS[name.partition("_")[0]]
    assert count == expected, f"{name}: {count} parameters, not {expected}"


def translation_differs(record, made):
    """Returns the largest difference from the recorded translation."""
    return float(np.abs(made - np.load(record)["translation"]).max())


COMPARISON = Comparison(
    script=__file__,
    workers={
        "tf_i2i": tf_i2i_worker,
        LITERT: litert_worker,
        "PyTorch": pytorch_worker,
    },
    calls={"training step": 3, "inference": 15},
    kernels={"plain": "nn.InstanceNorm2d", "fast": "fast norm"},
    tolerances=TOLERANCES,
    size=128,
    quick_size=64,
    batch=1,
)


if __name__ == "__main__":
    cli.run(lambda argv: main(argv, __doc__, COMPARISON))
