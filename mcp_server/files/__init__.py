"""Files: which ones a client may read and write, and where results are stored. The runtime decodes them."""
