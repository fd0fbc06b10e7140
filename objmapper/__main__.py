"""``python -m objmapper``."""

import sys

from objmapper.cli import main

if __name__ == "__main__":
    sys.exit(main())
