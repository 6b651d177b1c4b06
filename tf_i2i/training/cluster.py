"""The processes that train together, which the variable `TF_CONFIG` names.

This environment variable is read before TensorFlow is imported, so that the
chief, and no other process, locks the run directory before the import.
"""

import dataclasses
import json
import os
import re

from tf_i2i.errors import UserError
from tf_i2i.foreign_files import parse_json

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers that `TF_CONFIG` names.

    Attributes:
        addresses: dictionary of the addresses, "host:port". The keys are names
            of workers, such as "worker 0". The first worker is the chief.
        own: name of the worker that runs in this process.
    """

    addresses: dict[str, str]
    own: str

    @property
    def chief(self):
        """Whether this process is the chief, which writes the run's files."""
        return self.own == next(iter(self.addresses))


def read_cluster(needed=False):
    """Returns `TF_CONFIG` as a `Cluster`; None if it is not set.

    Args:
        needed: whether `TF_CONFIG` must be set.

    Raises:
        UserError: `TF_CONFIG` does not have the form of `_EXAMPLE`.
    """
    text = os.environ.get("TF_CONFIG", "")
    if text.strip() in ("", "{}") and not needed:
        return None
    try:
        return _cluster(parse_json(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            "`TF_CONFIG` must have the addresses of all workers and the index "
            f"of this worker, like {_EXAMPLE}. "
            f"Received: {text or 'nothing'} ({_reason(error)})"
        ) from error


def _reason(error):
    if isinstance(error, json.JSONDecodeError):
        return "not JSON"
    if isinstance(error, KeyError):
        return f"no {error}"
    return str(error)


def _cluster(config):
    jobs, task = config["cluster"], config["task"]
    if other := set(jobs) - {"chief", "worker"}:
        raise ValueError(f"unknown jobs {', '.join(sorted(other))}")
    if len(jobs.get("chief", [])) > 1:
        raise ValueError("more than one chief")
    addresses = {
        f"{kind} {index}": address
        for kind in ("chief", "worker")
        for index, address in enumerate(jobs.get(kind, []))
    }
    for address in addresses.values():
        if not re.fullmatch(r"[^\s:]+:\d+", address):
            raise ValueError(f"{address} is not host:port")
    if len({*addresses.values()}) < len(addresses):
        raise ValueError("two workers have the same address")
    own = f"{task['type']} {int(task['index'])}"
    if own not in addresses:
        raise ValueError(
            f"{own} is not among {', '.join(addresses) or 'no workers'}"
        )
    return Cluster(addresses, own)
