"""Every behaviour we promise the user, by id. A test names what it proves with `@pytest.mark.promise("id")`.

`tests/test_promises.py` holds both directions: no promise without a test, no mark without a promise.
"""

PROMISES: dict[str, str] = {}
