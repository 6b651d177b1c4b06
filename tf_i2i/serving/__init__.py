"""An HTTP server that translates images with a trained run."""
