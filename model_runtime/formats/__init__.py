"""What both faces read and write: durations, data URLs, web addresses, subtitles, messages about invalid values.
Nothing here knows a model, a request or a face.
"""
