"""The check that a bundle's graph passes before OpenVINO reads it: text, operations, data flow, shapes."""
