"""Measurements of stylepress beside a plain script and the machine's own limits: `python -m benchmarks`."""
