"""`python -m deconvjax COMMAND`, the same as the console script `deconvjax COMMAND`."""

import sys

from deconvjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
