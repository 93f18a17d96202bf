"""How fast jno is beside hand-written JAX and beside its peers; README.md says how to run it."""
