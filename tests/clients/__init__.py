"""Suites of real clients of the HTTP API, each run by the client's own Python or Node in an environment of its own.

A suite is a folder with files `suite*.py`, which pytest runs, or `suite*.mjs`, which Node's test runner runs. Its
environment is a folder with `requirements.in` and `requirements.txt`, or with `package.json` and `package-lock.json`;
`make clients` installs it. `suites.py` lists the suites.
"""
