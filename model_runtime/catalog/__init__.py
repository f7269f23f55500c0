"""Which models there are, what a name means, where the files are, and what they need. Reads small files on this disk;
downloads nothing and loads nothing.
"""
