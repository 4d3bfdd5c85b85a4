"""The campaign is imported from here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
