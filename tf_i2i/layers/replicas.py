"""Operations over all replicas of a `tf.distribute` strategy."""

import tensorflow as tf


def replica_position():
    """Returns the pair `(replica id, number of replicas)`.

    Outside a replica context, the pair is `(0, 1)`.
    """
    context = tf.distribute.get_replica_context()
    if context is None:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def across_replicas(tensors):
    """Returns the mean of each tensor over all replicas.

    The operation is differentiable. Every mean over a batch must include all
    replicas. Otherwise two devices would not train the same model as one
    device.

    Args:
        tensors: list of float tensors with the same shapes on each replica.

    Returns:
        List of the means; `tensors` itself if there is only one replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def gather_replicas(x):
    """Returns the concatenated tensors of all replicas, on every replica.

    Args:
        x: `[N, ...]`, the tensor of this replica.

    Returns:
        `[replicas * N, ...]`.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    batch = context.num_replicas_in_sync * x.shape[0]
    return tf.ensure_shape(context.all_gather(x, axis=0), [batch, *x.shape[1:]])
