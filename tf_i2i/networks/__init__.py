"""The networks of all methods, which are built from `tf_i2i.layers`."""
