"""The language model as a proposer: asked, read with care, ranked by the surrogate beside its own."""
