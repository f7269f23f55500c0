"""What every HTTP answer needs, whatever the endpoint: access rules, error envelopes, request log, streams, clients
that disconnect. Knows no OpenAI schema.
"""
