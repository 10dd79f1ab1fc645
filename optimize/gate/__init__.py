"""The accuracy test that a bundle must pass, and its operating points."""
