"""python -m tf_i2i.doctor: checks images, and what a configuration needs.

    python -m tf_i2i.doctor --data_a=photos/ --data_b=drawings/
    python -m tf_i2i.doctor --data_a=photos/ --data_b=drawings/ \
        --gin_file=twingan_64.gin
"""

import argparse
import contextlib
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import asdict
from dataclasses import replace
from pathlib import Path

from tf_i2i import cli
from tf_i2i import configs
from tf_i2i import messages
from tf_i2i import process
from tf_i2i.cache import default_cache_dir
from tf_i2i.consent import Consent
from tf_i2i.data import checkup
from tf_i2i.data.checkup import ERROR
from tf_i2i.data.checkup import NOTE
from tf_i2i.data.checkup import WARNING
from tf_i2i.data.checkup import Finding
from tf_i2i.data.sources import forms
from tf_i2i.data.sources import locate
from tf_i2i.data.sources import source_for
from tf_i2i.data.sources import spread_data
from tf_i2i.disk import format_bytes
from tf_i2i.domains import DOMAINS
from tf_i2i.errors import UserError
from tf_i2i.errors import printable
from tf_i2i.sizes import image_shape
from tf_i2i.sizes import short_side
from tf_i2i.sizes import size_text

_STORED = {"checkpoints": "checkpoints", "store": "stored images"}
MARKS = {ERROR: "x", WARNING: "!", NOTE: "-"}
IMAGE_SIZE = 64  # Equal to the default of `train.image_size`.
LONG_HOURS = 7 * 24  # Duration of a run above which there is a warning.
FULL = 0.8  # Share of the machine's memory above which there is a warning.
_WIDTH = 96  # Width of the report in characters.
# Kinds of the findings that say that a step needs too much memory.
_MEMORY_KINDS = ("fit", "memory")
_RECOMPUTE = "train.recompute = True"


def _parser():
    parser = cli.parser(
        "doctor",
        "Looks for faults in two collections of images, and tries out "
        "whether this machine can train a configuration. The last line says "
        "whether images and configuration are usable. If they are not, the "
        "exit status is 1.",
        [
            "python -m tf_i2i.doctor --data_a=photos/ --data_b=drawings/",
            "python -m tf_i2i.doctor --data_a=photos/ --data_b=drawings/ "
            "--gin_file=twingan_64.gin --json=findings.json",
        ],
    )
    add = parser.add_argument
    add(
        "--data",
        help="folder of both domains, with trainA/ and trainB/, or with A/ and "
        "B/; in place of --data_a and --data_b",
    )
    add(
        "--data_a",
        help=f"images of domain A: {forms()} (default: those of the "
        "configuration, otherwise toy)",
    )
    add("--data_b", help="images of domain B, in the same forms as --data_a")
    add(
        "--image_size",
        type=cli.image_size,
        help="side in pixels, or HEIGHTxWIDTH, of the images in training "
        f"(default: that of the configuration, otherwise {IMAGE_SIZE})",
    )
    cli.add_gin_flags(
        add,
        "configuration to train a few steps of, to measure what it needs; may "
        "be repeated",
        "change of the configuration, such as 'train.image_size = 64'; may be "
        "repeated",
    )
    add(
        "--run_dir",
        type=cli.read_path,
        help="folder of a run whose configuration is tried and whose disk is "
        "checked for free space",
    )
    cli.add_trust_flag(add)
    add(
        "--json",
        type=cli.write_path,
        metavar="FILE",
        help="JSON file to write all findings to",
    )
    # The parent process passes its request to the child process by this flag.
    add("--trial", help=argparse.SUPPRESS)
    return parser


@process.unchanged()
def main(argv):
    """Runs the command.

    Args:
        argv: command line, without the program.

    Raises:
        UserError: wrong flags.
        SystemExit: the images or the machine are not usable; the status is 1.
    """
    args = _parser().parse_args(argv)
    if args.trial:
        _trial(**json.loads(args.trial))
        return
    _check_flags(args)
    # The trial runs before images are read, because the measured peak memory of
    # a child process is at least the peak memory of its parent.
    needs, about_run = {}, []
    if args.gin_file or args.run_dir:
        needs, about_run = try_out(
            args.gin_file, args.gin_param, args.run_dir, args.trust_config
        )
    sources = (
        _sources({"a": args.data_a, "b": args.data_b})
        or _configured_sources(args, needs.get("data", {}))
        or _toy_faces()
    )
    image_size = args.image_size or needs.get("image_size", IMAGE_SIZE)
    domains, findings = _examine(sources, image_size, needs)
    if "checkpoint_bytes" in needs:
        about_run += _disk_findings(args, needs, sources)
    findings += about_run
    report = {
        "verdict": _verdict(findings),
        "image_size": image_size,
        "domains": {d.letter: d.summary() for d in domains},
        "needs": needs,
        "findings": [asdict(finding) for finding in findings],
    }
    _print_report(domains, needs, findings, report["verdict"])
    if args.json:
        _write(args.json, report)
    if any(finding.level == ERROR for finding in findings):
        raise SystemExit(1)


def _check_flags(args):
    spread_data(args)
    for name in ("data_a", "data_b"):
        if (spec := getattr(args, name)) is not None:
            setattr(args, name, locate(spec, name))
    args.gin_file = [str(configs.find_config(name)) for name in args.gin_file]
    if args.run_dir and not args.gin_file:
        cli.check_run_dir(args.run_dir)
    if args.gin_param and not (args.gin_file or args.run_dir):
        raise UserError(
            "`--gin_param` must come with --gin_file or --run_dir. "
            f"Received: {args.gin_param[0]} without them"
        )
    if args.image_size is not None and short_side(args.image_size) < 1:
        raise UserError(
            "`--image_size` must be at least 1. "
            f"Received: {size_text(args.image_size)}"
        )
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise UserError(
            f"`--json` must be a file in a folder that exists. "
            f"Received: {args.json}"
        )


# These functions check the images.


def _sources(specs):
    """Returns the sources of images by domain, without those that are None.

    Args:
        specs: dictionary from "a" and "b" to the values of `--data_a` and
            `--data_b`.
    """
    return {
        letter: source_for(spec, letter)
        for letter, spec in specs.items()
        if spec is not None
    }


def _configured_sources(args, specs):
    """Returns the sources that the configuration names, by domain.

    Args:
        args: parsed flags.
        specs: dictionary as in `_sources`.
    """
    consent = Consent(
        bool(args.gin_file) or args.trust_config,
        config=Path(args.run_dir or "", "config.gin"),
    )
    with consent.applied():
        return _sources(specs)


def _toy_faces():
    return {letter: source_for(None, letter) for letter in DOMAINS}


def _examine(sources, image_size, needs):
    fit = needs.get("fit", "crop")
    domains, findings = [], []
    for letter, source in sources.items():
        domain = checkup.examine(source, letter, fit)
        domains.append(domain)
        findings += checkup.domain_findings(
            domain, image_size, fit, needs.get("max_bad_fraction", 0.01)
        )
    if len(domains) == 2:
        findings += checkup.pair_findings(*domains)
    return domains, findings


# These functions try the configuration. The trial runs in a child process,
# because the operating system may kill the process if memory runs out.


def try_out(files, bindings, run_dir=None, trust_config=False):
    """Trains a few steps of a configuration in a child process.

    Args:
        files: paths of .gin files.
        bindings: gin bindings, a list of texts such as
            "name.parameter = value".
        run_dir: folder of a run; None for a new run.
        trust_config: whether the run's own config.gin may import code, include
            files, load networks from files and download.

    Returns:
        `(needs, findings)`: a dictionary of what the configuration needs,
        from `training.trial`, and a list of `Finding`. If the configuration
        needs too much memory and could have `train.recompute = True`, the
        findings say what it needs with this setting.
    """
    environment = dict(os.environ)
    if environment.pop("TF_CONFIG", None):
        # The other workers of the cluster are not running. Therefore the trial
        # must not wait for them.
        bindings = [*bindings, "train.strategy = 'auto'"]
    with tempfile.TemporaryDirectory() as blank:
        request = {
            "run_dir": run_dir or f"{blank}/run",
            "files": files,
            "bindings": bindings,
            "trust_config": trust_config,
        }
        messages.info("training a few steps of the largest phase...")
        needs, findings = _understand(_run_child(request, environment))
        if not (needs.get("can_recompute") and _lack_memory(findings)):
            return needs, findings
        messages.info("training them again with `train.recompute = True`...")
        request["bindings"] = [*bindings, _RECOMPUTE]
        again, _ = _understand(_run_child(request, environment))
    advice = _advise_recompute(needs, again)
    return needs, [
        replace(finding, advice=f"{advice} {finding.advice}")
        if finding.kind in _MEMORY_KINDS
        else finding
        for finding in findings
    ]


def _run_child(request, environment):
    """Returns the `CompletedProcess` of a child process.

    Args:
        request: arguments of `_trial`, a dictionary.
        environment: environment variables of the process, a dictionary.
    """
    return subprocess.run(
        _command(request),
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )


def _lack_memory(findings):
    return any(finding.kind in _MEMORY_KINDS for finding in findings)


def _advise_recompute(needs, again):
    """Returns what a step needs with `train.recompute`, as advice.

    Args:
        needs: what the configuration needs; it has no entry "step" if no step
            could be made.
        again: the same with `train.recompute = True`.
    """
    setting = f"--gin_param='{_RECOMPUTE}'"
    if "step" not in again:
        return f"It does not fit with {setting} either."
    time = f"{again['step']:.3g} s"
    if "step" in needs:
        time = f"{again['step'] / needs['step']:.2g} times as long"
    return (
        f"With {setting} a step needs {_memory_text(again)} and takes {time}."
    )


def _command(request):
    """Returns the command line that runs `doctor` as a child process.

    Args:
        request: arguments of `_trial`, a dictionary.
    """
    module = ["-m", "tf_i2i.doctor"]
    folders = [f"--gin_search_path={folder}" for folder in configs.SEARCHED]
    return [sys.executable, *module, f"--trial={json.dumps(request)}", *folders]


def _trial(run_dir, files, bindings, trust_config):
    """Trains a few steps of a configuration, in the child process.

    Prints one line of JSON before the training steps and one after them.

    Args:
        run_dir: folder of the run.
        files: paths of .gin files.
        bindings: gin bindings, a list of texts such as
            "name.parameter = value".
        trust_config: whether the run's own config.gin may import code, include
            files, load networks from files and download.
    """
    with contextlib.suppress(OSError):
        # With this score, Linux kills this process before any other if memory
        # runs out.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")
    tf = cli.import_tensorflow(training=True)
    from tf_i2i.runs import open_run
    from tf_i2i.training import trial

    try:
        run = open_run(run_dir, files, bindings, trust_config)
        print(json.dumps(trial.plan(run)), flush=True)
        needs = trial.measure(run)
    except (tf.errors.ResourceExhaustedError, MemoryError):
        needs = {"out_of_memory": True}
    print(json.dumps(needs), flush=True)


def _understand(child):
    """Returns the results of a child process that has ended.

    Args:
        child: `subprocess.CompletedProcess`.

    Returns:
        `(needs, findings)`; see `try_out`.

    Raises:
        UserError: the child ended with a `UserError`.
    """
    needs: dict = {}
    for line in child.stdout.splitlines():
        if line.startswith("{"):
            needs |= json.loads(line)
    reason = _reason(child.stderr)
    if child.returncode == 2 and reason.startswith("error: "):
        raise UserError(reason.removeprefix("error: "))
    if needs.get("out_of_memory"):
        how = "an allocation failed"
    elif child.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        how = "the system killed it"
    elif child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        how = f"the signal {name} ended it, {reason}"
    elif child.returncode:
        what = f"a step of the largest phase failed: {reason}"
        advice = (
            "The reason is not a lack of memory; training would end with this "
            "error."
        )
        return needs, [_about_run("failed", ERROR, what, advice)]
    else:
        return needs, _fit_findings(needs)
    what = f"the largest phase does not fit into memory: {how}"
    return needs, [_about_run("fit", ERROR, what, _lower(needs))]


def _reason(stderr):
    """Returns the line of a process's stderr that names its error.

    The line is the last one that begins with the name of an exception or, if
    there is none, the last line of the text.
    """
    lines = stderr.strip().splitlines() or ["no reason given"]
    errors = [line for line in lines if re.match(r"[\w.]*(E|e)rror\b", line)]
    return (errors or lines)[-1][:300]


def _about_run(kind, level, what, advice):
    return Finding(kind, "run", level, what, 0, [], advice)


def _lower(needs):
    """Returns advice to lower the settings that determine the memory needed."""
    settings = needs.get("settings", {})
    now = [f"{name} = {value}" for name, value in settings.items()]
    names = [name for name in settings if name.endswith(".batch_size")]
    example = (names or ["growing_phases.batch_size"])[0]
    half = max(1, needs.get("batch_size", 8) // 2)
    return (
        f"Lower {', '.join(now) or 'image_size, batch_size or width'}, for "
        f"example by --gin_param='{example} = {half}'."
    )


def _fit_findings(needs):
    findings = []
    there = _machine_memory()
    if there and (needs["memory"] or 0) > FULL * there:
        findings.append(
            _about_run(
                "memory",
                WARNING,
                f"a step needs {format_bytes(needs['memory'])} of the "
                f"{format_bytes(there)} of memory of this machine",
                _lower(needs),
            )
        )
    if needs["hours"] > LONG_HOURS:
        findings.append(
            _about_run(
                "long",
                WARNING,
                f"the whole run would take {_duration(needs['hours'])}",
                "Use a GPU, or a smaller configuration (python -m "
                "tf_i2i.train --list_configs lists them). " + _lower(needs),
            )
        )
    return findings


def _machine_memory():
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _disk_findings(args, needs, sources):
    """Checks the free space for checkpoints and for the stored images.

    Adds the key "disk" to `needs`, with a dictionary of the bytes that are
    needed for the checkpoints and for the stored images.

    Returns:
        List of `Finding`: one if the checkpoints have too little space, and
        one if the stored images have too little space.
    """
    shape = image_shape(needs["load_size"])
    folders = {
        "checkpoints": Path(args.run_dir or "runs").absolute(),
        "store": default_cache_dir().absolute(),
    }
    needs["disk"] = {
        "checkpoints": needs["checkpoints"] * needs["checkpoint_bytes"],
        "store": math.prod(shape) * sum(map(len, sources.values())),
    }
    findings = []
    for name, folder in folders.items():
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if needs["disk"][name] > free:
            findings.append(
                _about_run(
                    "disk",
                    ERROR,
                    f"the {_STORED[name]} need "
                    f"{format_bytes(needs['disk'][name])} in {folder}, where "
                    f"{format_bytes(free)} are free",
                    "Free some space, or choose another disk: by --run_dir "
                    "for checkpoints, by the environment variable "
                    "TF_I2I_CACHE for stored images.",
                )
            )
    return findings


# These functions write the report.


def _verdict(findings):
    errors = [f for f in findings if f.level == ERROR]
    if errors:
        return f"not usable: {'; '.join(map(_describe, errors))}"
    warnings = sum(f.level == WARNING for f in findings)
    if warnings:
        return f"usable, with {warnings} warning{'s' if warnings > 1 else ''}"
    return "ready"


def _describe(finding):
    """Returns a finding as text; it begins with the domain, if there is one."""
    where = {"a": "A: ", "b": "B: "}.get(finding.where, "")
    return where + finding.what


def _print_report(domains, needs, findings, verdict):
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character of a file name that the console's encoding lacks is
        # shown as a backslash escape.
        sys.stdout.reconfigure(errors="backslashreplace")
    for domain in domains:
        _print_domain(domain)
    if "step" in needs:
        _print_needs(needs)
    for finding in findings:
        _say(f"{MARKS[finding.level]} {_describe(finding)}")
        for example in finding.examples:
            _say(f"      {_shorten(example)}")
        for line in _wrap(finding.advice):
            _say(f"  {line}")
        _say()
    _say(verdict)


def _wrap(text):
    """Splits a text into lines, but never within a quoted flag.

    A quoted flag is kept in one line, so that the user can copy it.
    """
    quoted = re.sub(r"--\w+='[^']*'", lambda m: m[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(quoted, _WIDTH, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]


def _say(line=""):
    """Prints a line with control characters escaped.

    File names may contain control characters that would change the terminal.
    """
    print(printable(line))


def _shorten(text):
    """Returns a text, without its middle if it is wider than the report."""
    half = _WIDTH // 2 - 2
    return text if len(text) <= _WIDTH else f"{text[:half]}...{text[-half:]}"


def _print_domain(domain):
    facts = domain.summary()
    _say(f"{domain.letter.upper()}  {domain.title}")
    counts = [f"{n:,} {split}" for split, n in facts["images"].items()]
    _print_fact("images", ", ".join(counts))
    if facts["median"]:
        small, median, large = (
            "x".join(map(str, facts[key]))
            for key in ("smallest", "median", "largest")
        )
        if small != large:
            small += f" to {large}, median {median}"
        if facts["longest_aspect"] > 1:
            small += f", aspect ratio up to {facts['longest_aspect']:g}:1"
        _print_fact("sizes", small)
        kinds = [f"{n:,} {kind}" for kind, n in facts["kinds"].items()]
        _print_fact("kinds", ", ".join(kinds))
    for note in domain.notes:
        _print_fact("note", note.removeprefix(f"{domain.title}: "))
    _say()


def _print_fact(name, text):
    _say(f"   {name:14} {text}")


def _print_needs(needs):
    _say(f"The largest phase, {needs['phase']}, on this machine:")
    _print_fact("batch", f"{needs['batch_size']}, {needs['precision']}")
    there = _machine_memory()
    memory = _memory_text(needs, f" of {format_bytes(there)}" if there else "")
    _print_fact("peak memory", f"{memory}, without the image data")
    _print_fact(
        "step",
        f"{needs['step']:.3g} s, "
        f"{needs['batch_size'] / needs['step']:.3g} images/s; "
        f"the first step, with tracing, {needs['first_step']:.0f} s",
    )
    _print_fact(
        "whole run",
        f"{_duration(needs['hours'])}, if the time per image is proportional "
        "to its side",
    )
    disk = needs["disk"]
    _print_fact(
        "disk",
        f"{format_bytes(disk['checkpoints'])} for {needs['checkpoints']} "
        f"checkpoints, {format_bytes(disk['store'])} for the stored images",
    )
    _say()


def _memory_text(needs, of_machine=""):
    """Returns the peak memory of the process and of the GPU as text.

    Args:
        needs: dictionary with "memory" and "gpu_memory", from `trial.measure`.
        of_machine: text that follows the memory of the process.
    """
    text = format_bytes(needs["memory"]) if needs["memory"] else "unknown"
    text += of_machine
    if needs["gpu_memory"]:
        text += f"; on the GPU {format_bytes(needs['gpu_memory'])}"
    return text


def _duration(hours):
    if hours < 2:
        return f"about {max(1, round(60 * hours))} minutes"
    if hours < 72:
        return f"about {hours:.0f} hours"
    return f"about {hours / 24:,.0f} days"


def _write(path, report):
    try:
        Path(path).write_text(
            json.dumps(report, indent=1) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise UserError(
            "`--json` must be a file that can be written. "
            f"Received: {path} ({error.strerror})"
        ) from error


if __name__ == "__main__":
    cli.run(main)
