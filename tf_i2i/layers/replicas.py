"""Across all replicas of a `tf.distribute` strategy."""

import tensorflow as tf


def replica_position():
    """Returns `(replica id, number of replicas)`; `(0, 1)` outside of one."""
    context = tf.distribute.get_replica_context()
    if context is None:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def across_replicas(tensors):
    """Means of each tensor over the replicas, differentiable.

    Whatever is taken over a batch must be taken over every replica's share
    of it, or two devices train another model than one.

    Args:
        tensors: list of float tensors of the same shapes on each replica.

    Returns:
        List of the means, or `tensors` where there is one replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def gathered(x):
    """`[N, ...]` of each replica -> `[replicas * N, ...]` on all of them."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    batch = context.num_replicas_in_sync * x.shape[0]
    return tf.ensure_shape(context.all_gather(x, axis=0), [batch, *x.shape[1:]])
