"""Faults at random, under load: what was promised holds all the same."""
