"""The parts that text and vision models share: the chat engine, sampling, stop sequences, grammars, special tokens.

This package does not depend on any model family.
"""
