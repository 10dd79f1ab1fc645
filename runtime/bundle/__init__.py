"""Bundles: manifest, digests, signature, golden images, loading."""
