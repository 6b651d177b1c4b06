"""Reads, checks and writes the gin configuration of a run.

This is the only module that imports gin. All names that a .gin file may use are
registered in this module. A module that a .gin file imports may register
further names. gin has one configuration for the whole process.
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

from tf_i2i import messages
from tf_i2i import optimizers
from tf_i2i import process
from tf_i2i.configs import FOLDERS
from tf_i2i.configs import SEARCHED
from tf_i2i.consent import Consent
from tf_i2i.data.augment import Augmentation
from tf_i2i.disk import write_whole
from tf_i2i.errors import UserError
from tf_i2i.evaluation import registry
from tf_i2i.evaluation.validation import Evaluation
from tf_i2i.features.perceptual import perceptual
from tf_i2i.features.teacher import teacher
from tf_i2i.features.translator import exported
from tf_i2i.methods.base import UnpairedTranslator
from tf_i2i.methods.likeness import Likeness
from tf_i2i.methods.registry import methods
from tf_i2i.training import phases
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.devices import PRECISIONS
from tf_i2i.training.devices import fastest_precision
from tf_i2i.training.packed import PACKED
from tf_i2i.training.run_config import RunConfig

# The functions and classes that .gin files may use, by the names that they have
# in .gin files. The name `train`, which stands for `RunConfig`, is registered
# below.
REGISTERED = methods() | {
    "teacher": teacher,
    "perceptual": perceptual,
    "exported": exported,
    "Augmentation": Augmentation,
    "Evaluation": Evaluation,
    "Likeness": Likeness,
    "Adam": optimizers.adam,
    "single_phase": phases.single_phase,
    "growing_phases": phases.growing_phases,
    "cascade_phases": phases.cascade_phases,
    "class_phases": phases.class_phases,
    # This function is not called `constant` here, because gin itself defines a
    # function of that name.
    "constant_rate": phases.constant,
    "constant_then_linear": phases.constant_then_linear,
    "cosine": phases.cosine,
    "step_decay": phases.step_decay,
    "warm_up": phases.warm_up,
    "plateau": phases.plateau,
}
for _name, _what in REGISTERED.items():
    gin.external_configurable(_what, _name)
_run_config = gin.external_configurable(RunConfig, "train")
# Measures with settings. In .gin files, the settings are bound to the name of
# the measure.
_MEASURES = {m.name: m for m in registry.all_measures().values() if m.settings}
for _name, _measure in _MEASURES.items():
    registry.SETTINGS[_name] = gin.external_configurable(
        _measure.settings, _name
    )


@gin.register("former")
def _former(start_size=None, taps=None):
    """Does nothing. Its arguments are the former settings in `settings.MOVED`.

    Without this function, gin would refuse older .gin files that have these
    settings. `check_moved` checks their values.
    """


OPTIMIZERS = ("translator_optimizer", "critic_optimizer")
# Default arguments of `Adam` in earlier versions of this package.
FORMER_ADAM = {"learning_rate": 1e-3, "beta_1": 0.5, "beta_2": 0.99}


@contextlib.contextmanager
def _gin_settings():
    """Context that restores gin's configuration when it ends.

    gin has one configuration for the whole process, which a notebook may use
    for its own settings.
    """
    config = gin.config
    nested = (config._CONFIG, config._OPERATIVE_CONFIG)
    flat = (config._SINGLETONS, config._IMPORTS)
    before = [{k: dict(v) for k, v in store.items()} for store in nested]
    before += [store.copy() for store in flat]
    locked = gin.config_is_locked()
    try:
        yield
    finally:
        for store, content in zip((*nested, *flat), before, strict=True):
            store.clear()
            store.update(content)
        config._set_config_is_locked(locked)


process.also_keep(_gin_settings)

# The settings of `train` that may be changed when a run is resumed. The sources
# of the images may be changed, because the contents of the images are checked
# separately; see `training.data_record`.
MUTABLE_ON_RESUME = (
    "steps",
    "strategy",
    "log_kimg",
    "sample_kimg",
    "save_kimg",
    "loggers",
    "keep",
    "evaluation",
    "data_a",
    "data_b",
    "domains",
    "face_margin",
    "labels_b",
)


def configure(run_dir, files=(), bindings=(), trust_config=False):
    """Replaces gin's configuration by the settings in files and bindings.

    Later files take precedence over earlier files, and bindings take
    precedence over all files. The augmentation and the settings of `Adam` get
    default values if they are not set. A precision of "auto" is replaced
    later, by `choose_precision`.

    Args:
        run_dir: folder of the run, which may not exist yet.
        files: paths of .gin files; empty for the run's own config.gin.
        bindings: list of texts of the form "name.parameter = value".
        trust_config: whether the run's own config.gin may import code,
            include files, load networks from files and download.

    Returns:
        `Consent` to what the configuration may load.

    Raises:
        UserError: gin cannot read a file or a binding, or a name is unknown.
    """
    consent = Consent(bool(files) or trust_config, config=_config_of(run_dir))
    own = [] if files else [_own_config(run_dir, consent)]
    notes: list[str] = []
    gin.clear_config()
    try:
        gin.parse_config(_default_references())
        with _reading(notes):
            for path in [*own, *files]:
                gin.parse_config_file(str(path))
                if own:
                    # Former names in the run's own config.gin are not reported,
                    # because the next training writes this file again, with the
                    # present names.
                    notes.clear()
            of_files = given_settings()
            for binding in bindings:
                text, more = settings.rename(binding)
                gin.parse_config(text)
                notes += more
        _remove_replaced(of_files)
        if given("augmentation") is None:
            gin.parse_config("train.augmentation = @Augmentation()")
        _bind_adam(run_dir)
        _bind_former_defaults(run_dir)
        _check_references()
        gin.finalize()
    except UserError:
        raise
    except Exception as error:  # Imported modules may raise any exception.
        raise _refusal(error) from error
    for note in dict.fromkeys(notes):
        messages.info(note)
    return consent


@contextlib.contextmanager
def _reading(notes):
    """Context in which former names of settings are replaced in all files.

    The files that a .gin file includes are found by `_find_included`.

    A file reader is inserted at the beginning of gin's private list of
    readers. gin uses the first reader that can open a file, and
    `gin.register_file_reader` can only append to the list.

    Args:
        notes: list to which a sentence is appended for each former name.
    """
    opened = []

    @contextlib.contextmanager
    def read(path):
        path = Path(path).absolute()
        opened.append(path)
        text, more = settings.rename(settings.read_gin(path))
        notes.extend(more)
        file = io.StringIO(
            re.sub(
                r"^include\s+(['\"])(.+?)\1",
                lambda found: f"include {_find_included(found[2], opened)!r}",
                text,
                flags=re.M,
            )
        )
        # gin's error messages contain the name of the file.
        file.name = str(path)
        yield file
        opened.pop()

    readers = gin.config._FILE_READERS
    readers.insert(0, (read, os.path.isfile))
    try:
        yield
    finally:
        readers.pop(0)


def _find_included(name, opened):
    """Returns the absolute path of a file that a .gin file includes.

    The file is searched in the folder of the file that includes it, then in
    the current folder, in the folders of `--gin_search_path` and among the
    shipped configs. For an `include` in a shipped config, only the shipped
    configs are searched.

    Args:
        name: the path in the `include` statement.
        opened: paths of the files that are being read, the last of which has
            the statement. Files in this list are not found, because files that
            include each other in a circle would be read without end.

    Returns:
        Path of the file as text.

    Raises:
        UserError: there is no such file.
    """
    folder = opened[-1].parent
    shipped = [f for f in FOLDERS if folder.is_relative_to(f)]
    for start in shipped or [folder, Path.cwd(), *SEARCHED, *FOLDERS]:
        path = Path(os.path.normpath(start / name))
        if path.is_file() and path not in opened:
            return str(path)
    raise UserError(
        "`include` must name another .gin file in the folder of the file that "
        "includes it, in the current folder, in a folder of "
        "--gin_search_path, or among the shipped configs. "
        f"Received: {name} in {opened[-1]}"
    )


def _check_references():
    """Raises an error for references to gin's own functions.

    gin has functions named `constant`, `macro` and `singleton`. References to
    these functions make no sense as values of settings.

    Raises:
        UserError: a setting is such a reference. The message names it.
    """
    for name, value in given_settings().items():
        if re.fullmatch(r"@(gin\.)?(constant|macro|singleton)(\(\))?", value):
            raise UserError(
                f"`{name}` must refer to one of {', '.join(REGISTERED)}. "
                f"Received: {value}"
            )
    try:
        # `gin.config_str` leaves out a binding of `gin.macro.value`, so that
        # `given_settings` does not contain it.
        value = gin.query_parameter("gin.macro.value")
    except ValueError:
        return
    raise UserError(
        "`gin.macro.value` must be bound under a name, as in NAME = VALUE. "
        f"Received: gin.macro.value = {value!r}"
    )


def _remove_replaced(of_files):
    """Removes settings of files that the user's bindings made useless.

    For example, a file sets `train.schedule = @constant_then_linear` and
    `constant_then_linear.constant_share`. If the user gives another schedule on
    the command line, the second setting has no effect. Without this function,
    `check_unused` would raise an error for it, although the user made no
    mistake.

    Args:
        of_files: the settings of the files, from `given_settings`, before the
            user's bindings were parsed.
    """
    now = given_settings()
    values = [v for name, v in of_files.items() if now.get(name) != v]
    while values:
        before, left = _references(values), _references(now.values())
        useless = [
            name
            for name, value in now.items()
            if of_files.get(name) == value
            and _is_reached(name, before)
            and not _is_reached(name, left)
        ]
        # The removed settings may themselves refer to functions.
        values = [now.pop(name) for name in useless]
        for name in useless:
            _unbind(name)


def _references(values):
    """Returns the set of all references in the texts of values.

    The elements are names of functions, classes and macros with their scopes,
    such as "critic/Adam".
    """
    return {*re.findall(r"[@%]([\w./]+)", " ".join(values))}


def _is_reached(name, references):
    """Returns whether a setting has an effect on one of several references.

    For example, `Adam.beta_1` has an effect on the reference `@critic/Adam`.

    Args:
        name: name of a setting, such as "critic/Adam.beta_1", or of a macro.
        references: set that `_references` returned.
    """
    if "." not in name:
        return name in references
    scope, _, setting = name.rpartition("/")
    target, _, _ = setting.rpartition(".")
    for reference in references:
        inner, _, what = reference.rpartition("/")
        # A reference with scopes inherits the settings of the outer scopes.
        inherits = not scope or f"{inner}/".startswith(f"{scope}/")
        if inherits and f".{what}".endswith(f".{target}"):
            return True
    return False


def _unbind(name):
    """Removes a binding or a macro from gin's configuration.

    gin has no public function for this purpose.

    Args:
        name: name as in `given_settings`.
    """
    if "." not in name:
        name = f"{name}/gin.macro.value"
    key = gin.config.ParsedBindingKey.parse(name)
    place = key.scope, key.complete_selector
    bound = gin.config._CONFIG[place]
    del bound[key.arg_name]
    if not bound:
        # gin cannot print a macro without a value.
        del gin.config._CONFIG[place]


def _bind_adam(run_dir):
    """Binds the settings of `Adam` that the configuration does not set.

    The settings get the values that the method states. Earlier versions of this
    package had the same values for all methods. A run that was begun with an
    earlier version keeps the values of that version.

    Args:
        run_dir: folder of the run, which may not exist yet.
    """
    scopes = {
        scope
        for scope, target in map(_reference, OPTIMIZERS)
        if target is optimizers.adam
    }
    if "" in scopes:
        # If a scope does not set a value, gin uses the value without a scope.
        scopes = {""}
    saved = {}
    if Checkpoints(run_dir).paths():
        saved = settings.saved_bindings(_config_of(run_dir))
    # If a function builds the model, the method's class is unknown. Then the
    # values of the base class are used.
    _, model = _reference("model")
    values = getattr(model, "adam_values", UnpairedTranslator.adam_values)()
    bound = given_settings()
    for name, value in values.items():
        key = f"Adam.{name}"
        if key in bound:
            continue
        before = _literal(saved.get(key))
        if before is not None and before == FORMER_ADAM.get(name):
            value = before
        for scope in scopes:
            scoped = f"{scope}/{key}" if scope else key
            if scoped not in bound:
                gin.bind_parameter(scoped, value)


def _bind_former_defaults(run_dir):
    """Binds settings to their former defaults, if an older version began a run.

    Settings that the configuration sets are left as they are.

    Args:
        run_dir: folder of the run, which may not exist yet, or of a packed
            model.
    """
    path = _config_of(run_dir)
    bound = given_settings()
    model = settings.saved_bindings(path).get("train.model")
    begun = Checkpoints(run_dir).paths() or (path.parent / PACKED).exists()
    if not begun or model != bound.get("train.model"):
        return
    for name, value in settings.former_defaults(path).items():
        if name not in bound:
            gin.bind_parameter(name, _literal(value))


def _reference(name):
    """Returns what a setting of `train` refers to.

    Returns:
        `(scope, target)`: the scope of the reference, "" if it has none; and
        the function or class to which it refers, None if the setting is not a
        reference.
    """
    value = given(name)
    # The value may be a reference to a macro, whose value may again be a macro.
    while repr(value).startswith("%"):
        value = gin.query_parameter(f"{repr(value)[1:]}/macro.value")
    target = getattr(getattr(value, "configurable", None), "wrapped", None)
    scope, _, _ = repr(value).lstrip("@").rpartition("/")
    return scope, target


def _literal(text):
    """Returns the Python value of a text, or None if it is no literal."""
    try:
        return ast.literal_eval(text)
    except (TypeError, ValueError, SyntaxError):
        return None


def _default_references():
    """Returns bindings that set defaults of `RunConfig` as gin references.

    These defaults are functions and classes. gin applies bindings such as
    `constant_then_linear.constant_share` only to functions and classes that
    are set by a reference.

    Returns:
        List of texts of the form "train.NAME = @REFERENCE".
    """
    names = {what: name for name, what in REGISTERED.items()}
    return ["train.augmentation = @Augmentation()"] + [
        f"train.{name} = @{names[parameter.default]}"
        for name, parameter in inspect.signature(RunConfig).parameters.items()
        if parameter.default in names
    ]


def given(name, otherwise=None):
    """Returns the value that a setting of `train` is bound to.

    Args:
        name: name of the setting, without "train.".
        otherwise: value to return if the setting is not bound.
    """
    try:
        return gin.query_parameter(f"train.{name}")
    except ValueError:
        return otherwise


def given_settings():
    """Returns a dictionary of all bindings.

    The keys have the form "scope/name.parameter", and the values are texts.
    """
    return settings.bindings_of(gin.config_str())


def resolved_config():
    """Returns all settings used so far, including defaults, as gin text."""
    return gin.operative_config_str()


def run_config():
    """Returns the `RunConfig` of the configuration.

    Raises:
        UserError: a value is out of its range.
    """
    return _run_config()


def _config_of(run_dir):
    return Path(run_dir) / "config.gin"


def _own_config(run_dir, consent):
    """Returns the path of a run's config.gin, after checking it.

    Args:
        run_dir: folder of a run.
        consent: `Consent` of the user to what the file does.

    Raises:
        UserError: the file is missing or damaged, or it imports code or
            includes files without consent.
    """
    path = _config_of(run_dir)
    if not settings.saved_bindings(path):
        raise UserError(
            "`run_dir` must be the folder of a run, with an undamaged "
            "config.gin. To write config.gin again, repeat the command that "
            "began the run, with its --gin_file and other flags. "
            f"Received: {path.parent}"
        )
    imports = re.search(
        r"^\s*(import|from|include)\b.*", settings.read_gin(path), re.M
    )
    if imports and not consent.trusted:
        raise consent.refusal(imports[0].strip())
    return path


def clear():
    """Removes all settings, for a command that uses no run."""
    gin.clear_config()


def configure_measures(bindings, measures):
    """Adds settings of measures to the present configuration.

    Args:
        bindings: list of texts of the form "measure.parameter = value".
        measures: names of the measures that are computed.

    Raises:
        UserError: a binding is not a setting of one of these measures, or its
            value is not allowed.
    """
    known = [name for name in measures if name in _MEASURES]
    for binding in bindings:
        if binding.partition(".")[0].strip() not in known:
            raise UserError(
                "`--gin_param` must be a setting of a measure that is computed "
                f"({', '.join(known) or 'none of them has settings'}). "
                f"Received: {binding}"
            )
    try:
        with gin.unlock_config():
            gin.parse_config(bindings)
    except Exception as error:  # gin raises errors of many types.
        raise _refusal(error) from error
    with one_line_errors():
        for name in known:
            registry.settings_of(_MEASURES[name])


def choose_precision(run_dir, workers):
    """Replaces the precision "auto" in the configuration.

    A resumed run keeps its precision, also on another machine. A new run gets
    the precision that is fastest on this machine or, if there are several
    workers, on the machine of the chief.

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
    """Raises an error if a run is resumed with another configuration.

    Args:
        run_dir: folder of the run.
        log: function that takes a line of text; called if the run's config.gin
            is missing or damaged.

    Raises:
        UserError: settings that are not in `MUTABLE_ON_RESUME` have other
            values in the run's config.gin. The message names these settings.
    """
    path = _config_of(run_dir)
    before = settings.saved_bindings(path)
    now = settings.bindings_of(resolved_config())
    if not before:
        log(
            f"{path} is missing or damaged. It is written again from the "
            "settings of this command, which must be the same as when the run "
            "began"
        )
        return
    # In config.gin files of earlier versions, None stands for the default
    # augmentation. The default replaces it below.
    if before.get("train.augmentation") == "None":
        del before["train.augmentation"]
    # A setting that is missing in a config.gin of an earlier version is
    # compared as if it had the present default value.
    defaults = settings.bindings_of("\n".join(_default_references()))
    for name, parameter in inspect.signature(RunConfig).parameters.items():
        defaults.setdefault(f"train.{name}", repr(parameter.default))
    for name in now.keys() & defaults.keys():
        before.setdefault(name, defaults[name])
    for name in now.keys() - given_settings().keys():
        before.setdefault(name, now[name])
    free = {f"train.{name}" for name in MUTABLE_ON_RESUME}
    scored = tuple(f"{name}." for name in ("Evaluation", *_MEASURES))
    free |= {name for name in now | before if name.startswith(scored)}
    changed = settings.differences(before, now, {*before, *now} - free)
    if changed:
        raise UserError(
            "`run_dir` must have a run of the same configuration. Begin a new "
            "run with another --run_dir. With --init_from, the new run begins "
            f"with the weights of this run. Received: {'; '.join(changed)}"
        )


def check_unused():
    """Raises an error if there is a binding that no function has used.

    Raises:
        UserError: there are unused bindings. The message names the first.
    """
    bound = given_settings()
    used = settings.bindings_of(resolved_config())
    reached = {outer for name in used for outer in _outer(name)}
    # A macro is used even if the setting that refers to it is overridden in
    # every scope.
    reached |= {*re.findall(r"%([\w./]+)", " ".join(bound.values()))}
    unused = [
        name
        for name in bound
        if name not in reached and not name.startswith("former.")
    ]
    if unused:
        near = difflib.get_close_matches(unused[0], used, 1, 0.4)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UserError(
            f"`{unused[0]}` must be a setting that this run reads{hint} "
            f"Received: {unused[0]} = {bound[unused[0]]}"
        )


def _outer(name):
    """Yields the names by which gin finds the value of a setting.

    A setting with a scope inherits the value of the outer scopes. For example,
    if `a/b/Adam.beta_1` is not bound, it has the value of `a/Adam.beta_1` or of
    `Adam.beta_1`.

    Args:
        name: name of a setting, with its scopes.
    """
    *scopes, setting = name.split("/")
    for count in range(len(scopes) + 1):
        yield "/".join([*scopes[:count], setting])


def check_moved(model):
    """Raises an error if a former setting of the phases contradicts the model.

    Args:
        model: the `UnpairedTranslator` of the run.

    Raises:
        UserError: a setting differs from the attribute of the model that
            replaces it.
    """
    for name, attribute in settings.MOVED.items():
        found = given_settings().get(f"former.{attribute}")
        own = getattr(model, attribute, None)
        if None in (found, own):
            continue
        value = _literal(found)
        if (tuple(value) if isinstance(value, list) else value) != own:
            raise UserError(
                f"`{name}` must be removed, because the training phases are "
                f"computed from the model, whose {attribute} is {own}. "
                f"Received: {found}"
            )


def write_config(run_dir):
    """Writes the resolved configuration to a run's config.gin.

    Args:
        run_dir: folder of the run, which is made if needed.

    Raises:
        OSError: the folder cannot be written.
    """
    path = _config_of(run_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [resolved_config().encode()])


@contextlib.contextmanager
def one_line_errors():
    """Context that turns errors of configured functions into `UserError`s."""
    try:
        yield
    except UserError as error:
        raise UserError(_without_place(str(error))) from error
    except RecursionError as error:
        raise UserError(
            "`configuration` must not have macros or functions that refer to "
            "each other in a circle. Received: a circle"
        ) from error
    except (TypeError, ValueError) as error:
        if "In call to configurable" not in str(error):
            # gin did not add its text to this error. Therefore the error is a
            # bug, and not a mistake in the configuration.
            raise
        raise _refusal(error) from error


def _refusal(error):
    """Returns a `UserError` of one line for an error that gin raised."""
    text = " ".join(_without_place(str(error)).split())
    if macro := re.match(r"No bindings specified for '(.+)/gin\.macro'", text):
        return UserError(
            f"`{macro[1]}` must be defined, as in {macro[1]} = VALUE. "
            f"Received: %{macro[1]}, without such a line"
        )
    if isinstance(error, SyntaxError) and error.text:
        text += f": {error.text.strip()}"
    if "No configurable matching" in text:
        text += f" Known names: train, {', '.join(REGISTERED)}."
    return UserError(
        "`configuration` must be valid for gin and for the functions that it "
        f"sets. Received: {text}"
    )


def _without_place(text):
    """Returns an error message without the code location that gin adds."""
    return re.split(r"\s+In call to configurable", text)[0]
