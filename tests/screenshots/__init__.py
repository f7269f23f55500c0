"""Screenshots of pages that a real Chromium renders, the lines of text in them, and how well they were read."""
