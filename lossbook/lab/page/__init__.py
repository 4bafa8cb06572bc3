"""What a reader sees: figures, tables, objects that move, audit, palette."""

import logging

# torch.compile and torch.utils.benchmark import this module. With a CUDA toolkit but no GPU it
# warns of that on stderr, and what a notebook shows must not depend on the machine.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
