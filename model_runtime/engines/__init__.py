"""Engines: the only code that imports MLX and its libraries. A worker process runs one engine.

The daemon imports nothing from here. `create_engine` imports the one library that the model needs.
"""
