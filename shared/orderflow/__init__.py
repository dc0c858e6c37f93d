"""The thin library that OrderFlow's functions share."""
