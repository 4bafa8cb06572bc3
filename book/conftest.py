"""Run the notebooks under nbval as `make notebooks` runs them."""

import os

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("LOSSBOOK_BOOK", "1")
