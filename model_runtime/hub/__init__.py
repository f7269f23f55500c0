"""The Hugging Face cache: what is in it, and downloads into it. What a model is for is the catalogue's business."""
