"""Latency of searched networks on this machine: measured, predicted from blocks, and held within limits."""
