"""Reads the text of pictures with PP-OCRv6 small on onnxruntime. The models are part of the wheel of rapidocr."""
