"""Loads the weights of another run as the initial weights of a new run."""

from tf_i2i.errors import UserError
from tf_i2i.optimizers import reset_optimizers
from tf_i2i.training import settings
from tf_i2i.training.checkpoints import Checkpoints
from tf_i2i.training.weights_file import OtherNetworksError


def load_initial_weights(run_dir, model, bindings, log):
    """Loads another run's weights, and sets counters and optimizers to zero.

    Args:
        run_dir: folder of the other run, a `Path`.
        model: `UnpairedTranslator` with its optimizers.
        bindings: dictionary of the new run's configuration, which is used in
            error messages. The keys have the form "name.parameter", and the
            values are texts.
        log: function that is called with a line if the newest checkpoint is
            damaged.

    Raises:
        UserError: the other run has no checkpoint, or its model has other
            networks.
    """
    try:
        found = Checkpoints(run_dir).restore(model, log)
    except OtherNetworksError as error:
        raise _explain(run_dir, bindings, error) from error
    except UserError as error:
        if error.argument == "run_dir":
            error.rename("--init_from")
        raise
    if not found:
        raise UserError(
            "`--init_from` must be the folder of a run with a checkpoint. "
            f"Received: {run_dir}"
        )
    model.step.assign(0)
    model.images_shown.assign(0)
    reset_optimizers(model)


def _explain(run_dir, ours, error):
    """Returns a `UserError` that names the settings that differ.

    Args:
        run_dir: folder of the other run.
        ours: bindings of the new run, as in `load_initial_weights`.
        error: the `OtherNetworksError`, whose message is used if no setting
            differs.
    """
    theirs = settings.saved_bindings(run_dir / "config.gin")
    models = {b.get("train.model", "").lstrip("@") for b in (theirs, ours)}
    of_models = {
        name
        for name in {*theirs, *ours}
        if name in ("train.model", "train.image_size")
        or name.partition(".")[0] in models
    }
    changed = settings.differences(ours, theirs, of_models, "here")
    return UserError(
        "`--init_from` must be a run of a model with the same networks. "
        f"Received: {run_dir} with {'; '.join(changed) or error}"
    )
