"""The frame, style, small charts and figures that all pages share. Free of torch."""
