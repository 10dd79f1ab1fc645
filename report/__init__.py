"""The frame, style and small charts of every page. Free of torch."""
