"""The worker's loader against real faults: a real server, real engines, real signals."""
