"""Settings are checked by the annotations of their parameters."""

import functools
import inspect
import math
import typing
from collections.abc import Callable

import keras
import numpy as np
import pytest

from tf_i2i import configuration
from tf_i2i import runs
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.methods.registry import build_tiny
from tf_i2i.methods.registry import methods
from tf_i2i.training import phases
from tf_i2i.training.devices import make_strategy
from tf_i2i.training.run_config import RunConfig
from tf_i2i.values import Count
from tf_i2i.values import Decay
from tf_i2i.values import OneOf
from tf_i2i.values import Positive
from tf_i2i.values import Seed
from tf_i2i.values import Weight
from tf_i2i.values import check_values
from tf_i2i.values import checked


class Example:
    count: Count
    seed: Seed
    weight: Weight
    width: Positive
    decay: Decay
    on: bool
    kind: typing.Annotated[str, OneOf(("x", "y"))]
    names: tuple[str, ...] | None
    sizes: dict[Count, Count]
    make: Callable


RIGHT = {
    "count": (1, np.int32(7)),
    "seed": (0, 2**31 - 1),
    "weight": (0, 0.5, np.float32(3)),
    "width": (1e-9, 3),
    "decay": (0, 0.999),
    "on": (True, False),
    "kind": ("x",),
    "names": (None, (), ("a",), ["a", "b"]),
    "sizes": ({}, {16: 4}),
    "make": (Example, print, build_tiny, lambda: None),
}
WRONG = {
    "count": (0, 1.0, "1", True, None),
    "seed": (-1, 2**31, 1.5),
    "weight": (-1, "x", math.nan, math.inf, 1e39, False, None),
    "width": (0, -1),
    "decay": (1, -0.1),
    "on": ("False", 1, None),
    "kind": ("z", 1),
    "names": ("a", ("a", 1), 5),
    "sizes": ({"16": 4}, {16: "x"}, [16]),
    "make": (5, None, keras.layers.ReLU(), "print"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_values_of_each_kind(name, refuses):
    for value in RIGHT[name]:
        check_values(Example, {name: value, "unknown": object()}, "Example")
    for value in WRONG[name]:
        with refuses(f"Example.{name}") as error:
            check_values(Example, {name: value}, "Example")
        assert str(error.value).endswith(f"Received: {value!r}")


def test_a_checked_function(refuses):
    @checked
    def grow(model, by: Count = 1):
        return model + by

    assert grow(1) == 2
    assert grow(1, by=2) == 3
    with refuses("grow.by"):
        grow(1, 0)
    with pytest.raises(TypeError, match="missing"):
        grow()


@pytest.mark.parametrize("name", methods())
def test_every_argument_of_a_method_is_checked(name, refuses):
    method = methods()[name]
    parameters = inspect.signature(method.__init__).parameters
    hints = typing.get_type_hints(method.__init__, include_extras=True)
    assert {*parameters} - {"self"} == {*hints}
    for argument in hints:
        with refuses(f"{name}.{argument}"):
            method(**method.tiny | {argument: object()})
    with refuses(f"{name}.image_size"):
        method(**method.tiny | {"image_size": 0})


def test_every_setting_of_a_run_is_checked(refuses):
    for name in inspect.signature(RunConfig).parameters:
        with refuses(f"train.{name}"):
            RunConfig(**{name: object()})


@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("Adam.epsilon", lambda: configuration.optimizers.adam(1, 0, 0, -1)),
        ("Adam.learning_rate", lambda: configuration.optimizers.adam(0, 0, 0)),
        ("single_phase.images", lambda: phases.single_phase(None, images=8.0)),
        ("Evaluation.count", lambda: Evaluation(count="x")),
        ("Evaluation.best", lambda: Evaluation(best="beauty")),
        (
            "constant_then_linear.constant_share",
            lambda: phases.constant_then_linear(0, None, 1),
        ),
    ],
)
def test_settings_of_functions(argument, make, refuses):
    with refuses(argument):
        make()


# In .gin files.


@pytest.mark.parametrize(
    ("argument", "binding"),
    [
        ("train.jit_compile", "train.jit_compile = 'False'"),
        ("train.translator_optimizer", "train.translator_optimizer = None"),
        ("train.schedule", "train.schedule = @constant"),
        ("TwinGAN.width", "TwinGAN.width = 0"),
        ("gin.macro.value", "macro.value = 3"),
    ],
)
def test_settings_that_a_run_cannot_have(binding, argument, tmp_path, refuses):
    (tmp_path / "own.gin").write_text(
        "train.image_size = 4\nTwinGAN.width = .02\n"
        "train.precision = 'float32'\n"
    )
    with refuses(argument):
        runs.open_run(tmp_path / "run", [tmp_path / "own.gin"], [binding])


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": lambda model: ["8px"]},
        {"schedule": lambda images_shown, phase: None},
    ],
)
def test_functions_that_return_nonsense(wrong, refuses):
    (name,) = wrong
    model = functools.partial(
        methods()["CycleGAN"], residual_blocks=1, width=0.05, critic_layers=1
    )
    adam = functools.partial(configuration.optimizers.adam, 1e-3, 0.5, 0.9)
    config = RunConfig(
        model,
        image_size=8,
        translator_optimizer=adam,
        critic_optimizer=adam,
        precision="float32",
        **wrong,
    )
    with refuses(f"train.{name}"):
        runs._build(config, make_strategy("none"))


def test_a_model_that_is_built_already(refuses):
    model = build_tiny("CycleGAN")
    with refuses("train.model"):
        RunConfig(model)
    with refuses("translator_optimizer"):
        model.compile("Adamm")


# Networks that do not fit the images.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("CycleGAN", {"image_size": 16, "critic_layers": 3}),
        ("CycleGAN", {"image_size": 4}),
        ("AsymGAN", {"image_size": 4}),
        ("CDFT", {"image_size": 16}),
    ],
)
def test_images_that_are_too_small(name, arguments, refuses):
    method = methods()[name]
    with refuses(f"{name}.image_size"):
        method(**method.tiny | arguments)
