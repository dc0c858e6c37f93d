"""Manifests: every kind the runtime honours, read strictly."""
