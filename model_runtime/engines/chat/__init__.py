"""What text and vision models share: the loop of a chat engine, sampling, stop sequences, grammars, special tokens.
Nothing here knows how a family of models is built.
"""
