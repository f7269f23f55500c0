"""Print `docs/settings.md`."""

import sys

from model_runtime.settings.reference import settings_page

sys.stdout.write(settings_page())
