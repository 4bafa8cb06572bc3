"""How an experiment runs: devices, training loop, splits, records, benchmark."""
