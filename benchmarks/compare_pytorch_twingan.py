"""Compares TwinGAN's training step with a step in plain PyTorch.

    pip install 'tf-i2i[pytorch]'
    python benchmarks/compare_pytorch_twingan.py --rounds=9

The networks are those of `twingan.gin` in its last phase: 32 px, a quarter of
the paper's channels, batch size 8. A training step includes the same
computations in both packages: one forward pass whose tensors serve both
updates, batch renormalization with statistics for each route, DRAGAN's gradient
penalty, and two Adam optimizers. bfloat16 means `mixed_bfloat16` in tf_i2i and
autocast in PyTorch. The measured time of tf_i2i also includes its averages of
the weights, its check that all values are finite, and the means of the losses.

Several variants of PyTorch are measured:
- Tensors are NCHW or channels-last.
- The computation is "plain": feature maps are upsampled and concatenated before
  a convolution. Or it is "fast", with the shortcuts of this package: the
  convolution of an upsampled map is a transposed convolution, and the
  convolution of a skip connection is computed once for both translations.
- Execution is eager or by `torch.compile`. PyTorch cannot differentiate a
  compiled function twice. Therefore the gradient penalty is always eager.
In all variants, batch renormalization is one call of PyTorch's fused batch
normalization for each route, Adam is fused, critics get no gradients of the
translators' losses, and denormals are set to zero as in TensorFlow.

Before anything is timed, all variants must give the same losses for two steps
(see `race.py`). So that they can be compared, DRAGAN's noise is sampled, but
multiplied by 0.
"""

import functools

import numpy as np
from race import Comparison
from race import losses_differ
from race import losses_of_step
from race import main
from race import random_images

from tf_i2i import cli
from tf_i2i.extras import optional

WIDTH = 0.25
CYCLE, SEMANTIC, PENALTY = 10.0, 0.1, 0.25
RATE, BETAS, EPSILON = 1e-3, (0.5, 0.99), 1e-8
# The limits of batch renormalization are those at the end of a phase.
R_MAX, D_MAX, DECAY, NORM_EPSILON = 4.0, 1.0, 0.99, 1e-3
NETWORKS = ("encoder", "generator", "critic_a", "critic_b")
# The values are indices of domains, as in `tf_i2i.methods.twingan`.
ENCODER_ROUTES = {"a": 0, "b": 1, "fake_a": 0, "fake_b": 1}
GENERATOR_ROUTES = {"aa": 0, "ab": 1, "ba": 0, "bb": 1}
STEPS_COMPARED = 2
# Largest allowed relative differences.
TOLERANCES = {"float32": {"losses": 1e-3}, "bfloat16": {"losses": 0.05}}


def tf_i2i_worker(spec, record):
    """Returns the tasks of tf_i2i, and differences from `record`."""
    tf = cli.import_tensorflow(training=True)
    import keras

    from tf_i2i.methods import TwinGAN
    from tf_i2i.optimizers import Adam

    mixed = spec["precision"] == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    # With this seed, each process has the same initial weights.
    keras.utils.set_random_seed(0)
    model = TwinGAN(
        image_size=spec["size"],
        width=WIDTH,
        cycle_weight=CYCLE,
        semantic_weight=SEMANTIC,
        dragan_weight=PENALTY,
        dragan_width=0.0,
        output_norm=False,
    )
    model.compile(*(Adam(RATE, *BETAS, EPSILON) for _ in range(2)))
    start = {
        variable.path: variable.numpy().copy()
        for name in NETWORKS
        for variable in getattr(model, name).trainable_variables
    }
    images = random_images(spec["size"], spec["batch"])
    data = iter(tf.data.Dataset.from_tensors(tuple(images)).repeat())
    train = model.make_train_function()

    def step():
        train(data)
        # Reading a value waits until the device has finished the step.
        model.step.numpy()

    losses = functools.partial(
        losses_of_step, model, step, ("critic", "dragan")
    )
    trace = [losses() for _ in range(STEPS_COMPARED)]
    if not record.exists():
        np.savez(record, losses=trace, **start)
    return {"training step": step}, [("losses", losses_differ(record, trace))]


def channels(size):
    return round(min(4096 / size, 256) * WIDTH)


def networks(torch, size, fast):
    """Returns functions that make the encoder, the generator and a critic."""
    nn = torch.nn
    functional = nn.functional
    sizes = [2**i for i in range(3, size.bit_length())]

    class BatchRenorm(nn.Module):
        """Batch renormalization with a scale and offset for each domain.

        r and d have no gradient. Therefore it equals batch normalization with
        the scale `gamma * r` and the offset `gamma * d + beta`.
        """

        def __init__(self, count, routes):
            super().__init__()
            self.domains = routes
            self.gamma = nn.Parameter(torch.ones(2, count))
            self.beta = nn.Parameter(torch.zeros(2, count))
            rows = len(routes)
            self.register_buffer("mean", torch.zeros(rows, count))
            self.register_buffer("deviation", torch.ones(rows, count))

        def forward(self, x, routes):
            parts = x.chunk(len(routes))
            return torch.cat(
                [
                    self.normalize(part, route)
                    for part, route in zip(parts, routes, strict=True)
                ]
            )

        def normalize(self, x, route):
            row = list(self.domains).index(route)
            domain = self.domains[route]
            with torch.no_grad():
                variance, mean = torch.var_mean(
                    x.float(), (0, 2, 3), correction=0
                )
                deviation = (variance + NORM_EPSILON).sqrt()
                old, old_mean = self.deviation[row], self.mean[row]
                r = (deviation / old).clamp(1 / R_MAX, R_MAX)
                d = ((mean - old_mean) / old).clamp(-D_MAX, D_MAX)
                old.lerp_(deviation, 1 - DECAY)
                old_mean.lerp_(mean, 1 - DECAY)
            gamma = self.gamma[domain]
            return functional.batch_norm(
                x,
                None,
                None,
                gamma * r,
                gamma * d + self.beta[domain],
                training=True,
                eps=NORM_EPSILON,
            )

    def activate(x):
        """Leaky ReLU and pixel normalization."""
        x = functional.leaky_relu(x, 0.2)
        square = x.square().mean(1, keepdim=True, dtype=torch.float32)
        return x * (square + 1e-8).rsqrt().to(x.dtype)

    class Block(nn.Module):
        """A convolution, batch renormalization and the activation."""

        def __init__(self, inputs, outputs, kernel, routes):
            super().__init__()
            self.convolution = nn.Conv2d(
                inputs, outputs, kernel, padding=kernel // 2, bias=False
            )
            self.norm = BatchRenorm(outputs, routes)

        def forward(self, x, routes):
            return activate(self.norm(self.convolution(x), routes))

    class UpBlock(Block):
        """A `Block` of an upsampled map and a skip connection."""

        def forward(self, x, skip, routes):
            y = self.fused(x, skip) if fast else self.plain(x, skip)
            return activate(self.norm(y, routes))

        def plain(self, x, skip):
            x = functional.interpolate(x, scale_factor=2)
            return self.convolution(torch.cat([x, per_route(skip)], 1))

        def fused(self, x, skip):
            kernel = self.convolution.weight
            kernel, skip_kernel = kernel.split(
                [x.shape[1], skip.shape[1]], dim=1
            )
            y = functional.conv_transpose2d(x, upscaled(kernel), None, 2, 1)
            return y + per_route(
                functional.conv2d(skip, skip_kernel, padding=1)
            )

    def per_route(x):
        """Repeats the features of each source for its two routes."""
        a, b = x.chunk(2)
        return torch.cat([a, a, b, b])

    def upscaled(kernel):
        """The 4x4 kernel of a transposed convolution for an upsampled map."""
        turned = functional.pad(kernel.flip(2, 3), (1, 1, 1, 1))
        sums = turned[:, :, 1:, 1:] + turned[:, :, :-1, 1:]
        sums = sums + turned[:, :, 1:, :-1] + turned[:, :, :-1, :-1]
        return sums.transpose(0, 1)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.from_rgb = Block(3, channels(size), 1, ENCODER_ROUTES)
            for at in reversed(sizes):
                first, second = channels(at), channels(at // 2)
                block = Block(first, first, 3, ENCODER_ROUTES)
                setattr(self, f"block_{at}_0", block)
                block = Block(first, second, 3, ENCODER_ROUTES)
                setattr(self, f"block_{at}_1", block)

        def forward(self, x, routes):
            x = self.from_rgb(x, routes)
            skips = {}
            for at in reversed(sizes):
                x = getattr(self, f"block_{at}_0")(x, routes)
                x = getattr(self, f"block_{at}_1")(x, routes)
                skips[at] = x
                x = functional.avg_pool2d(x, 2)
            return x, skips

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = Block(channels(4), channels(4), 3, GENERATOR_ROUTES)
            for at in sizes:
                below, here = channels(at // 2), channels(at)
                block = UpBlock(2 * below, here, 3, GENERATOR_ROUTES)
                setattr(self, f"block_{at}_0", block)
                block = Block(here, here, 3, GENERATOR_ROUTES)
                setattr(self, f"block_{at}_1", block)
            self.to_rgb = nn.Conv2d(channels(size), 3, 1)

        def forward(self, x, skips):
            routes = list(GENERATOR_ROUTES)
            if fast:
                x = per_route(self.stem.convolution(x))
                x = activate(self.stem.norm(x, routes))
            else:
                x = self.stem(per_route(x), routes)
            for at in sizes:
                x = getattr(self, f"block_{at}_0")(x, skips[at], routes)
                x = getattr(self, f"block_{at}_1")(x, routes)
            return self.to_rgb(x).float()

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.from_rgb = nn.Conv2d(3, channels(size), 1)
            self.names = []
            for at in reversed(sizes):
                for i, outputs in enumerate((channels(at), channels(at // 2))):
                    self.names.append(f"block_{at}_{i}")
                    block = nn.Conv2d(channels(at), outputs, 3, padding=1)
                    setattr(self, self.names[-1], block)
            inputs = channels(4)
            self.same = nn.Conv2d(inputs + 1, inputs, 3, padding=1)
            self.valid = nn.Conv2d(inputs, inputs, 4)
            self.dense = nn.Linear(inputs, 1)

        def forward(self, x, groups):
            x = functional.leaky_relu(self.from_rgb(x), 0.2)
            for name in self.names:
                x = functional.leaky_relu(getattr(self, name)(x), 0.2)
                if name.endswith("_1"):
                    x = functional.avg_pool2d(x, 2)
            x = self.with_deviation(x, groups)
            x = functional.leaky_relu(self.same(x), 0.2)
            x = functional.leaky_relu(self.valid(x), 0.2)
            return self.dense(x.flatten(1))

        def with_deviation(self, x, groups):
            """Adds the minibatch standard deviation as a channel."""
            each = x.float().unflatten(0, (groups, -1))
            variance = each.var(1, correction=0) + 1e-8
            deviation = variance.sqrt().mean((1, 2, 3)).to(x.dtype)
            deviation = deviation.repeat_interleave(len(x) // groups)
            deviation = deviation.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
            return torch.cat([x, deviation], 1)

    return Encoder, Generator, Critic


class PyTorchTwinGAN:
    """TwinGAN's training step, written as usual in PyTorch."""

    def __init__(self, torch, spec, recorded):
        self.torch = torch
        self.l1 = torch.nn.functional.l1_loss
        self.softplus = torch.nn.functional.softplus
        self.mixed = spec["precision"] == "bfloat16"
        layout = {
            "NCHW": torch.contiguous_format,
            "channels-last": torch.channels_last,
        }[spec["layout"]]
        encoder, generator, critic = networks(
            torch, spec["size"], spec["kernels"] == "fast"
        )
        self.encoder, self.generator = encoder(), generator()
        self.critic_a, self.critic_b = critic(), critic()
        for name in NETWORKS:
            network = getattr(self, name)
            self.load(network, name, recorded, spec["size"])
            network.to(memory_format=layout)
            if spec["compiled"]:
                network.compile(dynamic=False)
        self.a, self.b = (
            torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).contiguous(
                memory_format=layout
            )
            for images in random_images(spec["size"], spec["batch"])
        )
        self.parameters = [
            *self.encoder.parameters(),
            *self.generator.parameters(),
        ]
        self.critic_parameters = [
            *self.critic_a.parameters(),
            *self.critic_b.parameters(),
        ]
        self.optimizers = [
            torch.optim.Adam(parameters, RATE, BETAS, EPSILON, fused=True)
            for parameters in (self.parameters, self.critic_parameters)
        ]

    def load(self, network, name, recorded, size):
        """Sets the recorded weights of a network."""
        weights = {
            renamed(path.removeprefix(f"{name}/"), size): recorded[path]
            for path in recorded.files
            if path.startswith(f"{name}/")
        }
        parameters = dict(network.named_parameters())
        assert weights.keys() == parameters.keys()
        with self.torch.no_grad():
            for key, parameter in parameters.items():
                value = weights[key]
                if value.ndim == 4:
                    value = value.transpose(3, 2, 0, 1)
                if key == "dense.weight":
                    value = value.T
                assert parameter.shape == value.shape, key
                parameter.copy_(self.torch.from_numpy(value.copy()))

    def step(self):
        """Updates all networks once; returns both losses."""
        with self.torch.autocast(
            "cpu", dtype=self.torch.bfloat16, enabled=self.mixed
        ):
            loss, critic_loss = self.losses()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=self.parameters, retain_graph=True)
        critic_loss.backward(inputs=self.critic_parameters)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.detach(), critic_loss.detach()

    def losses(self):
        """Returns the translators' loss and the critics' loss."""
        cat = self.torch.cat
        content, skips = self.encoder(cat([self.a, self.b]), ("a", "b"))
        made = self.generator(content, skips)
        same_a, fake_b, fake_a, same_b = made.chunk(4)
        again, _ = self.encoder(cat([fake_b, fake_a]), ("fake_b", "fake_a"))
        cycle = self.l1(same_a, self.a) + self.l1(same_b, self.b)
        content_a, content_b = content.float().chunk(2)
        again_b, again_a = again.float().chunk(2)
        semantic = self.l1(again_b, content_a) + self.l1(again_a, content_b)
        loss = CYCLE * cycle + SEMANTIC * semantic
        critic_loss = 0.0
        for critic, *images in (
            (self.critic_a, self.a, fake_a, same_a),
            (self.critic_b, self.b, fake_b, same_b),
        ):
            logits = critic(cat(images), 3).float()
            real, fake, same = logits.chunk(3)
            loss = loss + self.softplus(-fake).mean()
            loss = loss + self.softplus(-same).mean()
            critic_loss = critic_loss + 2 * self.softplus(-real).mean()
            critic_loss = critic_loss + self.softplus(fake).mean()
            critic_loss = critic_loss + self.softplus(same).mean()
            critic_loss = critic_loss + PENALTY * self.penalty(
                critic, images[0]
            )
        return loss, critic_loss

    def penalty(self, critic, images):
        """DRAGAN's penalty, with noise that is multiplied by 0."""
        width = 0.0 * images.std(correction=0)
        share = self.torch.rand(len(images), 1, 1, 1)
        noise = 2 * self.torch.rand_like(images) - 1
        images = (images + width * share * noise).requires_grad_()
        # `forward` is the function before its compilation.
        logits = critic.forward(images, 1).float()
        (gradient,) = self.torch.autograd.grad(
            logits.sum(), images, create_graph=True
        )
        slopes = (gradient.float().square().sum((1, 2, 3)) + 1e-12).sqrt()
        return (slopes - 1).square().mean()


def renamed(path, size):
    """Returns PyTorch's name of a variable with a path of tf_i2i."""
    *parts, kind = path.split("/")
    # Convolutions without batch renormalization are not inside a `Block`.
    if parts[0] in ("trunk", "tail"):
        parts = [part for part in parts[1:] if part != "convolution"]
    elif parts[0].startswith("to_rgb"):
        parts = parts[:1]
    parts[0] = parts[0].replace(f"_rgb_{size}", "_rgb")
    return ".".join([*parts, "weight" if kind == "kernel" else kind])


def pytorch_worker(spec, record):
    """Returns the tasks of PyTorch, and differences from `record`."""
    torch = optional("torch", "pytorch")
    torch.set_num_threads(spec["threads"])
    torch.set_flush_denormal(True)
    model = PyTorchTwinGAN(torch, spec, np.load(record))
    trace = [
        [float(loss) for loss in model.step()] for _ in range(STEPS_COMPARED)
    ]
    differences = [("losses", losses_differ(record, trace))]
    return {"training step": model.step}, differences


COMPARISON = Comparison(
    script=__file__,
    workers={"tf_i2i": tf_i2i_worker, "PyTorch": pytorch_worker},
    calls={"training step": 5},
    kernels={"plain": "upsample and concatenate", "fast": "fused upsampling"},
    tolerances=TOLERANCES,
    size=32,
    quick_size=16,
    batch=8,
)


if __name__ == "__main__":
    cli.run(lambda argv: main(argv, __doc__, COMPARISON))
