"""Networks, built from layers and named by their structure."""
