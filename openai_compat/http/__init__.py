"""What all HTTP endpoints share: access control, error envelopes, request log, streaming and disconnects. Does not
know OpenAI's schemas.
"""
