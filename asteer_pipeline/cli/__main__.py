"""`python -m asteer_pipeline.cli`: the `asteer` command of this very interpreter, whatever stands on the path."""

import sys

from asteer_pipeline.cli import main

sys.exit(main())
