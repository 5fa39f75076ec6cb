"""The schemas that generated modules import."""
