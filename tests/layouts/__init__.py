"""Pages that a real Chromium renders before and after one known edit, and whether the edit is named."""
