"""The configuration of a run: .gin files read, checked and written.

The only module that imports gin. Every public name that a .gin file may
use is registered here, once; a module that a file imports may register more.
gin keeps one configuration for the whole process.
"""

import ast
import contextlib
import difflib
import inspect
import io
import os
import re
from pathlib import Path

import gin

from tf_i2i import optimizers
from tf_i2i.configs import FOLDERS
from tf_i2i.data.augment import Augmentation
from tf_i2i.data.store import to_stderr
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.features.perceptual import perceptual
from tf_i2i.features.teacher import teacher
from tf_i2i.features.translator import exported
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.registry import methods
from tf_i2i.training import phases
from tf_i2i.training import settings
from tf_i2i.training.devices import PRECISIONS
from tf_i2i.training.devices import fastest_precision
from tf_i2i.training.run_config import RunConfig

# What a .gin file may name, by that name; and `train`, which is `RunConfig`.
REGISTERED = methods() | {
    "teacher": teacher,
    "perceptual": perceptual,
    "exported": exported,
    "Augmentation": Augmentation,
    "Evaluation": Evaluation,
    "Adam": optimizers.adam,
    "single_phase": phases.single_phase,
    "growing_phases": phases.growing_phases,
    "cascade_phases": phases.cascade_phases,
    "constant_rate": phases.constant,  # gin has a `constant` of its own.
    "constant_then_linear": phases.constant_then_linear,
}
for _name, _what in REGISTERED.items():
    gin.external_configurable(_what, _name)
_run_config = gin.external_configurable(RunConfig, "train")


@gin.register("former")
def _former(start_size=None, taps=None):
    """Takes settings in `settings.MOVED` of older files; see `check_moved`."""


# A file may include a shipped one by its name.
for _folder in FOLDERS:
    gin.add_config_file_search_path(str(_folder))

# Settings of `train` that may differ when a run is resumed: how long, how
# often, on which devices; and the place of the data, because a run recognizes
# its images by their contents.
MUTABLE_ON_RESUME = (
    "steps",
    "strategy",
    "log_kimg",
    "sample_kimg",
    "save_kimg",
    "keep",
    "evaluation",
    "data_a",
    "data_b",
    "domains",
    "labels_b",
)


def configure(run_dir, files=(), bindings=(), allow_imports=False):
    """Replaces the configuration by files and then bindings; the last wins.

    What they leave open is settled here: the precision "auto" apart (see
    `choose_precision`), the configuration is then complete.

    Args:
        run_dir: folder of the run, which may not exist yet.
        files: paths of .gin files; empty for the run's own config.gin.
        bindings: "name.parameter = value".
        allow_imports: whether the run's own config.gin may import code or
            include files.

    Raises:
        UserError: for what gin cannot read or does not know.
    """
    own = [] if files else [_own_config(run_dir, allow_imports)]
    notes: list[str] = []
    gin.clear_config()
    try:
        gin.parse_config(_default_references())
        with _reading(notes):
            for path in [*own, *files]:
                gin.parse_config_file(str(path))
                if own:
                    notes.clear()  # The next training writes it anew.
            for binding in bindings:
                text, more = settings.rename(binding)
                gin.parse_config(text)
                notes += more
        if given("augmentation") is None:
            gin.parse_config("train.augmentation = @Augmentation()")
        _bind_optimizer(settings.saved_bindings(_config_of(run_dir)))
        gin.finalize()
    except UserError:
        raise
    except Exception as error:  # gin raises whatever its imports do.
        raise _refusal(error) from error
    for note in dict.fromkeys(notes):
        to_stderr(note)


@contextlib.contextmanager
def _reading(notes):
    """Within this context gin reads files by the names that settings have now.

    gin takes the first of its readers that can open a file, and
    `gin.register_file_reader` adds one to the end only.

    Args:
        notes: list to which a sentence for each former name is added.
    """
    opened = []

    @contextlib.contextmanager
    def read(path):
        path = os.path.abspath(path)
        if path in opened:
            raise UserError(
                "`include` must name a file that does not include this one. "
                f"Received: {path}"
            )
        text, more = settings.rename(Path(path).read_text())
        notes.extend(more)
        file = io.StringIO(_within_shipped(text, path))
        file.name = path  # For the messages of gin.
        opened.append(path)
        yield file
        opened.pop()

    readers = gin.config._FILE_READERS
    readers.insert(0, (read, os.path.isfile))
    try:
        yield
    finally:
        readers.pop(0)


def _within_shipped(text, path):
    """Makes a shipped config include shipped ones, not files of their names."""
    for folder in FOLDERS:
        if Path(path).is_relative_to(folder):
            pattern = r"^(include ['\"])"
            return re.sub(pattern, rf"\g<1>{folder}/", text, flags=re.M)
    return text


def _bind_optimizer(saved):
    """Binds those settings of `Adam` that the configuration leaves open.

    A resumed run keeps its own values; a new one takes those of its method.

    Args:
        saved: bindings of the run so far, if any.
    """
    sides = ("translator_optimizer", "critic_optimizer")
    if optimizers.adam not in [_referred(side) for side in sides]:
        return
    # A function that builds a model states no values.
    values = getattr(_referred("model"), "adam", UnpairedTranslator.adam)
    bound = given_settings()
    for name, value in values.items():
        key = f"Adam.{name}"
        if key not in bound:
            gin.bind_parameter(key, _literal(saved.get(key), value))


def _referred(name):
    """The function or class that a setting of `train` refers to, or None."""
    value = given(name)
    while repr(value).startswith("%"):  # A macro.
        value = gin.query_parameter(f"{repr(value)[1:]}/macro.value")
    return getattr(getattr(value, "configurable", None), "wrapped", None)


def _literal(text, otherwise):
    """The Python value that a text stands for, else `otherwise`."""
    try:
        return ast.literal_eval(text)
    except (TypeError, ValueError, SyntaxError):
        return otherwise


def _default_references():
    """Bindings of those defaults of a run that a .gin file may configure.

    A default is a plain function or class; bindings such as
    `constant_then_linear.constant_share` reach it through a reference only.
    """
    names = {what: name for name, what in REGISTERED.items()}
    return ["train.augmentation = @Augmentation()"] + [
        f"train.{name} = @{names[parameter.default]}"
        for name, parameter in inspect.signature(RunConfig).parameters.items()
        if parameter.default in names
    ]


def given(name, otherwise=None):
    """The value bound to a setting of `train`, else `otherwise`."""
    try:
        return gin.query_parameter(f"train.{name}")
    except ValueError:
        return otherwise


def given_settings():
    """Dictionary of all bindings, "scope/name.parameter" -> value as text."""
    return settings.bindings_of(gin.config_str())


def resolved_config():
    """The configuration with every default filled in, as gin text."""
    return gin.operative_config_str()


def run_config():
    """The `RunConfig` of the configuration.

    Raises:
        UserError: for values that are refused.
    """
    return _run_config()


def _config_of(run_dir):
    return Path(run_dir) / "config.gin"


def _own_config(run_dir, allow_imports):
    """Path of a run's config.gin.

    Args:
        run_dir: folder of a run.
        allow_imports: whether the file may import code or include files.

    Raises:
        UserError: there is none, it is damaged, or it imports or includes.
    """
    path = _config_of(run_dir)
    if not settings.saved_bindings(path):
        raise UserError(
            "`run_dir` must be the folder of a run, with a whole config.gin; "
            "the command that began the run, --gin_file and all, writes it "
            f"anew. Received: {path.parent}"
        )
    imports = re.search(
        r"^\s*(import|from|include)\b.*", path.read_text(), re.M
    )
    if imports and not allow_imports:
        raise UserError(
            "`run_dir` holds a config.gin that runs code; if you trust it, "
            f"pass --allow_imports. Received: {imports[0].strip()} in {path}"
        )
    return path


def choose_precision(run_dir, workers):
    """Replaces precision "auto" in the configuration by a choice.

    A resumed run keeps its precision on any machine; a new one takes the
    faster one. Of several workers, the chief decides.

    Args:
        run_dir: folder of the run.
        workers: `Workers` that train together.
    """
    if given("precision", "auto") != "auto":
        return
    saved = settings.saved_bindings(_config_of(run_dir))
    precision = saved.get("train.precision")
    precision = precision.strip("'\"") if precision else fastest_precision()
    precision = PRECISIONS[workers.gather(PRECISIONS.index(precision))[0, 0]]
    with gin.unlock_config():
        gin.bind_parameter("train.precision", precision)


def check_same(run_dir, log):
    """Refuses to resume a run with another configuration than it began with.

    Args:
        run_dir: folder of the run.
        log: function that prints a line.

    Raises:
        UserError: naming the settings that differ.
    """
    path = _config_of(run_dir)
    before = settings.saved_bindings(path)
    now = settings.bindings_of(resolved_config())
    if not before:
        log(
            f"{path} is missing or damaged: written anew from this command, "
            "which must be the one that began the run"
        )
        return
    if before.get("train.augmentation") == "None":  # It meant the default.
        del before["train.augmentation"]
    # A setting that came with a newer version stood at its default.
    defaults = settings.bindings_of("\n".join(_default_references()))
    for name, parameter in inspect.signature(RunConfig).parameters.items():
        defaults.setdefault(f"train.{name}", repr(parameter.default))
    for name in now.keys() & defaults.keys():
        before.setdefault(name, defaults[name])
    for name in now.keys() - given_settings().keys():
        before.setdefault(name, now[name])
    free = {f"train.{name}" for name in MUTABLE_ON_RESUME}
    free |= {name for name in now | before if name.startswith("Evaluation.")}
    changed = settings.differences(before, now, {*before, *now} - free)
    if changed:
        raise UserError(
            "`run_dir` holds a run with another configuration. Begin a new "
            "one with another --run_dir, from these weights with "
            f"--init_from. Received: {'; '.join(changed)}"
        )


def check_unused():
    """Refuses bindings that were set and never read.

    Raises:
        UserError: naming the first of them.
    """
    bound = given_settings()
    used = settings.bindings_of(resolved_config())
    unused = [
        name
        for name in bound
        if name not in used and not name.startswith("former.")
    ]
    if unused:
        near = difflib.get_close_matches(unused[0], used, 1, 0.4)
        hint = f"; do you mean {near[0]}" if near else ""
        raise UserError(
            f"`{unused[0]}` is set, but nothing in this run reads it{hint}. "
            f"Received: {unused[0]} = {bound[unused[0]]}"
        )


def check_moved(model):
    """Refuses former settings of the phases that contradict the model.

    Args:
        model: the `UnpairedTranslator` of the run.

    Raises:
        UserError: naming the setting.
    """
    for name, attribute in settings.MOVED.items():
        found = given_settings().get(f"former.{attribute}")
        own = getattr(model, attribute, None)
        if None in (found, own):
            continue
        value = _literal(found, own)
        if (tuple(value) if isinstance(value, list) else value) != own:
            raise UserError(
                f"`{name}` must be removed: the phases follow the model, "
                f"whose {attribute} is {own}. Received: {found}"
            )


def write_config(run_dir):
    """Writes the resolved configuration to a run's config.gin.

    Raises:
        OSError: the folder cannot be written.
    """
    path = _config_of(run_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [resolved_config().encode()])


@contextlib.contextmanager
def one_line_errors():
    """Turns errors of configured functions into a `UserError` of one line."""
    try:
        yield
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        if "In call to configurable" not in str(error):
            raise  # Not an argument's fault, but ours.
        raise _refusal(error) from error


def _refusal(error):
    """A `UserError` of one line for an error from within gin."""
    text = " ".join(str(error).split())
    text = text.partition(" In call to configurable")[0]  # Where in Python.
    if "No configurable matching" in text:
        text += f" Known names: train, {', '.join(REGISTERED)}."
    return UserError(
        "`configuration` must be one that gin can read and apply. "
        f"Received: {text}"
    )
