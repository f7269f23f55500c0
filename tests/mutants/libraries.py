"""Importing this imports the libraries: what a fork server loads before it forks."""

from tests.mutants.warm import import_libraries

import_libraries()
