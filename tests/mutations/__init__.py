"""Seeded defects of the media path, each of which must make a check of `tests.meaning` fail."""
