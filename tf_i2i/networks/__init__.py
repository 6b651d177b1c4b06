"""The networks of all methods, built from layers."""
