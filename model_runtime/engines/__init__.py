"""The only code that imports MLX and its libraries; runs inside worker processes, one engine each. Nothing here is
imported by the daemon: `create_engine` imports the one library the model needs.
"""
